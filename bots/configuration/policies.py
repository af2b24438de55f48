"""Policies in the format of a configuration file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from bots.configuration.sections import Choice, Number, ObjectSection, Section, Slug
from bots.models import LanguageModel, Policy, WordList
from bots.safety.findings import SIDES, Side
from bots.safety.patterns import problem_with_pattern
from bots.safety.words import problem_with_word


class TextList(serializers.ListField):
    """Texts that a model's field checks as a whole; here each has its own place."""

    def __init__(self, reason_against: Callable[[str], str], **options: Any) -> None:
        def check(text: str) -> None:
            if reason := reason_against(text):
                raise ValidationError(reason)

        super().__init__(child=serializers.CharField(validators=[check]), required=False, **options)


class ListName(serializers.CharField):
    """The slug of a word list that is in the database: lists are uploaded, not written into the file."""

    def to_internal_value(self, data: Any) -> str:
        slug = super().to_internal_value(data)
        if not WordList.objects.filter(slug=slug).exists():
            raise ValidationError(_("there is no word list %(slug)s; upload it first") % {"slug": slug})
        return slug


class ModerationSection(Section):
    """Who else judges the texts of one side of a policy."""

    def __init__(self, *args: Any, side: Side, **options: Any) -> None:
        self.side = side
        super().__init__(*args, source="*", required=False, **options)

    class Meta:
        model = Policy

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        keys: dict[str, serializers.Field[Any, Any, Any, Any]] = {
            "model": Slug(LanguageModel, **self.key("model"), allow_null=True),
            "url": serializers.CharField(**self.key("url"), allow_blank=True),
            "secret": serializers.CharField(**self.key("secret"), allow_blank=True),
            "timeout_s": Number(**self.key("timeout_s")),
            "on_failure": Choice(Policy.OnFailure.values, **self.key("on_failure")),
        }
        if self.side == "output":
            keys["piece_chars"] = serializers.IntegerField(**self.key("piece_chars"))
        return keys

    def key(self, name: str) -> dict[str, Any]:
        return {"source": f"{self.side}_moderation_{name}", "required": False}

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        if not (data.get("model") or data.get("url")):
            raise ValidationError({NON_FIELD_ERRORS: [_("name a model or the url of a hook")]})
        return values

    def to_representation(self, instance: Policy) -> dict[str, Any]:
        if instance.moderation(self.side) is None:
            return {}
        return {key: value for key, value in super().to_representation(instance).items() if value != ""}


class InputSection(Section):
    word_lists = serializers.ListField(child=ListName(), source="input_word_lists", required=False)
    block_words = TextList(problem_with_word, source="input_block_words")
    block_patterns = TextList(problem_with_pattern, source="input_block_patterns")
    block_reply = serializers.CharField(source="input_block_reply", required=False)
    mask_pii = serializers.BooleanField(source="input_mask_pii", required=False)
    max_chars = serializers.IntegerField(
        source="input_max_chars", min_value=1, required=False, allow_null=True
    )
    moderation = ModerationSection(side="input")

    class Meta:
        model = Policy
        fields: ClassVar = [
            "block_words", "word_lists", "block_patterns", "block_reply", "mask_pii", "max_chars",
            "moderation",
        ]  # fmt: skip


class OutputSection(Section):
    word_lists = serializers.ListField(child=ListName(), source="output_word_lists", required=False)
    block_words = TextList(problem_with_word, source="output_block_words")
    block_patterns = TextList(problem_with_pattern, source="output_block_patterns")
    block_reply = serializers.CharField(source="output_block_reply", required=False)
    mask_pii = serializers.BooleanField(source="output_mask_pii", required=False)
    moderation = ModerationSection(side="output")

    class Meta:
        model = Policy
        fields: ClassVar = [
            "block_words", "word_lists", "block_patterns", "block_reply", "mask_pii", "moderation",
        ]  # fmt: skip


class PolicySection(ObjectSection):
    noun, model = "policy", Policy
    input = InputSection(source="*", required=False)
    output = OutputSection(source="*", required=False)
    handoff_words = TextList(problem_with_word)

    class Meta:
        model = Policy
        fields: ClassVar = ["slug", "input", "output", "handoff_words"]

    def store(self) -> None:
        self.draft.save()

    def secrets(self, instance: Policy) -> list[str]:
        return [f"{side}.moderation.secret" for side in SIDES]

"""The format of a configuration file: which keys there are, and which field of a model each one is.

Read and written by the same declarations, so what `export` prints is what `apply` takes.  What makes a
value valid is said by the models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Final

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField

from bots.configuration.saving import RuleDraft, rules_of, save_account, save_model, save_robot, save_route
from bots.desks import Desk
from bots.models import (
    Intent,
    LanguageModel,
    Policy,
    Price,
    Robot,
    Route,
    Rule,
    Tier,
    VendorAccount,
    WordList,
)
from bots.safety.findings import SIDES, Side
from bots.safety.patterns import problem_with_pattern
from bots.safety.words import problem_with_word
from bots.validation import check_condition, problem_with_rule
from bots.vendors import VENDORS, vendor_class
from bots.vendors.config import is_secret

UNKNOWN: Final = _("unknown key")
CONSEQUENCE: Final = "consequence"  # code of an error that goes away with another one


class Choice(serializers.ChoiceField):
    """A choice whose error names the words there are to choose from."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and data in self.choices:
            return data
        raise ValidationError(_("must be one of: %(known)s") % {"known": ", ".join(map(str, self.choices))})


class Number(serializers.FloatField):
    """A finite number; whole ones are written without a point."""

    def to_internal_value(self, data: Any) -> float:
        number = super().to_internal_value(data)
        if isinstance(data, bool) or not math.isfinite(number):
            self.fail("invalid")
        return int(number) if number == int(number) else number

    def to_representation(self, value: Any) -> Any:
        number = float(value)
        return int(number) if number == int(number) else number


class Amount(serializers.DecimalField):
    """An amount of money, written as a plain number."""

    def to_representation(self, value: Any) -> Any:
        return Number().to_representation(value)


class Slug(serializers.SlugRelatedField[Any]):
    """An object by its slug, from the file or the database."""

    def __init__(self, model: type[models.Model], **options: Any) -> None:
        self.model = model
        super().__init__(slug_field="slug", queryset=model._default_manager.all(), **options)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and (self.model, data) in self.context["broken"]:
            raise ValidationError(_("has errors of its own"), code=CONSEQUENCE)
        try:
            return super().to_internal_value(data)
        except ValidationError:
            place = {"name": self.model._meta.verbose_name, "slug": data}
            reason = _("there is no %(name)s %(slug)s, here or in the database")
            raise ValidationError(reason % place) from None


class Section(serializers.ModelSerializer[Any]):
    """Some of an object's keys.  Unknown ones are errors."""

    serializer_choice_field = Choice
    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.FloatField: Number,
        models.DecimalField: Amount,
        models.PositiveBigIntegerField: serializers.IntegerField,
    }

    def to_internal_value(self, data: Any) -> Any:
        self.understood: dict[str, Any] = {}  # what is right, even where something else is wrong
        if not isinstance(data, Mapping):
            raise ValidationError({NON_FIELD_ERRORS: [_("must be a mapping")]})
        problems: dict[str, Any] = {key: [UNKNOWN] for key in data if key not in self.fields}
        for name, field in self.fields.items():
            try:
                value = field.run_validation(field.get_value(data))
                value = getattr(self, f"validate_{name}", lambda value: value)(value)
            except ValidationError as error:
                problems[name] = error.detail
            except SkipField:
                pass
            else:
                self.set_value(self.understood, field.source_attrs, value)
        if problems:
            raise ValidationError(problems)
        return self.understood

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """The keys in order, without those that have nothing to say."""
        keys = super().to_representation(instance).items()
        return {key: value for key, value in keys if value not in (None, {}, [])}


class ObjectSection(Section):
    """One object of the file.  A key that it leaves out stands for the field's default."""

    noun: ClassVar[str]  # what one such object is called in the output
    model: ClassVar[type[models.Model]]
    draft: Any  # the object as the file wants it, once `is_valid` was called

    @classmethod
    def identify(cls, data: Mapping[str, Any]) -> dict[str, str]:
        """Which object this is, as a filter."""
        return {"slug": str(data.get("slug", ""))}

    @classmethod
    def identity_of(cls, stored: Any) -> tuple[str, ...]:
        """The values of `identify`, of a stored object."""
        return (stored.slug,)

    def to_internal_value(self, data: Any) -> Any:
        problems: dict[str, Any] = {}
        try:
            super().to_internal_value(data)
        except ValidationError as error:
            if not isinstance(data, Mapping):
                raise
            problems = error.detail  # type: ignore[assignment]
        self.draft = self.draw(self.understood)
        problems |= self.check_draft(wrong=set(problems))
        if problems:
            raise ValidationError(problems)
        return self.understood

    def draw(self, values: dict[str, Any]) -> Any:
        """The object with these values, not stored yet."""
        draft = self.instance or self.model()
        for source, path in sources(self):
            if source in values:
                setattr(draft, source, values[source])
            elif not self.fields[first_key(path)].required:
                field: Any = draft._meta.get_field(source)
                setattr(draft, source, field.get_default())
        return draft

    def check_draft(self, wrong: set[str]) -> dict[str, list[str]]:
        """What the model finds wrong besides, by paths in the file."""
        paths = dict(sources(self))
        problems: dict[str, list[str]] = {}
        try:
            self.draft.full_clean(exclude=[source for source in paths if first_key(paths[source]) in wrong])
        except DjangoValidationError as error:
            for source, errors in error.error_dict.items():
                for path, reason in placed(errors, paths.get(source, NON_FIELD_ERRORS)):
                    if first_key(path) not in wrong:
                        problems.setdefault(path, []).append(reason)
        return problems

    def store(self) -> None:
        raise NotImplementedError

    def secrets(self, instance: Any) -> list[str]:
        """Paths of what is never shown."""
        return []


BUDGET: Final = ["daily_tokens", "monthly_tokens", "daily_cost", "monthly_cost"]


class AccountBudgetSection(Section):
    class Meta:
        model = VendorAccount
        fields: ClassVar = BUDGET


class DeskSection(ObjectSection):
    noun, model = "desk", Desk
    hours = serializers.DictField(required=False)

    class Meta:
        model = Desk
        fields: ClassVar = [
            "slug", "time_zone", "hours", "closed_reply", "waiting_reply", "takes_failures",
            "take_within_min", "answer_within_min", "timeout_reply", "rating_question", "rating_thanks",
            "resolve_after_h",
        ]  # fmt: skip

    def store(self) -> None:
        self.draft.save()


class AccountSection(ObjectSection):
    noun, model = "account", VendorAccount
    desk = Slug(Desk, required=False, allow_null=True)
    config = serializers.DictField(required=False)
    limits = serializers.DictField(child=Number(), required=False)
    budget = AccountBudgetSection(source="*", required=False)

    class Meta:
        model = VendorAccount
        fields: ClassVar = ["slug", "vendor", "config", "limits", "desk", "budget", "enabled"]

    def validate_vendor(self, vendor: str) -> str:
        if self.instance is not None and self.instance.vendor != vendor:
            raise ValidationError(_("an account stays with its vendor; make another account"))
        return vendor

    def store(self) -> None:
        save_account(self.draft)

    def secrets(self, instance: VendorAccount) -> list[str]:
        specs = fields(vendor_class(instance.vendor).Config) if instance.vendor in VENDORS else ()
        return [f"config.{spec.name}" for spec in specs if is_secret(spec)]


class TimeoutsSection(Section):
    class Meta:
        model = LanguageModel
        fields: ClassVar = ["connect_s", "first_token_s", "stall_s", "total_s"]


class PriceSection(Section):
    class Meta:
        model = Price
        fields: ClassVar = ["currency", "input", "cached_input", "output"]


class ModelSection(ObjectSection):
    noun, model = "model", LanguageModel
    params = serializers.DictField(required=False)
    timeouts = TimeoutsSection(source="*", required=False)
    price = PriceSection(default=dict)

    class Meta:
        model = LanguageModel
        fields: ClassVar = [
            "slug", "api", "base_url", "api_key", "model", "params", "takes_images", "timeouts",
            "max_concurrency", "price", "enabled",
        ]  # fmt: skip

    def validate_price(self, values: Mapping[str, Any]) -> Price:
        price = Price(**values)
        try:
            price.clean()
        except DjangoValidationError as error:
            raise ValidationError(error.message_dict) from None
        return price

    def draw(self, values: dict[str, Any]) -> Any:
        return super().draw({"price": Price()} | values)  # where what the file says is wrong

    def store(self) -> None:
        save_model(self.draft, self.draft.price)

    def secrets(self, instance: LanguageModel) -> list[str]:
        return ["api_key"]


class ConditionField(serializers.DictField):
    """A rule's condition; whom it names by slug has to exist."""

    named: ClassVar = {"tiers": Tier, "intents": Intent}

    def to_internal_value(self, data: Any) -> Any:
        condition = super().to_internal_value(data)
        problems = {key: list(self._unknown(model, condition.get(key))) for key, model in self.named.items()}
        if any(problems.values()):
            raise ValidationError({key: errors for key, errors in problems.items() if errors})
        return condition

    def _unknown(self, model: type[models.Model], slugs: Any) -> Iterator[Any]:
        field = Slug(model)
        field.parent = self  # type: ignore[assignment]  # as with any field's child
        for slug in slugs if isinstance(slugs, list) else []:
            try:
                field.to_internal_value(slug)
            except ValidationError as error:
                yield from error.detail


class IntentSection(ObjectSection):
    noun, model = "intent", Intent
    keywords = serializers.ListField(child=serializers.CharField(), allow_empty=False)

    class Meta:
        model = Intent
        fields: ClassVar = ["slug", "keywords", "position"]

    def store(self) -> None:
        self.draft.save()


class RuleSection(Section):
    when = ConditionField(required=False, validators=[check_condition])
    models = serializers.ListField(child=Slug(LanguageModel), required=False)
    handoff = serializers.BooleanField(source="hands_over", required=False)

    class Meta:
        model = Rule
        fields: ClassVar = ["when", "models", "handoff"]

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        has_models, hands_over = bool(values.get("models")), values.get("hands_over", False)
        if reason := problem_with_rule(has_models=has_models, hands_over=hands_over):
            raise ValidationError({"models": [reason]})
        return values

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            key: value for key, value in super().to_representation(instance).items() if value is not False
        }

    def validate_models(self, models: list[LanguageModel]) -> list[LanguageModel]:
        if len(set(models)) < len(models):
            raise ValidationError(_("names a model twice"))
        return models


class RouteSection(ObjectSection):
    noun, model = "route", Route
    classifier = Slug(LanguageModel, required=False, allow_null=True)
    rules = RuleSection(many=True, allow_empty=False)

    class Meta:
        model = Route
        fields: ClassVar = ["slug", "classifier", "rules"]

    def draw(self, values: dict[str, Any]) -> Route:
        self.drafts = [RuleDraft(**{"when": {}, "models": [], **rule}) for rule in values.get("rules", [])]
        route = self.instance or Route(slug=values.get("slug", ""))
        route.classifier = values.get("classifier")
        return route

    def to_representation(self, instance: Route) -> dict[str, Any]:
        rules = self.drafts if instance is getattr(self, "draft", None) else rules_of(instance)
        classifier = {"classifier": instance.classifier.slug} if instance.classifier else {}
        return {"slug": instance.slug, **classifier, "rules": RuleSection(rules, many=True).data}

    def store(self) -> None:
        save_route(self.draft, self.drafts)


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


class TierSection(ObjectSection):
    noun, model = "tier", Tier

    class Meta:
        model = Tier
        fields: ClassVar = ["slug", *BUDGET, "over_reply"]

    def store(self) -> None:
        self.draft.save()


class RobotBudgetSection(Section):
    class Meta:
        model = Robot
        fields: ClassVar = BUDGET


class ReplySection(Section):
    mode = Choice(Robot.ReplyMode.values, source="reply_mode", required=False)

    class Meta:
        model = Robot
        fields: ClassVar = ["mode", "merge_window_ms", "max_age_s", "fallback"]


class HistorySection(Section):
    messages = serializers.IntegerField(source="history_messages", min_value=0, required=False)
    tokens = serializers.IntegerField(source="history_tokens", min_value=0, required=False)
    block = serializers.IntegerField(source="history_block", min_value=1, required=False)
    summaries = serializers.BooleanField(source="history_summaries", required=False)
    summary_model = Slug(LanguageModel, required=False, allow_null=True)

    class Meta:
        model = Robot
        fields: ClassVar = ["messages", "tokens", "block", "summaries", "summary_model"]


class RobotSection(ObjectSection):
    noun, model = "robot", Robot
    account = Slug(VendorAccount)
    route = Slug(Route)
    policy = Slug(Policy, required=False, allow_null=True)
    desk = Slug(Desk, source="own_desk", required=False, allow_null=True)
    default_tier = Slug(Tier, required=False, allow_null=True)
    budget = RobotBudgetSection(source="*", required=False)
    reply = ReplySection(source="*", required=False)
    history = HistorySection(source="*", required=False)

    class Meta:
        model = Robot
        fields: ClassVar = [
            "account", "user_id", "nickname", "avatar_url", "persona", "route", "policy", "desk",
            "default_tier", "budget", "reply", "groups", "history", "enabled",
        ]  # fmt: skip
        validators: ClassVar[list[Any]] = []  # `full_clean` knows what is unique

    @classmethod
    def identify(cls, data: Mapping[str, Any]) -> dict[str, str]:
        return {"account__slug": str(data.get("account", "")), "user_id": str(data.get("user_id", ""))}

    @classmethod
    def identity_of(cls, stored: Any) -> tuple[str, ...]:
        return stored.account.slug, stored.user_id

    def store(self) -> None:
        save_robot(self.draft)


# In the order in which one refers to another.  Higher apps add theirs when they are loaded.
SECTIONS: Final[dict[str, type[ObjectSection]]] = {
    "desks": DeskSection,
    "accounts": AccountSection,
    "models": ModelSection,
    "policies": PolicySection,
    "tiers": TierSection,
    "intents": IntentSection,
    "routes": RouteSection,
    "robots": RobotSection,
}


def first_key(path: str) -> str:
    return path.partition(".")[0]


def placed(errors: list[DjangoValidationError], path: str) -> Iterator[tuple[str, str]]:
    """The errors of a model's field; those inside a JSON field say where."""
    for error in errors:
        params = error.params or {}
        if "path" in params:
            yield f"{path}.{params['path']}", params["reason"]
        else:
            yield from ((path, message) for message in error.messages)


def sources(section: serializers.BaseSerializer[Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The model's fields that the section sets, each with its path in the file."""
    for key, field in section.fields.items():  # type: ignore[attr-defined]
        below = f"{path}.{key}" if path else key
        if field.source == "*":
            yield from sources(field, below)
        else:
            yield field.source, below

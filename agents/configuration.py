"""Agent templates in a configuration file, and how they are stored."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from agents.jobs import defer_registrations
from agents.models import AgentTemplate
from agents.speech import secret_paths
from bots.configuration.sections import Choice, ObjectSection, Section, Slug
from bots.models import LanguageModel, Robot, VendorAccount

OUTCOME: Final = ("registered_at", "registered_digest", "registration_error", "drifted_at", "brain_secret")


def save_template(template: AgentTemplate) -> None:
    """Store the template, and let the voice service have it."""
    with transaction.atomic():
        stored = AgentTemplate.objects.select_for_update().filter(pk=template.pk).first()
        for name in OUTCOME:  # which a job may have written since the template was read
            if stored is not None:
                setattr(template, name, getattr(stored, name))
        template.save()
        defer_registrations([template.pk])


def register_again(templates: QuerySet[AgentTemplate]) -> int:
    """Let the voice service have these once more, in the background.  Returns how many."""
    with transaction.atomic():
        template_ids = list(templates.able().values_list("pk", flat=True))  # type: ignore[attr-defined]
        AgentTemplate.objects.filter(pk__in=template_ids).update(registered_at=None, registration_error="")
        defer_registrations(template_ids)
    return len(template_ids)


class RobotName(serializers.Field[Any, Any, Any, Any]):
    """A robot by its user id; `account/user id` where several accounts have one of this id.

    The template's own account goes first.
    """

    def to_internal_value(self, data: Any) -> Robot:
        robots = self._called(str(data))
        own = [robot for robot in robots if robot.account == self._understood().get("account")]
        if len(found := own or robots) == 1:
            return found[0]
        if found:
            raise ValidationError(
                _("several accounts have such a robot: write account/%(id)s") % {"id": data}
            )
        raise ValidationError(_("there is no robot %(name)s, here or in the database") % {"name": data})

    def to_representation(self, value: Robot) -> str:
        is_only = Robot.objects.filter(user_id=value.user_id).count() == 1
        return value.user_id if is_only else f"{value.account.slug}/{value.user_id}"

    def _called(self, name: str) -> list[Robot]:
        robots = Robot.objects.select_related("account")
        slug, _slash, user_id = name.partition("/")
        return list(robots.filter(user_id=name) or robots.filter(account__slug=slug, user_id=user_id))

    def _understood(self) -> dict[str, Any]:
        section: Any = self.parent
        understood: dict[str, Any] = section.understood
        return understood


class TTSSection(Section):
    vendor = serializers.CharField(source="tts_vendor")
    params = serializers.DictField(source="tts_params", required=False)
    options = serializers.DictField(source="tts_options", required=False)

    class Meta:
        model = AgentTemplate
        fields: ClassVar = ["vendor", "params", "options"]


class ASRSection(Section):
    vendor = serializers.CharField(source="asr_vendor", required=False)
    params = serializers.DictField(source="asr_params", required=False)

    class Meta:
        model = AgentTemplate
        fields: ClassVar = ["vendor", "params"]


class VADSection(Section):
    class Meta:
        model = AgentTemplate
        fields: ClassVar = ["silence_ms", "pause_ms", "sensitivity", "min_speech_ms", "energy_threshold"]


class AgentTemplateSection(ObjectSection):
    noun, model = "agent template", AgentTemplate
    account = Slug(VendorAccount)
    robot = RobotName()
    llm = Choice(AgentTemplate.Mind.values, required=False)
    direct_model = Slug(LanguageModel, source="model", required=False, allow_null=True)
    # Not required, so that what a file leaves out of it stands for the default.
    tts = TTSSection(source="*", required=False)
    asr = ASRSection(source="*", required=False)
    vad = VADSection(source="*", required=False)
    callbacks = serializers.ListField(child=serializers.CharField(), required=False)

    class Meta:
        model = AgentTemplate
        fields: ClassVar = [
            "slug", "account", "agent_id", "name", "robot", "llm", "direct_model", "tts", "asr", "vad",
            "callbacks", "can_be_interrupted", "max_idle_s", "serves_samples", "enabled",
        ]  # fmt: skip
        validators: ClassVar[list[Any]] = []  # `full_clean` knows what is unique

    def to_representation(self, instance: AgentTemplate) -> dict[str, Any]:
        """None wanted is not the same as nothing said."""
        return super().to_representation(instance) | {"callbacks": instance.callbacks}

    def store(self) -> None:
        save_template(self.draft)

    def secrets(self, instance: AgentTemplate) -> list[str]:
        speech = {"tts": instance.tts_params, "asr": instance.asr_params}
        return [f"{key}.params.{path}" for key, params in speech.items() for path in secret_paths(params)]

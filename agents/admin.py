"""The admin of voice."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import RelatedDropdownFilter

from agents.configuration import register_again, save_template
from agents.errors import exception_words
from agents.forms import SIDES, more_name, param_name, template_form
from agents.models import AgentTemplate, Call, CallEvent
from agents.speech import ASR, TTS, params_of
from bots.admin.base import ConfigurationAdmin
from bots.theme import ModelAdmin, badge, moment

DEFAULTS: Final = {"tts": "ByteDanceV3", "asr": "Tencent"}


@admin.register(AgentTemplate)
class AgentTemplateAdmin(ConfigurationAdmin):
    fixed_fields = ("slug", "account", "agent_id")
    list_display = ("slug", "name", "robot", "account", "llm", "tts_vendor", "show_registration", "enabled")
    list_filter = (("account", RelatedDropdownFilter), "llm", "enabled")
    list_select_related = ("account", "robot")
    search_fields = ("slug", "name", "agent_id")
    autocomplete_fields = ("account", "robot", "model")
    readonly_fields = ("show_registration", "registered_at", "registration_error", "drifted_at")
    actions = ("register_selected",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        vendors = chosen_vendors(request, obj)
        form = template_form(vendors["tts"], vendors["asr"])
        return super().get_form(request, obj, change, **{**kwargs, "form": form})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        vendors = {f"{side}_vendor": vendor for side, vendor in chosen_vendors(request, None).items()}
        return {**super().get_changeform_initial_data(request), **vendors}

    def get_fieldsets(self, request: HttpRequest, obj: AgentTemplate | None = None) -> Any:
        vendors = chosen_vendors(request, obj)
        about = "" if obj else links_to_vendors()
        outcome = [("show_registration", "registered_at", "drifted_at"), "registration_error"]
        return (
            (None, {"fields": ["slug", "account", "agent_id", "name", "enabled"], "description": about}),
            (_("Mind"), {"fields": ["robot", ("llm", "model")]}),
            (
                _("Speech"),
                {"fields": ["tts_vendor", *param_fields("tts", vendors["tts"]), "tts_options"]},
            ),
            (
                _("Recognition"),
                {
                    "fields": [
                        "asr_vendor",
                        *param_fields("asr", vendors["asr"]),
                        ("silence_ms", "pause_ms"),
                        ("sensitivity", "min_speech_ms", "energy_threshold"),
                    ]
                },
            ),
            (
                _("Calls"),
                {"fields": [("max_idle_s", "can_be_interrupted"), "callbacks", "serves_samples"]},
            ),
            *(((_("At the voice service"), {"fields": outcome}),) if obj else ()),
        )

    def save_model(self, request: HttpRequest, obj: AgentTemplate, form: Any, change: bool) -> None:
        save_template(obj)

    @admin.display(description=_("registration"))
    def show_registration(self, template: AgentTemplate) -> SafeString | str:
        if template.registration_error:
            reason = Truncator(template.registration_error).chars(80)
            return format_html('{}<div class="mt-1 text-xs">{}</div>', badge(_("failed"), "danger"), reason)
        if template.registered_at:
            return badge(_("registered"), "success")
        is_able = template.enabled and template.account.enabled and template.robot.enabled
        return badge(_("waiting"), "info") if is_able else "–"

    @admin.action(description=_("Register again at the voice service"), permissions=["change"])
    def register_selected(self, request: HttpRequest, templates: QuerySet[AgentTemplate]) -> None:
        count = register_again(templates)
        text = ngettext(
            "%(count)d template will be registered.", "%(count)d templates will be registered.", count
        )
        level = messages.SUCCESS if count else messages.WARNING
        messages.add_message(request, level, text % {"count": count})


def chosen_vendors(request: HttpRequest, template: AgentTemplate | None) -> dict[str, str]:
    """By side: the template's vendors; of a new one those in the address, or the usual ones."""
    if template is not None:
        return {side: getattr(template, f"{side}_vendor") for side in SIDES}
    return {side: request.GET.get(side) or DEFAULTS[side] for side in SIDES}


def param_fields(side: str, vendor: str) -> list[str]:
    return [*(param_name(side, param) for param in params_of(vendor, SIDES[side])), more_name(side)]


def links_to_vendors() -> SafeString:
    """Links to forms with the fields of other vendors."""
    links = format_html_join(
        ", ", '<a class="text-link" href="?{}={}">{}</a>',
        [(side, vendor, vendor) for side, known in (("tts", TTS), ("asr", ASR)) for vendor in known],
    )  # fmt: skip
    return format_html("{} {}", _("With the parameters of:"), links)


SHOWN_EVENTS: Final = 200
TELLING: Final = ("Text", "PlayedText", "Status", "Action", "Reason", "Code")  # fields of an event's content
STATE_COLOURS: Final = {
    Call.State.QUEUED: "warning",
    Call.State.STARTING: "info",
    Call.State.RUNNING: "success",
    Call.State.ENDING: "info",
}


@admin.register(Call)
class CallAdmin(ModelAdmin):
    """What the machine writes is read only."""

    list_display = ("created_at", "user_id", "template", "show_state", "status", "started_at", "ended_at",
                    "end_reason")  # fmt: skip
    list_display_links = ("created_at", "user_id")
    list_filter = ("state", "end_reason", ("template", RelatedDropdownFilter))
    list_select_related = ("template",)
    search_fields = ("user_id__startswith", "room_id__startswith", "instance_id")
    ordering = ("-id",)
    show_full_result_count = False
    raw_id_fields = ("session", "conversation")
    readonly_fields = ("show_events",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        calls: QuerySet[Call] = super().get_queryset(request)
        return calls.select_related("template", "conversation__robot", "session", "account")

    @admin.display(description=_("state"), ordering="state")
    def show_state(self, call: Call) -> SafeString:
        return badge(call.get_state_display(), STATE_COLOURS.get(Call.State(call.state), ""))

    @admin.display(description=_("what the voice service told"))
    def show_events(self, call: Call) -> SafeString:
        events = call.events.order_by("-sequence")[:SHOWN_EVENTS]
        return format_html_join(
            "", "<div><strong>{}</strong> {} {}</div>",
            [(event.event, moment(event.happened_at), words_of(event)) for event in events],
        )  # fmt: skip


def words_of(event: CallEvent) -> str:
    """What an event says to people."""
    data = event.data
    if event.event == "Exception" and isinstance(data.get("Code"), int):
        return exception_words(data["Code"], str(data.get("Message") or ""))
    said = next((str(data[name]) for name in TELLING if data.get(name)), "")
    return " · ".join(filter(None, (f"#{event.round}" if event.round else "", said, event.error)))

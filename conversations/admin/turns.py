"""What answers took and cost."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    FieldTextFilter,
    RangeDateFilter,
    RelatedDropdownFilter,
)

from bots.theme import badge, moment
from conversations import repeating, transcript
from conversations.admin.base import (
    HistoryAdmin,
    TimeFilter,
    duration,
    link,
    link_to_conversation,
    price,
    unbroken,
)
from conversations.admin.messages import PREVIEW_CHARACTERS, link_to_messages
from conversations.mending_pages import RepeatPages
from conversations.models import Fold, ModelCall, Spend, Turn

TURN_COLOURS = {
    "done": "success",
    "failed": "danger",
    "stopped": "warning",
    "blocked": "warning",
    "taken_over": "warning",
    "handed_off": "warning",
} | dict.fromkeys(("waiting", "thinking", "speaking"), "info")


CALL_COLOURS = {
    "answered": "success",
    "failed": "danger",
    "cut": "warning",
    "lost": "warning",
    "running": "info",
}


@admin.register(Turn)
class TurnAdmin(RepeatPages, HistoryAdmin):
    repeat = staticmethod(repeating.repeat)
    list_display = (
        "id", "show_queued_at", "show_conversation", "show_state", "model", "show_tokens", "show_cost",
        "show_first_words", "show_total", "show_error",
    )  # fmt: skip
    list_defer = ("reply", "error", "choice")
    list_filter = (
        ("conversation__robot__account", RelatedDropdownFilter),
        ("conversation__robot", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        ("model", RelatedDropdownFilter),
        ("queued_at", TimeFilter),
    )
    search_fields = ("conversation__peer_id__startswith", "conversation__public_id__exact")
    search_help_text = _("The beginning of a user's id, or the id of a conversation.")
    fieldsets = (
        (
            None,
            {
                "fields": [
                    "show_conversation",
                    "show_state",
                    "error",
                    "show_masked",
                    "show_unmoderated",
                    "attempt",
                    "epoch",
                ]
            },
        ),
        (
            _("Model"),
            {
                "fields": [
                    "show_model",
                    "show_persona",
                    "show_choice",
                    "show_plan",
                    "finish_reason",
                    "show_tokens",
                    "show_cost",
                    "show_calls",
                    "reply",
                ]
            },
        ),
        (
            _("Times"),
            {
                "fields": [
                    "show_timings",
                    "queued_at",
                    "started_at",
                    "first_token_at",
                    "spoken_at",
                    "ended_at",
                ]
            },
        ),
        (_("Messages"), {"fields": ["show_messages"]}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Turn]:
        turns: QuerySet[Turn] = super().get_queryset(request)
        return turns.select_related("conversation__robot", "model", "persona").annotate(
            error_preview=Left("error", PREVIEW_CHARACTERS)
        )

    @admin.display(description=_("conversation"))
    def show_conversation(self, turn: Turn) -> SafeString:
        return link_to_conversation(turn.conversation)

    @admin.display(description=_("model"))
    def show_model(self, turn: Turn) -> SafeString | str:
        return link("bots_languagemodel", turn.model.pk, turn.model) if turn.model else "–"

    @admin.display(description=_("persona"))
    def show_persona(self, turn: Turn) -> SafeString | str:
        if turn.persona is None:
            return "–"
        page = reverse("admin:bots_robot_personas", args=[turn.persona.robot_id])
        query = urlencode({"old": turn.persona.number, "new": turn.persona.number})
        return format_html('<a class="text-link" href="{}?{}">{}</a>', page, query, turn.persona)

    @admin.display(description=_("why that one"))
    def show_choice(self, turn: Turn) -> str:
        return transcript.why(turn) or "–"

    @admin.display(description=_("what the model was shown"))
    def show_plan(self, turn: Turn) -> str:
        return "; ".join(transcript.plan_of(turn)) or "–"

    @admin.display(description=_("state"))
    def show_state(self, turn: Turn) -> SafeString:
        return badge(turn.get_state_display(), TURN_COLOURS.get(turn.state, ""))

    @admin.display(description=_("masked"))
    def show_masked(self, turn: Turn) -> str:
        return ", ".join(transcript.masked(turn)) or "–"

    @admin.display(description=_("no verdict"))
    def show_unmoderated(self, turn: Turn) -> str:
        return ", ".join(transcript.unmoderated(turn)) or "–"

    @admin.display(description=_("tokens, in → out"))
    def show_tokens(self, turn: Turn) -> SafeString:
        return unbroken(transcript.tokens(turn))

    @admin.display(description=_("cost"))
    def show_cost(self, turn: Turn) -> SafeString:
        return price(turn.cost, turn.currency)

    @admin.display(description=_("timings"))
    def show_timings(self, turn: Turn) -> str:
        return ", ".join(f"{name} {spent:.2f} s" for name, spent in transcript.timings(turn)) or "–"

    @admin.display(description=_("queued"))
    def show_queued_at(self, turn: Turn) -> SafeString:
        return unbroken(moment(turn.queued_at))

    @admin.display(description=_("first words"))
    def show_first_words(self, turn: Turn) -> SafeString:
        return duration(turn.queued_at, turn.spoken_at)

    @admin.display(description=_("in all"))
    def show_total(self, turn: Turn) -> SafeString:
        return duration(turn.queued_at, turn.ended_at)

    @admin.display(description=_("error"))
    def show_error(self, turn: Any) -> str:
        return str(turn.error_preview)

    @admin.display(description=_("model calls"))
    def show_calls(self, turn: Turn) -> str:
        calls = turn.calls.select_related("model").order_by("pk")
        lines = ((link("conversations_modelcall", call.pk, call), call.error) for call in calls)
        return format_html_join("", "<p>{} {}</p>", lines) or "–"

    @admin.display(description=_("messages"))
    def show_messages(self, turn: Turn) -> str:
        said = sorted(turn.messages.select_related("turn"), key=lambda message: message.place)
        return link_to_messages(said)


@admin.register(Fold)
class FoldAdmin(HistoryAdmin):
    list_display = ("show_time", "show_conversation", "messages", "told_messages", "show_summary")
    list_defer = ("summary",)
    list_filter = (("conversation__robot", AutocompleteSelectFilter), ("created_at", TimeFilter))
    search_fields = ("conversation__peer_id__startswith", "conversation__public_id__exact")
    search_help_text = _("The beginning of a user's id, or the id of a conversation.")
    fieldsets = (
        (None, {"fields": ["show_conversation", "created_at", "messages", "tokens"]}),
        (_("Summary"), {"fields": ["summary", "told_messages", "told_tokens"]}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fold]:
        folds: QuerySet[Fold] = super().get_queryset(request)
        return folds.select_related("conversation__robot").annotate(
            preview=Left("summary", PREVIEW_CHARACTERS)
        )

    @admin.display(description=_("created"))
    def show_time(self, fold: Fold) -> SafeString:
        return unbroken(moment(fold.created_at))

    @admin.display(description=_("conversation"))
    def show_conversation(self, fold: Fold) -> SafeString:
        return link_to_conversation(fold.conversation)

    @admin.display(description=_("summary"))
    def show_summary(self, fold: Any) -> str:
        return str(fold.preview) or "–"


@admin.register(ModelCall)
class ModelCallAdmin(HistoryAdmin):
    list_display = (
        "show_time", "model", "purpose", "show_outcome", "show_turn", "show_tokens", "show_cost",
        "show_first_token", "show_total", "show_error",
    )  # fmt: skip
    list_defer = ("error",)
    list_filter = (
        ("model", RelatedDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        ("turn__conversation__robot", AutocompleteSelectFilter),
        ("started_at", TimeFilter),
    )
    fieldsets = (
        (
            None,
            {
                "fields": [
                    "show_turn",
                    "attempt",
                    "model",
                    "purpose",
                    "show_outcome",
                    "error",
                    "finish_reason",
                ]
            },
        ),
        (_("Usage"), {"fields": ["show_tokens", "show_cost"]}),
        (_("Times"), {"fields": ["started_at", "first_token_at", "ended_at"]}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelCall]:
        calls: QuerySet[ModelCall] = super().get_queryset(request)
        return calls.select_related("model", "turn").annotate(error_preview=Left("error", PREVIEW_CHARACTERS))

    @admin.display(description=_("asked"))
    def show_time(self, call: ModelCall) -> SafeString:
        return unbroken(moment(call.started_at))

    @admin.display(description=_("turn"))
    def show_turn(self, call: ModelCall) -> SafeString:
        return link("conversations_turn", call.turn_id, call.turn)

    @admin.display(description=_("outcome"))
    def show_outcome(self, call: ModelCall) -> SafeString:
        return badge(call.get_outcome_display(), CALL_COLOURS.get(call.outcome, ""))

    @admin.display(description=_("tokens, in → out"))
    def show_tokens(self, call: ModelCall) -> SafeString:
        return unbroken(transcript.tokens(call))

    @admin.display(description=_("cost"))
    def show_cost(self, call: ModelCall) -> SafeString:
        return price(call.cost, call.currency)

    @admin.display(description=_("first token"))
    def show_first_token(self, call: ModelCall) -> SafeString:
        return duration(call.started_at, call.first_token_at)

    @admin.display(description=_("in all"))
    def show_total(self, call: ModelCall) -> SafeString:
        return duration(call.started_at, call.ended_at)

    @admin.display(description=_("error"))
    def show_error(self, call: Any) -> str:
        return str(call.error_preview)


@admin.register(Spend)
class SpendAdmin(HistoryAdmin):
    list_display = ("day", "scope", "show_name", "account", "show_spent", "show_reserved", "unit")
    list_display_links = None
    list_select_related = ("account",)
    list_filter = (
        ("account", RelatedDropdownFilter),
        ("scope", ChoicesDropdownFilter),
        ("day", RangeDateFilter),
        ("unit", FieldTextFilter),
    )
    search_fields = ("name__startswith",)
    search_help_text = _("The beginning of a user's or a robot's id.")
    ordering = ("-day", "-id")

    @admin.display(description=_("id"))
    def show_name(self, spend: Spend) -> str:
        return spend.name or str(spend.account)

    @admin.display(description=_("spent"))
    def show_spent(self, spend: Spend) -> str:
        return transcript.amount(spend.spent)

    @admin.display(description=_("reserved"))
    def show_reserved(self, spend: Spend) -> str:
        return transcript.amount(spend.reserved)

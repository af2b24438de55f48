"""What was said, as the admin shows it: nothing here can be changed, and long tables stay fast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from rest_framework_api_key.models import APIKey
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    FieldTextFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.paginator import InfinitePaginator

from bots import admin as bots_admin  # noqa: F401 -- first it, whose pages are added to here
from bots.models import VendorAccount
from bots.text import shorten
from bots.theme import ModelAdmin, badge, moment
from conversations import outages, receiving, reconciling, repeating, transcript
from conversations.mending_pages import RepeatPages
from conversations.models import (
    ApiKey,
    Callback,
    CannedReply,
    Conversation,
    EndUser,
    Fold,
    Handoff,
    Message,
    ModelCall,
    Rating,
    Session,
    Spend,
    Tag,
    Turn,
)

PREVIEW_CHARACTERS = 120
TURN_COLOURS = {
    "done": "success",
    "failed": "danger",
    "stopped": "warning",
    "blocked": "warning",
    "taken_over": "warning",
    "handed_off": "warning",
} | dict.fromkeys(("waiting", "thinking", "speaking"), "info")
MESSAGE_COLOURS = {"delivered": "success", "failed": "danger", "sending": "info", "streaming": "info"}
CALL_COLOURS = {
    "answered": "success",
    "failed": "danger",
    "cut": "warning",
    "lost": "warning",
    "running": "info",
}
CALLBACK_COLOURS = {"read": "success", "unread": "danger"}


class HistoryAdmin(ModelAdmin):
    """A table that only grows: read-only, never counted, listed only in the order of an index."""

    paginator = InfinitePaginator
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    list_defer: ClassVar[Sequence[str]] = ()  # long columns that the list does without

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and (match.url_name or "").endswith("_changelist")
        return rows.defer(*self.list_defer) if is_list else rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def link(name: str, pk: object, text: object) -> SafeString:
    """A link to one object's page in the admin."""
    return format_html(
        '<a class="text-link" href="{}">{}</a>', reverse(f"admin:{name}_change", args=[pk]), text
    )


def link_to_conversation(conversation: Conversation) -> SafeString:
    return link("conversations_conversation", conversation.pk, conversation)


def unbroken(text: str) -> SafeString:
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def price(cost: Decimal, currency: str) -> SafeString:
    return unbroken(f"{transcript.amount(cost)} {currency}" if currency else "–")


def duration(start: datetime, end: datetime | None) -> SafeString:
    return unbroken(f"{transcript.seconds(start, end):.2f} s" if end else "–")


def preformatted(text: str) -> SafeString:
    return format_html('<pre class="whitespace-pre-wrap break-all text-xs font-mono">{}</pre>', text)


class TimeFilter(RangeDateTimeFilter):
    """A span of time, in the site's zone.  A date without a time is the whole day."""

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        bounds = {"gte": self.bound("from", time.min), "lte": self.bound("to", time.max)}
        return rows.filter(**{f"{self.field_path}__{name}": at for name, at in bounds.items() if at})

    def bound(self, end: str, usual: time) -> datetime | None:
        day, clock = (self.used_parameters.get(f"{self.field_path}_{end}_{part}") for part in (0, 1))
        try:
            date = forms.DateField().clean(day)
            return timezone.make_aware(
                datetime.combine(date, forms.TimeField(required=False).clean(clock) or usual)
            )
        except forms.ValidationError:
            return None


@admin.register(EndUser)
class EndUserAdmin(ModelAdmin):
    list_display = ("user_id", "account", "tier", "created_at")
    list_select_related = ("account", "tier")
    list_filter = (("account", RelatedDropdownFilter), ("tier", RelatedDropdownFilter))
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-id",)
    search_fields = ("user_id__startswith",)
    search_help_text = _("The beginning of a user's id.")
    autocomplete_fields = ("account", "tier")
    fields = ("account", "user_id", "tier")


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # as Django has it
    scopes = forms.MultipleChoiceField(
        label=_("scopes"),
        choices=ApiKey.Scope.choices,
        initial=[ApiKey.Scope.SESSIONS],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What the key may be used for."),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expiry_date", "revoked")


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = ApiKeyForm
    list_display = ("name", "prefix", "scopes", "created", "expiry_date", "revoked")
    search_fields = ("name", "prefix")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        is_over = isinstance(obj, ApiKey) and obj.revoked  # which cannot be undone
        return ("name", "scopes", "expiry_date", "revoked") if is_over else ()

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            obj.save()
            return
        key = ApiKey.objects.assign_key(obj)
        obj.save()
        messages.warning(request, _("The key, shown this once: %(key)s") % {"key": key})


@admin.register(Session)
class SessionAdmin(HistoryAdmin):
    list_display = ("public_id", "kind", "show_conversation", "state", "created_at", "ended_at")
    list_select_related = ("conversation__robot",)
    list_filter = (("state", ChoicesDropdownFilter),)
    search_fields = ("public_id__exact", "conversation__peer_id__startswith")

    @admin.display(description=_("conversation"))
    def show_conversation(self, session: Session) -> SafeString:
        return link_to_conversation(session.conversation)


@admin.register(Handoff)
class HandoffAdmin(HistoryAdmin):
    list_display = (
        "show_conversation",
        "cause",
        "taken_by",
        "began_at",
        "taken_at",
        "ended_at",
        "returned_by",
    )
    list_select_related = ("conversation__robot",)
    list_filter = (("cause", ChoicesDropdownFilter), ("began_at", TimeFilter))
    search_fields = ("conversation__peer_id__startswith", "taken_by__exact")

    @admin.display(description=_("conversation"))
    def show_conversation(self, handoff: Handoff) -> SafeString:
        return link_to_conversation(handoff.conversation)


@admin.register(Tag)
class TagAdmin(ModelAdmin):
    search_fields = ("name",)


@admin.register(Rating)
class RatingAdmin(HistoryAdmin):
    list_display = ("score", "show_conversation", "comment", "created_at")
    list_select_related = ("conversation__robot",)
    list_filter = ("score",)

    @admin.display(description=_("conversation"))
    def show_conversation(self, rating: Rating) -> SafeString:
        return link_to_conversation(rating.conversation)


# The library's own, which opens nothing here.
admin.site.unregister(APIKey)


@admin.register(Conversation)
class ConversationAdmin(HistoryAdmin):
    list_display = ("peer_id", "show_robot", "show_account", "kind", "owner", "show_time")
    list_select_related = ("robot__account",)
    list_filter = (
        ("robot__account", RelatedDropdownFilter),
        ("robot", AutocompleteSelectFilter),
        ("owner", ChoicesDropdownFilter),
        ("last_message_at", TimeFilter),
    )
    search_fields = ("peer_id__startswith", "public_id__exact")
    search_help_text = _("The beginning of a user's id, or the id of a conversation.")
    ordering = ("-last_message_at",)
    actions = ("reconcile_selected",)

    def has_reconcile_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.change_conversation")

    @admin.action(description=_("Look for missed messages at the vendor"), permissions=["reconcile"])
    def reconcile_selected(self, request: HttpRequest, conversations: QuerySet[Conversation]) -> None:
        tell_reconciling(request, outages.reconcile(conversations))

    @admin.display(description=_("robot"))
    def show_robot(self, conversation: Conversation) -> SafeString:
        return link("bots_robot", conversation.robot_id, conversation.robot)

    @admin.display(description=_("account"))
    def show_account(self, conversation: Conversation) -> str:
        return str(conversation.robot.account)

    @admin.display(description=_("last message"))
    def show_time(self, conversation: Conversation) -> SafeString:
        return unbroken(moment(conversation.last_message_at))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        conversation = self.get_object(request, object_id)
        context = transcript_context(request, conversation) if conversation else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).select_related("robot__account")


@admin.action(description=_("Look for missed messages at the vendor"), permissions=["change"])
def reconcile_accounts(
    modeladmin: ModelAdmin, request: HttpRequest, accounts: QuerySet[VendorAccount]
) -> None:
    active = Conversation.objects.filter(
        robot__account__in=accounts, last_message_at__gte=timezone.now() - reconciling.window()
    )
    tell_reconciling(request, outages.reconcile(active))


# What is configured knows nothing of what is said.
account_admin = admin.site.get_model_admin(VendorAccount)
account_admin.actions = [*(account_admin.actions or ()), reconcile_accounts]


def tell_reconciling(request: HttpRequest, count: int) -> None:
    text = ngettext(
        "%(count)d conversation will be compared with the vendor's history.",
        "%(count)d conversations will be compared with the vendor's history.",
        count,
    )
    level = messages.SUCCESS if count else messages.WARNING
    messages.add_message(request, level, text % {"count": count})


def transcript_context(request: HttpRequest, conversation: Conversation) -> dict[str, Any]:
    """What the conversation page shows; `before` in the address asks for an earlier part."""
    before = request.GET.get("before", "")
    is_earlier_page = before.isdecimal() and len(before) < 19
    only = urlencode({"conversation__id__exact": conversation.pk})
    return {
        "transcript": transcript.read(conversation, before=int(before) if is_earlier_page else None),
        "is_earlier_page": is_earlier_page,
        "robot_url": reverse("admin:bots_robot_change", args=[conversation.robot_id]),
        "messages_url": f"{reverse('admin:conversations_message_changelist')}?{only}",
        "folds_url": f"{reverse('admin:conversations_fold_changelist')}?{only}",
        "turns_url": f"{reverse('admin:conversations_turn_changelist')}?{only}",
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


def link_to_messages(said: list[Message]) -> str:
    lines = (
        (
            reverse("admin:conversations_message_change", args=[message.pk]),
            message.get_sender_display(),
            message.text[:PREVIEW_CHARACTERS] or message.get_kind_display(),
        )
        for message in said
    )
    return format_html_join("", '<p><a class="text-link" href="{}">{}: {}</a></p>', lines) or "–"


@admin.register(Message)
class MessageAdmin(RepeatPages, HistoryAdmin):
    repeat = staticmethod(repeating.deliver_again)
    list_display = (
        "show_time",
        "show_conversation",
        "sender",
        "kind",
        "show_text",
        "show_state",
        "show_turn",
    )
    list_defer = ("text", "extra", "error")
    list_filter = (
        ("conversation__robot__account", RelatedDropdownFilter),
        ("conversation__robot", AutocompleteSelectFilter),
        ("sender", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
    )
    search_fields = ("public_id__exact", "conversation__peer_id__startswith")
    search_help_text = _("The beginning of a user's id, or the id of a message.")
    fieldsets = (
        (None, {"fields": ["show_conversation", "show_turn", "sender", "sender_id", "happened_at"]}),
        (_("Content"), {"fields": ["kind", "text", "extra"]}),
        (
            _("Delivery"),
            {"fields": ["show_state", "error", "is_error", "is_overheard", "is_stream", "frame",
                        "public_id", "vendor_message_id", "key", "order", "created_at"]},
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        said: QuerySet[Message] = super().get_queryset(request)
        return said.select_related("conversation__robot", "turn").annotate(
            preview=Left("text", PREVIEW_CHARACTERS)
        )

    @admin.display(description=_("conversation"))
    def show_conversation(self, message: Message) -> SafeString:
        return link_to_conversation(message.conversation)

    @admin.display(description=_("turn"))
    def show_turn(self, message: Message) -> SafeString | str:
        return link("conversations_turn", message.turn_id, message.turn) if message.turn else "–"

    @admin.display(description=_("time"))
    def show_time(self, message: Message) -> SafeString:
        return unbroken(moment(message.happened_at))

    @admin.display(description=_("text"))
    def show_text(self, message: Any) -> str:
        return str(message.preview)

    @admin.display(description=_("state"))
    def show_state(self, message: Message) -> SafeString:
        return badge(message.get_state_display(), MESSAGE_COLOURS.get(message.state, ""))


@admin.register(Callback)
class CallbackAdmin(HistoryAdmin):
    change_form_outer_before_template = "admin/conversations/callback/read_again.html"
    list_display = ("show_time", "account", "event", "delivery_id", "show_state", "error")
    list_select_related = ("account",)
    list_defer = ("body", "query", "headers")
    list_filter = (
        ("account", RelatedDropdownFilter),
        ("state", ChoicesDropdownFilter),
        ("received_at", TimeFilter),
    )
    search_fields = ("delivery_id__exact",)
    search_help_text = _("A delivery id.")
    actions = ("read_selected_again",)
    fieldsets = (
        (None, {"fields": ["account", "event", "delivery_id", "received_at"]}),
        (_("What was read"), {"fields": ["show_state", "error", "show_messages"]}),
        (_("As it came"), {"fields": ["show_body", "query", "headers"]}),
    )

    def has_read_again_permission(self, request: HttpRequest) -> bool:
        """To read again is the only change there is to a callback."""
        return request.user.has_perm("conversations.change_callback")

    @admin.action(description=_("Read again"), permissions=["read_again"])
    def read_selected_again(self, request: HttpRequest, callbacks: QuerySet[Callback]) -> None:
        read_again(request, list(callbacks.defer(None)))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"can_read_again": self.has_read_again_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.read_one_again))
        return [
            path("<int:pk>/read-again/", view, name="conversations_callback_read_again"),
            *super().get_urls(),
        ]

    def read_one_again(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_read_again_permission(request):
            raise PermissionDenied
        read_again(request, [get_object_or_404(Callback.objects.select_related("account"), pk=pk)])
        return HttpResponseRedirect(reverse("admin:conversations_callback_change", args=[pk]))

    @admin.display(description=_("state"))
    def show_state(self, callback: Callback) -> SafeString:
        return badge(callback.get_state_display(), CALLBACK_COLOURS.get(callback.state, ""))

    @admin.display(description=_("received"))
    def show_time(self, callback: Callback) -> SafeString:
        return unbroken(moment(callback.received_at))

    @admin.display(description=_("body"))
    def show_body(self, callback: Callback) -> SafeString:
        try:
            return preformatted(json.dumps(json.loads(callback.body), indent=2, ensure_ascii=False))
        except ValueError:
            return preformatted(callback.body)

    @admin.display(description=_("messages"))
    def show_messages(self, callback: Callback) -> SafeString | str:
        return link_to_messages(transcript.messages_of(callback))


def read_again(request: HttpRequest, callbacks: list[Callback]) -> None:
    for callback in callbacks:
        receiving.read_again(callback)
    failed = sum(callback.state == Callback.State.UNREAD for callback in callbacks)
    text = ngettext(
        "%(count)d callback was read again.", "%(count)d callbacks were read again.", len(callbacks)
    )
    messages.success(request, text % {"count": len(callbacks)})
    if failed:
        text = ngettext("%(count)d still cannot be read.", "%(count)d still cannot be read.", failed)
        messages.error(request, text % {"count": failed})


@admin.register(CannedReply)
class CannedReplyAdmin(ModelAdmin):
    list_display = ("shortcut", "robot", "start")
    list_filter = ("robot",)
    list_select_related = ("robot",)
    search_fields = ("shortcut", "text")
    ordering = ("shortcut",)

    @admin.display(description=_("text"))
    def start(self, reply: CannedReply) -> str:
        return shorten(reply.text, 80)

"""What was said, and the callbacks that told of it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)

from bots.theme import badge, moment
from conversations import receiving, repeating, transcript
from conversations.admin.base import (
    HistoryAdmin,
    TimeFilter,
    link,
    link_to_conversation,
    preformatted,
    unbroken,
)
from conversations.mending_pages import RepeatPages
from conversations.models import Callback, Message

PREVIEW_CHARACTERS = 120


MESSAGE_COLOURS = {"delivered": "success", "failed": "danger", "sending": "info", "streaming": "info"}


CALLBACK_COLOURS = {"read": "success", "unread": "danger"}


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

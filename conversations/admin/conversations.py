"""Conversations, and what people did in and around them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RelatedDropdownFilter,
)

from bots.models import VendorAccount
from bots.text import shorten
from bots.theme import ModelAdmin, moment
from conversations import outages, reconciling, transcript
from conversations.admin.base import HistoryAdmin, TimeFilter, link, link_to_conversation, unbroken
from conversations.models import CannedReply, Conversation, Handoff, Rating, Session, Tag


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

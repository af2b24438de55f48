"""What the pages about what was said share: nothing there can be changed, and long tables stay fast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.paginator import InfinitePaginator

from bots.theme import ModelAdmin
from conversations import transcript
from conversations.models import Conversation


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

"""The admin theme's classes, which have no types, as those of Django that they extend."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import override

from audit.models import Entry
from audit.recording import record

if TYPE_CHECKING:
    from django.contrib import admin

    ThemedAdmin = admin.ModelAdmin[Any]
    StackedInline = admin.StackedInline[Any, Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin as ThemedAdmin
    from unfold.admin import StackedInline, TabularInline

__all__ = ["ModelAdmin", "StackedInline", "TabularInline", "badge", "moment"]


class AuditedAdmin(ThemedAdmin):
    """Whatever is changed in the admin is in the audit log too."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        record(request.user.get_username(), Entry.Deed.CREATED, name_of(obj))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        # Names of fields, never their values.
        details = ", ".join(map(str, changed_fields(message)))
        record(request.user.get_username(), Entry.Deed.CHANGED, name_of(obj), details)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            record(request.user.get_username(), Entry.Deed.DELETED, name_of(obj))
        return super().log_deletions(request, queryset)


if TYPE_CHECKING:
    ModelAdmin = ThemedAdmin  # whatever takes Django's takes ours
else:
    ModelAdmin = AuditedAdmin


def name_of(obj: Model) -> str:
    with override("en"):  # the log is in one language, whoever writes it
        return f"{obj._meta.verbose_name} {obj}"


def changed_fields(message: Any) -> list[str]:
    """What Django's own history says was changed: fields of the object, and of those inside its form."""
    if not isinstance(message, list):
        return [message]
    return [
        field
        for part in message
        for change in part.values()
        for field in change.get("fields", change.values())
    ]


def badge(text: Any, kind: str = "") -> SafeString:
    """A coloured word; kind: success, info, warning, danger or nothing."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})


def moment(at: datetime) -> str:
    """A time to the second, which the formats of most languages leave out."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S")

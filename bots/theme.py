"""The admin theme's classes, which have no types, as those of Django that they extend."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    from django.contrib import admin

    ModelAdmin = admin.ModelAdmin[Any]
    StackedInline = admin.StackedInline[Any, Any]
    TabularInline = admin.TabularInline[Any, Any]
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline

__all__ = ["ModelAdmin", "StackedInline", "TabularInline", "badge", "moment"]


def badge(text: Any, kind: str = "") -> SafeString:
    """A coloured word; kind: success, info, warning, danger or nothing."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})


def moment(at: datetime) -> str:
    """A time to the second, which the formats of most languages leave out."""
    return timezone.localtime(at).strftime("%Y-%m-%d %H:%M:%S")

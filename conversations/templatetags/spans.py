"""How the console's pages write spans of time and shares."""

from __future__ import annotations

from datetime import timedelta

from django import template

register = template.Library()

NOTHING = "–"


@register.filter
def span(value: timedelta | None) -> str:
    if value is None:
        return NOTHING
    seconds = round(value.total_seconds())
    if seconds < 100:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


@register.filter
def percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.0f} %"

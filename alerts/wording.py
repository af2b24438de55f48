"""Numbers as people read them."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import ngettext


def as_share(value: float) -> str:
    return f"{number_format(100 * value, 0 if value >= 0.1 else 1)} %"


def as_seconds(value: float) -> str:
    if value >= 120:
        return as_span(value)
    return f"{number_format(value, 0 if value >= 10 else 2)} s"


def as_number(value: float) -> str:
    is_whole = float(value).is_integer() or abs(value) >= 1000
    return number_format(value, 0 if is_whole else 2, force_grouping=True)


def as_span(seconds: float) -> str:
    """A time in the largest unit that tells it well."""
    if seconds < 120:
        return ngettext("%(count)d second", "%(count)d seconds", round(seconds)) % {"count": round(seconds)}
    minutes = round(seconds / 60)
    if minutes < 120:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours = round(seconds / 3600)
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}

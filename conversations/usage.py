"""What models took, summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Avg, Count, F, Sum

from conversations.models import ModelCall

GROUPS: Final = {
    "robot": F("turn__conversation__robot__user_id"),
    "model": F("model__slug"),
    "tier": F("turn__tier__slug"),
}


def summed(*, since: datetime, until: datetime, groups: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each group and currency, for the calls that began in the time.  One query."""
    names = {f"in_{group}": GROUPS[group] for group in groups}
    rows = (
        ModelCall.objects.filter(started_at__gte=since, started_at__lt=until)
        .values(**names, unit=F("currency"))
        .annotate(
            turns=Count("turn", distinct=True),
            calls=Count("id"),
            input=Sum("input_tokens"),
            cached_input=Sum("cached_input_tokens"),
            output=Sum("output_tokens"),
            amount=Sum("cost"),
            first_token=Avg(F("first_token_at") - F("started_at")),
            total=Avg(F("ended_at") - F("started_at")),
        )
        .order_by(*names, "unit")
    )
    return [_as_row(row, groups) for row in rows]


def _as_row(row: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    spans = {name: row[name].total_seconds() if row[name] else None for name in ("first_token", "total")}
    return {
        **{group: row[f"in_{group}"] for group in groups},
        "turns": row["turns"],
        "calls": row["calls"],
        "tokens": {name: row[name] for name in ("input", "cached_input", "output")},
        "cost": {"amount": row["amount"], "currency": row["unit"]},
        "latency": {"first_token_s": spans["first_token"], "total_s": spans["total"]},
    }

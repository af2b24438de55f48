"""What models took, summed up: of whole hours from sums, of the rest from the calls themselves.

Sums are of calls in the order of their ids, up to the first that may still change.  So each call is either in
a sum or behind the last one, whenever it was stored and however late it was settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Max

from bots import draining
from conversations.models import ModelCall, UsageSum

GROUPS: Final = {"robot": "robot.user_id", "model": "model.slug", "tier": "tier.slug"}
HOUR: Final = timedelta(hours=1)
AT_ONCE: Final = 5000  # calls in a step

# What has ended does not change, but for calls that were given up as lost: for an hour those may be settled
# (`budget.SETTLE`).  Nor does a transaction take so long in which a call gets its id.
SETTLED_AFTER: Final = timedelta(hours=2)

COLUMNS: Final = """
hour, robot_id, model_id, tier_id, currency, turns, turns_of_model, calls, input_tokens, cached_input_tokens,
output_tokens, cost, first_tokens, first_token, ends, total
"""

# Each call as the sum of itself.  A turn counts where the first of its calls is.
CALLS: Final = """
SELECT date_trunc('hour', call.started_at, 'UTC') AS hour,
       conversation.robot_id, call.model_id, turn.tier_id, call.currency,
       (NOT EXISTS (
           SELECT FROM conversations_modelcall AS earlier
            WHERE earlier.turn_id = call.turn_id AND earlier.id < call.id AND earlier.currency = call.currency
       ))::int AS turns,
       (NOT EXISTS (
           SELECT FROM conversations_modelcall AS earlier
            WHERE earlier.turn_id = call.turn_id AND earlier.id < call.id AND earlier.currency = call.currency
              AND earlier.model_id = call.model_id
       ))::int AS turns_of_model,
       1 AS calls, call.input_tokens, call.cached_input_tokens, call.output_tokens, call.cost,
       (call.first_token_at IS NOT NULL)::int AS first_tokens,
       coalesce(call.first_token_at - call.started_at, '0') AS first_token,
       (call.ended_at IS NOT NULL)::int AS ends, coalesce(call.ended_at - call.started_at, '0') AS total
  FROM conversations_modelcall AS call
  JOIN conversations_turn AS turn ON turn.id = call.turn_id
  JOIN conversations_conversation AS conversation ON conversation.id = turn.conversation_id
"""

SUM_UP: Final = """
INSERT INTO conversations_usagesum (until, {columns})
SELECT %(until)s, hour, robot_id, model_id, tier_id, currency, sum(turns), sum(turns_of_model), sum(calls),
       sum(input_tokens), sum(cached_input_tokens), sum(output_tokens), sum(cost), sum(first_tokens),
       sum(first_token), sum(ends), sum(total)
  FROM ({calls} WHERE call.id > %(behind)s AND call.id <= %(until)s) AS each
 GROUP BY hour, robot_id, model_id, tier_id, currency
"""

# Two steps at once would sum up the same calls.
LOCK: Final = "LOCK TABLE conversations_usagesum IN SHARE UPDATE EXCLUSIVE MODE"

# `first` to `last` are the whole hours between `since` and `until`.
USED: Final = """
SELECT {groups} used.currency, sum({turns})::bigint AS turns, sum(calls)::bigint AS calls,
       sum(input_tokens)::bigint AS input, sum(cached_input_tokens)::bigint AS cached_input,
       sum(output_tokens)::bigint AS output, sum(cost) AS amount,
       sum(first_token) / nullif(sum(first_tokens), 0)::float8 AS first_token,
       sum(total) / nullif(sum(ends), 0)::float8 AS total
  FROM (
    SELECT {columns} FROM conversations_usagesum
     WHERE hour >= %(first)s AND hour < %(last)s AND until <= %(summed)s
     UNION ALL
    {calls} WHERE call.started_at >= %(first)s AND call.started_at < %(last)s AND call.id > %(summed)s
     UNION ALL
    {calls} WHERE call.started_at >= %(since)s AND call.started_at < %(first)s
     UNION ALL
    {calls} WHERE call.started_at >= %(last)s AND call.started_at < %(until)s
  ) AS used
  LEFT JOIN bots_robot AS robot ON robot.id = used.robot_id
  LEFT JOIN bots_languagemodel AS model ON model.id = used.model_id
  LEFT JOIN bots_tier AS tier ON tier.id = used.tier_id
 GROUP BY {groups} used.currency ORDER BY {groups} used.currency
"""


def summed(*, since: datetime, until: datetime, groups: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each group and currency, for the calls that began in the time.  Two queries."""
    first, last = whole_hours(since, until)
    statement = USED.format(
        groups="".join(f"{GROUPS[group]}, " for group in groups),
        turns="turns_of_model" if "model" in groups else "turns",
        columns=COLUMNS,
        calls=CALLS,
    )
    times: dict[str, Any] = {"since": since, "until": until, "first": first, "last": last}
    with connection.cursor() as cursor:
        cursor.execute(statement, times | {"summed": summed_until()})
        assert cursor.description
        names = [*groups, *(column.name for column in cursor.description[len(groups) :])]
        return [_as_row(dict(zip(names, row, strict=True)), groups) for row in cursor.fetchall()]


def whole_hours(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """From when to when; where there is none, nothing at the end."""
    first, last = (time.replace(minute=0, second=0, microsecond=0) for time in (since, until))
    if first < since and first < last:
        first += HOUR
    return (first, last) if first < last else (until, until)


def summed_until() -> int:
    """The id of the last call that is in a sum."""
    return UsageSum.objects.aggregate(last=Max("until"))["last"] or 0


def sum_up(now: datetime) -> None:
    """Sum up all calls that no longer change.  Raises WorkerStopping."""
    while sum_up_some(now) == AT_ONCE:
        draining.stop_if_told()


@transaction.atomic
def sum_up_some(now: datetime, most: int = AT_ONCE) -> int:
    """Sum up the next of them; → how many."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK)
        behind = summed_until()
        ids = settled_after(behind, now - SETTLED_AFTER, most)
        if ids:
            statement = SUM_UP.format(columns=COLUMNS, calls=CALLS)
            cursor.execute(statement, {"behind": behind, "until": ids[-1]})
    return len(ids)


def settled_after(pk: int, before: datetime, most: int) -> list[int]:
    """The next calls, up to the first that runs or has ended later than that."""
    calls = (
        ModelCall.objects.filter(pk__gt=pk).order_by("pk").only("outcome", "started_at", "ended_at")[:most]
    )

    def is_settled(call: ModelCall) -> bool:
        return call.outcome != ModelCall.Outcome.RUNNING and (call.ended_at or call.started_at) < before

    return [call.pk for call in takewhile(is_settled, calls)]


def _as_row(row: Mapping[str, Any], groups: Sequence[str]) -> dict[str, Any]:
    spans = {name: row[name].total_seconds() if row[name] else None for name in ("first_token", "total")}
    return {
        **{group: row[group] for group in groups},
        "turns": row["turns"],
        "calls": row["calls"],
        "tokens": {name: row[name] for name in ("input", "cached_input", "output")},
        "cost": {"amount": row["amount"], "currency": row["currency"]},
        "latency": {"first_token_s": spans["first_token"], "total_s": spans["total"]},
    }

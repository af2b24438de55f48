"""What models may take: reserved before a call, extended while it writes, settled when it ends.

Each user (or group), robot and account has a row for every day and unit, tokens or a currency, whether it is
limited or not; a month is the sum of its days.  A reservation belongs to its call, and a row's `reserved` is
always the sum of what its running calls have reserved.  The rows of a call change in one statement and in one
order, so that no two workers wait for each other.

A call may begin if all that it and those under way will probably take is within the limits; and one at a time
as long as anything is left, for nobody knows beforehand how long an answer gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any, Final

from django.db import connection

from bots.database import execute_quickly, insert
from bots.llms.base import Usage
from bots.models import Budget
from conversations.errors import OverLimit
from conversations.models import ModelCall, Spend, Turn

AHEAD: Final = 500  # output tokens that are reserved before they are written

# All calls of a robot and of an account change the same rows, which stay locked until the commit has reached
# the disk, unless it need not (`execute_quickly`): a reservation goes there while its model is asked, and a
# settling that a crash of the database takes along is made up for as that of a lost call.

# The call and all lines, or nothing.  The database decides by itself: a row that many calls share is locked
# for an instant.  Each row is found by its whole key first, for a table that has just grown misleads the
# planner of a join.
RESERVE: Final = """
WITH wanted AS (
    SELECT * FROM unnest(%(scopes)s::text[], %(names)s::text[], %(units)s::text[], %(amounts)s::numeric[],
                         %(daily)s::numeric[], %(monthly)s::numeric[])
                  AS wanted (scope, name, unit, amount, daily, monthly)
), limited AS MATERIALIZED (
    SELECT wanted.*, (
               SELECT id FROM conversations_spend AS today
                WHERE today.account_id = %(account)s AND today.scope = wanted.scope
                  AND today.name = wanted.name AND today.unit = wanted.unit AND today.day = %(day)s
           ) AS spend_id, least(daily, CASE WHEN monthly IS NOT NULL THEN monthly - (
               SELECT coalesce(sum(past.spent + past.reserved), 0) FROM conversations_spend AS past
                WHERE past.account_id = %(account)s AND past.scope = wanted.scope
                  AND past.name = wanted.name AND past.unit = wanted.unit
                  AND past.day >= %(month)s AND past.day < %(day)s
           ) END) AS ceiling
      FROM wanted
), line AS MATERIALIZED (
    SELECT spend.id, limited.scope, limited.unit, amount,
           ceiling IS NULL OR spent + reserved + amount <= ceiling
                           OR (reserved = 0 AND spent < ceiling) AS fits
      FROM limited JOIN conversations_spend AS spend ON spend.id = spend_id
     ORDER BY limited.scope, limited.name, limited.unit FOR NO KEY UPDATE OF spend
), granted AS (
    SELECT FROM line HAVING count(*) = cardinality(%(units)s::text[]) AND bool_and(fits)
), reserved AS (
    UPDATE conversations_spend AS spend SET reserved = spend.reserved + line.amount
      FROM line, granted WHERE spend.id = line.id
), call AS (
    {insert_call} FROM granted RETURNING id
)
SELECT scope, unit, fits, (SELECT id FROM call) FROM line
"""

OPEN: Final = """
INSERT INTO conversations_spend (account_id, scope, name, day, unit, spent, reserved)
SELECT %(account)s, scope, name, %(day)s, unit, 0, 0
  FROM unnest(%(scopes)s::text[], %(names)s::text[], %(units)s::text[]) AS line (scope, name, unit)
 ORDER BY scope, name, unit
    ON CONFLICT DO NOTHING
"""

KEEP: Final = """
INSERT INTO conversations_spend AS spend (account_id, scope, name, day, unit, spent, reserved)
SELECT %(account)s, scope, name, %(day)s, unit, spent, reserved FROM line
 ORDER BY scope, name, unit
    ON CONFLICT (account_id, scope, name, day, unit) DO UPDATE
   SET spent = spend.spent + excluded.spent, reserved = spend.reserved + excluded.reserved
"""


def keeping(lines: str) -> str:
    """A statement that adds its `line`s to the rows."""
    return lines + KEEP


EXTEND: Final = keeping("""
WITH extended AS (
    UPDATE conversations_modelcall
       SET reserved_output_tokens = reserved_output_tokens + %(tokens)s,
           reserved_cost = reserved_cost + %(cost)s
     WHERE id = %(call)s AND outcome = 'running' RETURNING id
), line AS (
    SELECT scope, name, unit, 0 AS spent, reserved
      FROM extended, unnest(%(scopes)s::text[], %(names)s::text[]) AS holder (scope, name),
           (VALUES ('tokens', %(tokens)s), (%(currency)s, %(cost)s)) AS used (unit, reserved)
     WHERE unit != ''
)
""")

# Only the difference to what was counted for the call before is counted now.  A call that was given up as
# lost may be settled for an hour; then it is summed up for good (`usage`).
SETTLE: Final = keeping("""
WITH counted AS (
    SELECT turn_id, input_tokens, cached_input_tokens, output_tokens, cost,
           reserved_input_tokens + reserved_output_tokens AS reserved_tokens, reserved_cost
      FROM conversations_modelcall
     WHERE id = %(id)s
       AND (outcome = 'running' OR outcome = 'lost' AND ended_at > %(ended_at)s - interval '1 hour')
       FOR NO KEY UPDATE
), settled AS (
    UPDATE conversations_modelcall
       SET outcome = %(outcome)s, error = %(error)s, finish_reason = %(finish_reason)s,
           input_tokens = %(input_tokens)s, cached_input_tokens = %(cached_input_tokens)s,
           output_tokens = %(output_tokens)s, tokens_are_estimated = %(tokens_are_estimated)s,
           cost = %(cost)s, first_token_at = %(first_token_at)s, ended_at = %(ended_at)s,
           reserved_input_tokens = 0, reserved_output_tokens = 0, reserved_cost = 0
     WHERE id = %(id)s AND EXISTS (SELECT FROM counted)
), turn AS (
    UPDATE conversations_turn AS turn
       SET input_tokens = turn.input_tokens + %(input_tokens)s - counted.input_tokens,
           cached_input_tokens
               = turn.cached_input_tokens + %(cached_input_tokens)s - counted.cached_input_tokens,
           output_tokens = turn.output_tokens + %(output_tokens)s - counted.output_tokens,
           tokens_are_estimated = turn.tokens_are_estimated OR %(tokens_are_estimated)s,
           cost = turn.cost
                + CASE WHEN turn.currency IN ('', %(currency)s) THEN %(cost)s - counted.cost ELSE 0 END,
           currency = coalesce(nullif(turn.currency, ''), %(currency)s)
      FROM counted WHERE turn.id = counted.turn_id
), used AS (
    SELECT 'tokens' AS unit, -reserved_tokens AS reserved,
           %(input_tokens)s + %(output_tokens)s - input_tokens - output_tokens AS spent
      FROM counted
     UNION ALL
    SELECT %(currency)s, -reserved_cost, %(cost)s - cost FROM counted WHERE %(currency)s != ''
), line AS (
    SELECT scope, name, unit, spent, reserved
      FROM used, unnest(%(scopes)s::text[], %(names)s::text[]) AS holder (scope, name)
)
""")


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose spending is counted, and what limits it."""

    scope: str
    name: str
    budget: Budget | None

    def limits(self, unit: str) -> tuple[Decimal | int | None, Decimal | int | None]:
        """A day's and a month's."""
        if self.budget is None:
            return None, None
        if unit == Spend.TOKENS:
            return self.budget.daily_tokens, self.budget.monthly_tokens
        return self.budget.daily_cost, self.budget.monthly_cost

    def over(self, unit: str) -> str:
        """In words: it has used up what it may."""
        limits = zip(self.limits(unit), ("a day", "a month"), strict=True)
        told = ", ".join(f"{limit} {span}" for limit, span in limits if limit is not None)
        label = Spend.Scope(self.scope).name.lower()
        return f"over the limit of {label} {self.name}".rstrip() + f": {told} ({unit})"


def holders_of(turn: Turn) -> list[Holder]:
    conversation, robot = turn.conversation, turn.conversation.robot
    return [
        Holder(conversation.kind, conversation.peer_id, turn.tier),
        Holder(Spend.Scope.ROBOT, robot.user_id, robot),
        Holder(Spend.Scope.ACCOUNT, "", robot.account),
    ]


def reserve(call: ModelCall, expected: Usage) -> None:
    """Store a call with what it will probably take set aside.  Raises OverLimit."""
    call.reserved_input_tokens, call.reserved_output_tokens = expected.input, expected.output
    call.reserved_cost = call.price.of(expected)
    amounts = {Spend.TOKENS: Decimal(expected.input + expected.output)}
    if call.currency:
        amounts[call.currency] = call.reserved_cost
    wanted = [(holder, unit) for holder in holders_of(call.turn) for unit in amounts]
    limits = [holder.limits(unit) for holder, unit in wanted]
    parameters = {
        **vars(call),
        "account": call.turn.conversation.robot.account_id,
        "month": call.day.replace(day=1),
        "scopes": [holder.scope for holder, _ in wanted],
        "names": [holder.name for holder, _ in wanted],
        "units": [unit for _, unit in wanted],
        "amounts": [amounts[unit] for _, unit in wanted],
        "daily": [daily for daily, _ in limits],
        "monthly": [monthly for _, monthly in limits],
    }
    call.pk, fits = reserve_lines(parameters, count=len(wanted))
    over = [holder.over(unit) for holder, unit in wanted if not fits.get((holder.scope, unit), True)]
    if over:
        raise OverLimit("; ".join(over))


def reserve_lines(
    parameters: Mapping[str, Any], *, count: int
) -> tuple[int | None, dict[tuple[str, str], bool]]:
    """The call's id, if it may begin, and whether each line fits, by scope and unit.  A day's first call
    finds rows missing."""
    statement = RESERVE.format(insert_call=insert_call())
    with connection.cursor() as cursor:
        execute_quickly(cursor, statement, parameters)
        lines = cursor.fetchall()
        if len(lines) < count:
            cursor.execute(OPEN, parameters)
            execute_quickly(cursor, statement, parameters)
            lines = cursor.fetchall()
    return lines[0][3], {(scope, unit): fits for scope, unit, fits, _ in lines}


@cache
def insert_call() -> str:
    names = ("turn_id", "attempt", "model_id", "purpose", "currency", "day", "started_at")
    reserved = ("reserved_input_tokens", "reserved_output_tokens", "reserved_cost")
    return insert(ModelCall, **{name: f"%({name})s" for name in (*names, *reserved)})


def extend(call: ModelCall, *, tokens: int, cost: Decimal) -> None:
    """Set aside more for a call that writes more than was thought.  No limit stops it; others it does."""
    call.reserved_output_tokens += tokens
    call.reserved_cost += cost
    change(EXTEND, call, {"call": call.pk, "tokens": tokens, "cost": cost, "currency": call.currency})


def settle(call: ModelCall) -> None:
    """Store how the call ended; count what it took, with its turn too, and free what was set aside."""
    change(SETTLE, call, {field.attname: getattr(call, field.attname) for field in call._meta.fields})


def change(statement: str, call: ModelCall, parameters: Mapping[str, Any]) -> None:
    holders = holders_of(call.turn)
    rows: dict[str, Any] = {
        "account": call.turn.conversation.robot.account_id,
        "day": call.day,
        "scopes": [holder.scope for holder in holders],
        "names": [holder.name for holder in holders],
    }
    with connection.cursor() as cursor:
        execute_quickly(cursor, statement, {**parameters, **rows})

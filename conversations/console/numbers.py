"""The supervisor's figures: what is the case now, and what the last days were like.

Days are read by the indexes of the rows that tell of them (`resolution_latest`, `handoff_latest`,
`rating_latest`, `spend_of_robots`): a matter that was settled, a handoff, a rating, a day's spending of a
robot.  No message is looked at, and no conversation that had none of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db.models import Aggregate, Avg, Count, F, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from bots.models import Robot
from conversations import handoffs
from conversations.console import rights
from conversations.console.rights import Scope
from conversations.models import Conversation, Handoff, Rating, Resolution, Spend

PERIODS: Final = (1, 7, 30, 90)  # days


class Median(Aggregate):
    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"


@dataclass
class Line:
    """What was the case for one day, robot or operator."""

    resolved: int = 0
    by_robot: int = 0  # of those: without people
    resolution: timedelta | None = None  # median, from the first message
    handoffs: int = 0
    response: timedelta | None = None  # median, from the handoff to the first answer
    ratings: int = 0
    score: float | None = None  # mean
    cost: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))  # by currency

    @property
    def share(self) -> float | None:
        """Of what was resolved: how much by robots alone."""
        return self.by_robot / self.resolved if self.resolved else None

    @property
    def costs(self) -> str:
        return ", ".join(f"{amount:.2f} {unit}" for unit, amount in sorted(self.cost.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    open: int
    waiting: int
    longest_since: datetime | None  # when who has waited longest began to
    with_people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    name: str
    held: int
    capacity: int | None
    is_away: bool


def live(scope: Scope) -> Live:
    waiting = handoffs.waiting().filter(pk__in=scope.handoffs().filter(ended_at=None).values("pk"))
    found = waiting.order_by().aggregate(count=Count("pk"), since=Min("began_at"))
    return Live(
        open=scope.conversations().filter(resolved_at=None).count(),
        waiting=found["count"],
        longest_since=found["since"],
        with_people=scope.handoffs().filter(ended_at=None, taken_at__isnull=False).count(),
    )


def operators() -> list[Operator]:
    """Who could answer now, and how many conversations they have."""
    held = Count("handoffs", filter=Q(handoffs__ended_at=None))
    users = rights.operators().select_related("seat").annotate(held=held)
    return [
        Operator(
            name=user.get_username(),
            held=user.held,
            capacity=user.seat.capacity if hasattr(user, "seat") else None,
            is_away=hasattr(user, "seat") and user.seat.is_away,
        )
        for user in users
    ]


def first_day(days: int) -> date:
    return timezone.localdate() - timedelta(days=days - 1)


def by_day(scope: Scope, since: date) -> dict[date, Line]:
    lines = dict.fromkeys(days_since(since), Line()) | filled(scope, since, days=True)
    return {day: lines[day] for day in sorted(lines)}


def by_robot(scope: Scope, since: date) -> dict[Robot, Line]:
    lines = filled(scope, since)
    robots = scope.all_robots().select_related("account").in_bulk(list(lines))
    return {robot: lines[pk] for pk, robot in sorted(robots.items(), key=lambda item: str(item[1]))}


def by_operator(scope: Scope, since: date) -> dict[str, Line]:
    lines: defaultdict[str, Line] = defaultdict(Line)
    at = midnight(since)
    add(lines, settled(scope, at).exclude(operator=None), F("operator__username"), RESOLVED)
    add(lines, begun(scope, at).exclude(operator=None), F("operator__username"), HANDED)
    return dict(sorted(lines.items()))


def causes(scope: Scope, since: date) -> dict[str, int]:
    """Why conversations were handed over, the most frequent first."""
    rows = begun(scope, midnight(since)).values("cause").annotate(count=Count("pk")).order_by("-count")
    labels = dict(Handoff.Cause.choices)
    return {str(labels[row["cause"]]): row["count"] for row in rows}


def scores(scope: Scope, since: date) -> dict[int, int]:
    """How often each score was given."""
    rows = rated(scope, midnight(since)).values("score").annotate(count=Count("pk"))
    return dict.fromkeys(range(1, 6), 0) | {row["score"]: row["count"] for row in rows}


# What is counted of each kind of rows.
RESOLVED: Final[Mapping[str, Any]] = {
    "resolved": Count("pk"),
    "by_robot": Count("pk", filter=Q(is_by_robot=True)),
    "resolution": Median(F("resolved_at") - F("opened_at")),
}
HANDED: Final[Mapping[str, Any]] = {
    "handoffs": Count("pk"),
    "response": Median(F("answered_at") - F("began_at")),
}
RATED: Final[Mapping[str, Any]] = {"ratings": Count("pk"), "score": Avg("score")}

# Looked up: for a join PostgreSQL would read all conversations there are.
ROBOT: Final = Subquery(Conversation.objects.filter(pk=OuterRef("conversation")).values("robot"))


def filled(scope: Scope, since: date, *, days: bool = False) -> dict[Any, Line]:
    """A line for each day, or else for each robot."""
    lines: defaultdict[Any, Line] = defaultdict(Line)
    at = midnight(since)
    sources = (
        (settled(scope, at), "resolved_at", RESOLVED),
        (begun(scope, at), "began_at", HANDED),
        (rated(scope, at), "created_at", RATED),
    )
    for rows, moment, figures in sources:
        add(lines, rows, TruncDate(moment) if days else ROBOT, figures)
    add_costs(lines, scope, since, days=days)
    return dict(lines)


def add(lines: defaultdict[Any, Line], rows: QuerySet[Any], key: Any, figures: Mapping[str, Any]) -> None:
    for row in rows.order_by().values(key=key).annotate(**figures):
        for name in figures:
            setattr(lines[row["key"]], name, row[name])


def add_costs(lines: defaultdict[Any, Line], scope: Scope, since: date, *, days: bool) -> None:
    robots = {(robot.account_id, robot.user_id): robot.pk for robot in scope.all_robots()}
    spent = Spend.objects.filter(scope=Spend.Scope.ROBOT, day__gte=since).exclude(unit=Spend.TOKENS)
    for row in spent.values("account", "name", "unit", "day").annotate(sum=Sum("spent")):
        robot = robots.get((row["account"], row["name"]))
        if robot is not None:
            lines[row["day"] if days else robot].cost[row["unit"]] += row["sum"]


def settled(scope: Scope, since: datetime) -> QuerySet[Resolution]:
    return Resolution.objects.filter(scope.of("conversation__robot"), resolved_at__gte=since)


def begun(scope: Scope, since: datetime) -> QuerySet[Handoff]:
    return scope.handoffs().filter(began_at__gte=since)


def rated(scope: Scope, since: datetime) -> QuerySet[Rating]:
    return Rating.objects.filter(scope.of("conversation__robot"), created_at__gte=since)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), timezone.get_current_timezone())


def days_since(since: date) -> Iterable[date]:
    return (since + timedelta(days=number) for number in range((timezone.localdate() - since).days + 1))

"""Looking for each kind of trouble.  No question here takes longer the more there is in the tables.

A look tells the value for each subject that there is something to conclude about; the rule decides whether
that is trouble.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_noop

from bots.models import Budget, ModelHealth, Robot, VendorAccount
from conversations.models import Heartbeat, Rating, Spend
from metrics.figures import Figures
from metrics.models import Hour

if TYPE_CHECKING:
    from alerts.models import AlertRule
    from alerts.sight import Sight

HOUR: Final = timedelta(hours=1)
USUAL_DAYS: Final = 14  # to which an hour is compared
FEWEST_DAYS: Final = 5  # from fewer nobody knows what is usual
TINY: Final = 1e-9
LEAST_SPREAD: Final = 0.2  # of the usual: days that are all alike forbid no day to differ
NORMAL: Final = 1.4826  # makes of a median deviation what would be a standard deviation
CALLBACK_DAYS: Final = 7
FEWEST_CALLBACK_DAYS: Final = 3
QUANTILE: Final = 0.95
MOST_RATINGS: Final = 1000  # that are looked through

STALE_S: Final = 6.0  # as `config.jobs` has it: three heartbeats are missing
WORKERS: Final = """
SELECT count(*) FILTER (WHERE last_heartbeat >= now() - make_interval(secs => %(stale)s)),
       count(*) FILTER (WHERE last_heartbeat < now() - make_interval(secs => %(stale)s))
  FROM procrastinate_workers
"""
# A job that waits for another of its lock, as a user's next question for the answer before, waits for no
# worker; nor does one of low priority while others have work.
OLDEST_JOB: Final = """
SELECT job.task_name, extract(epoch FROM now() - greatest(job.scheduled_at, (
           SELECT max(event.at) FROM procrastinate_events AS event WHERE event.job_id = job.id
       )))
  FROM procrastinate_jobs AS job
 WHERE job.status = 'todo' AND job.priority >= 0 AND (job.scheduled_at IS NULL OR job.scheduled_at <= now())
   AND NOT EXISTS (
       SELECT FROM procrastinate_jobs AS holder WHERE holder.lock = job.lock AND holder.status = 'doing'
   )
 ORDER BY job.id LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Finding:
    subject: str  # "": all of Parley
    value: float
    facts: dict[str, Any] = field(default_factory=dict)


def callbacks_failing(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    return shares(sight, rule, "callbacks_total", by="account", bad=("unread", "malformed", "not_stored"))


def signatures_failing(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    return shares(sight, rule, "callbacks_total", by="account", bad=("rejected",))


def turns_failing(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    ended = ("done", "blocked", "failed")  # others were ended by people
    return shares(sight, rule, "turns_total", by="robot", bad=("failed",), among=ended)


def model_failing(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    ended = ("answered", "failed", "lost")
    return shares(sight, rule, "model_calls_total", by="model", bad=("failed", "lost"), among=ended)


def vendor_refusing(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    return shares(sight, rule, "vendor_calls_total", by="account", bad=("refused", "unreachable", "failed"))


def vendor_throttling(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    return shares(sight, rule, "vendor_calls_total", by="account", bad=("busy",))


def shares(
    sight: Sight, rule: AlertRule, name: str, *, by: str, bad: Iterable[str], among: Iterable[str] = ()
) -> Iterator[Finding]:
    """The share of bad outcomes, for each value of a label."""
    figures = sight.within(rule.window)
    which = {"outcome": tuple(among)} if among else {}
    for subject in figures.values_of(by):
        count = figures.sum(name, **{by: subject}, **which)
        if count >= max(rule.min_count, 1):
            share = figures.sum(name, **{by: subject}, outcome=bad) / count
            yield Finding(subject, share, {"count": round(count)})


def callbacks_slow(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    yield from slowness(sight.within(rule.window), rule, "callback_seconds", subject="")


def model_slow(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    figures = sight.within(rule.window)
    for model in figures.values_of("model"):
        yield from slowness(figures.only(model=model), rule, "first_token_seconds", subject=model)


def slowness(figures: Figures, rule: AlertRule, histogram: str, *, subject: str) -> Iterator[Finding]:
    count = figures.sum(f"{histogram}_bucket", le="+Inf")
    value = figures.quantile(QUANTILE, histogram)
    if value is not None and count >= rule.min_count:
        yield Finding(subject, value, {"count": round(count)})


def callbacks_missing(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    """Accounts of which each of the last days had callbacks at this hour, as many as would be expected in the
    window at the least, where none came now."""
    came = sight.within(rule.window)
    hours = {hour_of(sight.now - rule.window), hour_of(sight.now)}
    history = counts_by_hour("parley_callbacks_total", "account", [
        hour - ago * timedelta(days=1) for hour in hours for ago in range(1, CALLBACK_DAYS + 1)
    ])  # fmt: skip
    for account in VendorAccount.objects.filter(enabled=True):
        known = min(CALLBACK_DAYS, (sight.now - account.created_at).days)
        if known < FEWEST_CALLBACK_DAYS:
            continue
        days = [timedelta(days=ago) for ago in range(1, known + 1)]
        fewest = min(history[account.slug, hour - day] for day in days for hour in hours)
        expected = fewest * (rule.window / HOUR)
        is_missing = not came.sum("callbacks_total", account=account.slug)
        yield Finding(
            account.slug, expected if is_missing else 0.0, {"expected": round(expected), "days": known}
        )


def no_web(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    if beat := Heartbeat.objects.first():
        yield Finding("", max(0.0, (sight.now - beat.seen_at).total_seconds()))


def breaker_open(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    broken = ModelHealth.objects.filter(is_broken=True, model__enabled=True).select_related("model")
    for health in broken:
        yield Finding(health.model.slug, 1.0, {"reason": health.reason})


def cost_unusual(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    return unusual(sight, rule, "parley_cost_total", "currency", units=None)


def tokens_unusual(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    return unusual(sight, rule, "parley_tokens_total", "direction", units=("input", "output"))


def unusual(
    sight: Sight, rule: AlertRule, name: str, label: str, *, units: tuple[str, ...] | None
) -> Iterator[Finding]:
    """How far each model's last hours are from the same hours of past days, against how far those differ.

    Of the hour that is under way only too much can be told.
    """
    worst: dict[str, Finding] = {}
    for begin, is_over in ((hour_of(sight.now), False), (hour_of(sight.now) - HOUR, True)):
        past = [begin - timedelta(days=ago) for ago in range(1, USUAL_DAYS + 1)]
        for (model, unit), amounts in amounts_by_hour(name, label, [begin, *past]).items():
            amount = amounts.pop(begin, 0.0)
            if (units and unit not in units) or len(amounts) < FEWEST_DAYS:
                continue
            usual = statistics.median(amounts.values())
            is_little = max(amount, usual) < rule.min_count or (amount < usual and not is_over)
            value = 0.0 if is_little else oddity(amount, list(amounts.values()))
            hour = timezone.localtime(begin).strftime("%H:%M")
            facts = {"amount": amount, "usual": usual, "unit": unit, "hour": hour}
            finding = Finding(model, value, facts)
            worst[model] = max(finding, worst.get(model, finding), key=lambda each: each.value)
    yield from worst.values()


def oddity(amount: float, past: list[float]) -> float:
    """How many times as far the amount is from the usual as days differ.  One odd day among those of the
    past makes no difference to it."""
    usual = statistics.median(past)
    spread = NORMAL * statistics.median(abs(each - usual) for each in past)
    return abs(amount - usual) / max(spread, LEAST_SPREAD * usual, TINY)


def limit_near(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    """Robots and accounts only: users are many, have limits each, and reach them as a matter of course."""
    robots = Robot.objects.filter(limited(), enabled=True, account__enabled=True).select_related("account")
    accounts = VendorAccount.objects.filter(limited(), enabled=True)
    holders: dict[tuple[int, str], tuple[str, Budget]] = {
        (robot.account_id, robot.user_id): (f"{robot.account.slug}/{robot.user_id}", robot)
        for robot in robots
    } | {(account.pk, ""): (account.slug, account) for account in accounts}
    worst: dict[str, Finding] = {}
    for account_id, name, unit, month, day in spending(holders, timezone.localdate(sight.now)):
        if (account_id, name) in holders:
            subject, budget = holders[account_id, name]
            for finding in nearness(subject, budget, unit, day=day, month=month):
                worst[subject] = max(finding, worst.get(subject, finding), key=lambda each: each.value)
    yield from worst.values()


def limited() -> Q:
    limits = (field.name for field in Budget._meta.get_fields())
    return Q(*((f"{name}__isnull", False) for name in limits), _connector=Q.OR)


def spending(holders: Iterable[tuple[int, str]], today: date) -> Any:
    """What was spent this month and today, by account, name and unit."""
    accounts, names = zip(*holders, strict=True) if holders else ((), ())
    spent = Spend.objects.filter(
        account__in=set(accounts),
        scope__in=[Spend.Scope.ROBOT, Spend.Scope.ACCOUNT],
        name__in=set(names),
        day__range=(today.replace(day=1), today),
    )
    by_unit = spent.values("account_id", "name", "unit").annotate(
        month=Sum("spent"), today=Sum("spent", filter=Q(day=today), default=Decimal(0))
    )
    return by_unit.values_list("account_id", "name", "unit", "month", "today").order_by()


def nearness(subject: str, budget: Budget, unit: str, *, day: Decimal, month: Decimal) -> Iterator[Finding]:
    """How much of each limit has been used."""
    kind = "tokens" if unit == Spend.TOKENS else "cost"
    for amount, period, words in (
        (day, "daily", gettext_noop("today")),
        (month, "monthly", gettext_noop("this month")),
    ):
        limit = getattr(budget, f"{period}_{kind}")
        if limit is not None:
            facts = {"used": float(amount), "allowed": float(limit), "unit": unit, "period": words}
            yield Finding(subject, float(amount / limit) if limit else 1.0, facts)


def queue_old(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_JOB)
        for task, age_s in cursor.fetchall():
            yield Finding("", float(age_s or 0), {"task": task})


def workers_few(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    yield Finding("", workers()[0])


def worker_died(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    yield Finding("", workers()[1])


def workers() -> tuple[int, int]:
    """How many are alive, and how many have died without a word and are not forgotten yet."""
    with connection.cursor() as cursor:
        cursor.execute(WORKERS, {"stale": STALE_S})
        [(alive, dead)] = cursor.fetchall()
        return alive, dead


def ratings_low(sight: Sight, rule: AlertRule) -> Iterator[Finding]:
    """By the newest ones, which are found by their ids however many there are."""
    newest = Rating.objects.order_by("-pk").values_list("conversation__robot__user_id", "score", "created_at")
    scores: defaultdict[str, list[int]] = defaultdict(list)
    for robot, score, given_at in newest[:MOST_RATINGS]:
        if given_at >= sight.now - rule.window:
            scores[robot].append(score)
    for robot, given in scores.items():
        if len(given) >= rule.min_count:
            yield Finding(robot, statistics.mean(given), {"count": len(given)})


def counts_by_hour(name: str, label: str, hours: list[datetime]) -> defaultdict[tuple[str, datetime], float]:
    """What was counted in these hours, for each value of a label."""
    rows = Hour.objects.filter(hour__in=hours, name=name).values_list(f"labels__{label}", "hour")
    found: defaultdict[tuple[str, datetime], float] = defaultdict(float)
    for subject, hour, count in rows.annotate(Sum("value")).order_by():
        found[subject, hour] = count
    return found


def amounts_by_hour(
    name: str, label: str, hours: list[datetime]
) -> dict[tuple[str, str], dict[datetime, float]]:
    """What was counted in these hours, for each model and value of a label."""
    rows = Hour.objects.filter(hour__in=hours, name=name).values_list(
        "labels__model", f"labels__{label}", "hour"
    )
    found: defaultdict[tuple[str, str], dict[datetime, float]] = defaultdict(dict)
    for model, unit, hour, amount in rows.annotate(Sum("value")).order_by():
        found[model, unit][hour] = amount
    return found


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)

"""Each kind of trouble: what causes it, that it is found, for whom, and that it passes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from alerts import evaluating
from alerts.kinds import KINDS
from alerts.models import Alert, AlertRule, Reading
from bots.models import LanguageModel, ModelHealth, Robot, VendorAccount
from conversations.models import Heartbeat, Rating, Spend
from metrics.models import Hour
from tests.alerts.conftest import NOW, Count, Look
from tests.support.factories import make_conversation
from tests.support.jobs import note

pytestmark = pytest.mark.django_db

SHARES: dict[str, tuple[str, str, dict[str, str], str, str]] = {
    "callbacks_failing": ("callbacks_total", "account", {"event": "message"}, "read", "unread"),
    "signatures_failing": ("callbacks_total", "account", {"event": "unknown"}, "read", "rejected"),
    "turns_failing": ("turns_total", "robot", {}, "done", "failed"),
    "model_failing": ("model_calls_total", "model", {}, "answered", "lost"),
    "vendor_refusing": ("vendor_calls_total", "account", {"call": "send"}, "ok", "refused"),
    "vendor_throttling": ("vendor_calls_total", "account", {"call": "edit"}, "ok", "busy"),
}


def subjects(alerts: list[Alert]) -> list[str]:
    return [alert.subject for alert in alerts]


@pytest.mark.parametrize("kind", SHARES)
def test_a_share_of_failures_is_found_for_whom_it_is_and_passes(
    kind: str, rule: Any, count: Count, look: Look
) -> None:
    name, label, more, good, bad = SHARES[kind]
    rule(kind, threshold=0.5, min_count=4, window_s=60)
    count(name, 1000, **{label: "acme"}, **more, outcome=good)
    look()

    count(name, 1, **{label: "acme"}, **more, outcome=good)
    count(name, 3, **{label: "acme"}, **more, outcome=bad)
    count(name, 9, **{label: "other"}, **more, outcome=good)
    count(name, 3, **{label: "few"}, **more, outcome=bad)
    [alert] = look(30)

    assert (alert.subject, alert.value, alert.facts) == ("acme", 0.75, {"count": 4})
    assert "75 % of 4" in alert.sentence
    assert look(59) == [alert]
    assert look(120) == []


def test_slowness_is_that_of_the_slowest_twentieth(rule: Any, count: Count, look: Look) -> None:
    rule("model_slow", threshold=4, min_count=10)
    look()

    for bound, calls in {"1.0": 90, "8.0": 100, "+Inf": 100}.items():
        count("first_token_seconds_bucket", calls, model="slow", le=bound)
        count("first_token_seconds_bucket", 100, model="fast", le=bound)

    [alert] = look(10)
    assert (alert.subject, alert.value) == ("slow", 4.5)  # half-way between 1 and 8


def test_callbacks_that_were_always_there_are_missed(
    rule: Any, count: Count, look: Look, account: VendorAccount
) -> None:
    VendorAccount.objects.update(created_at=NOW - timedelta(days=30))
    rule("callbacks_missing", threshold=10, window_s=900)
    for ago in range(1, 8):
        make_hour("callbacks_total", 60, hours_ago=24 * ago, account="acme", event="message", outcome="read")

    [alert] = look()

    assert (alert.subject, alert.facts) == ("acme", {"expected": 15, "days": 7})
    count("callbacks_total", 1, account="acme", event="message", outcome="read")
    assert look(20) == []


def test_a_quiet_hour_is_not_missed(rule: Any, look: Look, account: VendorAccount) -> None:
    VendorAccount.objects.update(created_at=NOW - timedelta(days=30))
    rule("callbacks_missing", threshold=10, window_s=900)
    for ago in range(1, 7):  # on the seventh day before none came either
        make_hour("callbacks_total", 60, hours_ago=24 * ago, account="acme", event="message", outcome="read")

    assert look() == []


def make_hour(name: str, value: float, *, hours_ago: int, **labels: str) -> None:
    hour = NOW.replace(minute=0) - timedelta(hours=hours_ago)
    Hour.objects.create(hour=hour, name=f"parley_{name}", labels=labels, value=value)


def make_days(name: str, values: list[float], **labels: str) -> None:
    """What was counted at this time of the days before, yesterday first."""
    for ago, value in enumerate(values, start=1):
        make_hour(name, value, hours_ago=24 * ago, **labels)


@pytest.mark.parametrize("kind, name, labels", [
    ("cost_unusual", "cost_total", {"model": "fast", "currency": "CNY"}),
    ("tokens_unusual", "tokens_total", {"model": "fast", "direction": "output"}),
])  # fmt: skip
def test_an_hour_is_compared_with_the_same_hour_of_other_days(
    kind: str, name: str, labels: dict[str, str], rule: Any, look: Look
) -> None:
    rule(kind, threshold=5, min_count=1)
    make_days(name, [10, 12, 9, 11, 500, 10, 11], **labels)  # there was an odd day before

    make_hour(name, 15, hours_ago=0, **labels)
    assert look() == []

    Hour.objects.filter(hour=NOW.replace(minute=0)).update(value=60)
    [alert] = look(10)

    assert (alert.subject, alert.facts["amount"], alert.facts["usual"]) == ("fast", 60, 11)
    Hour.objects.filter(hour=NOW.replace(minute=0)).update(value=12)
    assert look(20) == []


def test_too_little_is_told_when_the_hour_is_over(rule: Any, look: Look) -> None:
    rule("cost_unusual", threshold=4, min_count=1)
    for ago in range(1, 8):
        make_hour("cost_total", 10, hours_ago=24 * ago, model="fast", currency="CNY")

    assert look() == []
    [alert] = look(3600)

    assert (alert.facts["amount"], alert.facts["usual"]) == (0, 10)


def test_what_is_usual_takes_days_to_know(rule: Any, look: Look) -> None:
    rule("cost_unusual", threshold=4, min_count=1)
    make_days("cost_total", [10, 10, 10, 10], model="fast", currency="CNY")
    make_hour("cost_total", 900, hours_ago=0, model="fast", currency="CNY")

    assert look() == []


def test_a_broken_model_is_told_with_its_reason(rule: Any, look: Look, model: LanguageModel) -> None:
    rule("breaker_open")
    ModelHealth.objects.create(model=model, is_broken=True, reason="HTTP 500")

    [alert] = look()

    assert alert.subject == "fast"
    assert "HTTP 500" in alert.sentence
    ModelHealth.objects.all().delete()
    assert look(10) == []


@pytest.mark.parametrize("limits, scope, subject, period", [
    ({"monthly_tokens": 1000}, "robot", "acme/@RBT#ada", "this month"),
    ({"daily_tokens": 1000}, "account", "acme", "today"),
])  # fmt: skip
def test_limits_that_are_near(
    limits: dict[str, int], scope: str, subject: str, period: str, rule: Any, look: Look, robot: Robot
) -> None:
    rule("limit_near", threshold=0.8)
    holder = robot if scope == "robot" else robot.account
    type(holder).objects.update(**limits)
    spend = Spend.objects.create(
        account=robot.account, scope=scope, name=robot.user_id if scope == "robot" else "",
        day=timezone.localdate(NOW), unit="tokens", spent=Decimal(799),
    )  # fmt: skip
    assert look() == []

    Spend.objects.update(spent=Decimal(850))
    [alert] = look(10)

    assert (alert.subject, alert.facts["period"], alert.value) == (subject, period, 0.85)
    spend.delete()
    assert look(20) == []


def test_a_job_that_waits(rule: Any, look: Look) -> None:
    rule("queue_old", threshold=30)
    note.defer(name="patient")
    assert look() == []

    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '45 seconds'")
    [alert] = look(10)

    assert 45 <= alert.value < 60
    assert "tests.support.jobs.note" in alert.sentence


def test_a_job_that_waits_for_another_of_its_lock_waits_for_no_worker(rule: Any, look: Look) -> None:
    rule("queue_old", threshold=30)
    first = note.configure(lock="one").defer(name="first")
    note.configure(lock="one").defer(name="second")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '45 seconds'")
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [first])

    assert look() == []


def make_worker(*, age_s: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))",
            [age_s],
        )


def test_workers(rule: Any, look: Look) -> None:
    rule("workers_few", threshold=0)
    assert subjects(look()) == [""]
    make_worker(age_s=0)
    assert look(10) == []

    rule("worker_died", threshold=1)
    assert look(20) == []
    make_worker(age_s=10)
    [alert] = look(30)
    assert alert.value == 1


def test_nobody_takes_callbacks(rule: Any, look: Look) -> None:
    rule("no_web", threshold=10)
    assert look() == []
    Heartbeat.objects.create(seen_at=NOW)
    assert look(5) == []
    assert subjects(look(15)) == [""]


def test_low_ratings_are_told_by_robot(rule: Any, look: Look, robot: Robot) -> None:
    rule("ratings_low", threshold=3, min_count=3, window_s=3600)
    conversation = make_conversation(robot)
    for score in (1, 2, 3):
        Rating.objects.create(conversation=conversation, score=score, created_at=NOW)

    [alert] = look(60)

    assert (alert.subject, alert.value) == (robot.user_id, 2)
    for _ in range(9):
        Rating.objects.create(conversation=conversation, score=5, created_at=NOW)
    assert look(120) == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_looks_where_there_is_nothing(kind: str, rule: Any, look: Look, robot: Robot) -> None:
    rule(kind, threshold=-1 if KINDS[kind].falls else 10**9)

    assert look() == []


def test_each_kind_knows_where_it_is_mended(robot: Robot, admin_client: Client) -> None:
    subjects = ("acme", "fast", robot.user_id, f"acme/{robot.user_id}", "gone", "")
    pages = {kind.page(subject) for kind in KINDS.values() for subject in subjects}

    assert f"/admin/bots/robot/{robot.pk}/change/" in pages
    for page in pages:
        assert admin_client.get(page).status_code == 200


def test_all_seeded_rules_are_valid_and_there_is_one_of_each_kind() -> None:
    rules = list(AlertRule.objects.all())

    assert {rule.kind for rule in rules} == set(KINDS)
    for each in rules:
        each.full_clean()


def test_a_look_asks_no_more_however_much_there_is(
    robot: Robot, count: Count, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        count("callbacks_total", 1, account=f"acme-{number}", event="message", outcome="read")
        count("model_calls_total", 1, model=f"m{number}", outcome="answered")

    with django_assert_max_num_queries(90):
        evaluating.evaluate(NOW)


def test_readings_are_taken_now_and_then_and_forgotten(look: Look) -> None:
    for seconds in (0, 5, 10, 4000):
        look(seconds)

    assert Reading.objects.count() == 1

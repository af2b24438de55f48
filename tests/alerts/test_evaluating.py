"""The states of an alert, and what people hear of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from alerts import evaluating, handling
from alerts.kinds import KINDS
from alerts.looking import Finding
from alerts.models import Alert, AlertRule, Channel, Notification, Silence, Watch
from tests.alerts.conftest import NOW, Look

pytestmark = pytest.mark.django_db


class Trouble:
    """What the rule's look finds."""

    def __init__(self) -> None:
        self.value: float | None = 0.0

    def __call__(self, *args: object) -> list[Finding]:
        return [] if self.value is None else [Finding("acme", self.value, {"count": 7})]


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> Trouble:
    trouble = Trouble()
    monkeypatch.setattr(evaluating, "found_by", lambda rule, sight: trouble())
    return trouble


def told() -> list[tuple[str, str]]:
    """Event and channel of all notifications."""
    rows = Notification.objects.order_by("pk").values_list("event", "channel__name")
    return [(event, name) for event, name in rows]


def test_an_alert_is_told_once_and_its_end_is(
    trouble: Trouble, rule: Any, look: Look, channel: Channel
) -> None:
    rule("callbacks_failing", threshold=0.5)

    trouble.value = 0.7
    [alert] = look(0)
    look(5)
    look(10)
    assert told() == [("opened", "on call")]
    trouble.value = 0.1
    assert look(15) == []
    look(20)

    assert told() == [("opened", "on call"), ("recovered", "on call")]
    alert.refresh_from_db()
    assert (alert.closed_at, alert.value) == (NOW + timedelta(seconds=15), 0.7)
    jobs = ProcrastinateJob.objects.filter(task_name="alerts.send").order_by("id")
    assert [job.args["notification_id"] for job in jobs] == [
        each.pk for each in Notification.objects.order_by("pk")
    ]


def test_between_the_two_limits_nothing_changes(trouble: Trouble, rule: Any, look: Look) -> None:
    rule("callbacks_failing", threshold=0.5, clears_at=0.2)

    trouble.value = 0.3
    assert look(0) == []
    trouble.value = 0.5
    assert len(look(5)) == 1
    trouble.value = 0.3
    assert len(look(10)) == 1
    trouble.value = 0.2
    assert len(look(15)) == 1
    trouble.value = 0.19
    assert look(20) == []


def test_trouble_has_to_last_and_so_has_its_end(
    trouble: Trouble, rule: Any, look: Look, channel: Channel
) -> None:
    rule("callbacks_failing", threshold=0.5, opens_after_s=30, closes_after_s=30)

    trouble.value = 0.7
    assert look(0) == look(29) == []
    trouble.value = 0.1
    look(29)
    assert not Alert.objects.exists()
    trouble.value = 0.7
    look(30)
    [alert] = look(60)
    assert alert.began_at == NOW + timedelta(seconds=30)
    trouble.value = None  # nothing to judge by
    assert look(70) == look(99) == [alert]
    trouble.value = 0.7
    assert look(100) == [alert]
    trouble.value = 0.1
    assert look(110) == look(139) == [alert]
    assert look(140) == []
    assert told() == [("opened", "on call"), ("recovered", "on call")]


def test_reminders_stop_when_somebody_sees_to_it(
    trouble: Trouble, rule: Any, look: Look, channel: Channel
) -> None:
    rule("callbacks_failing", threshold=0.5, remind_s=60)
    trouble.value = 0.7
    for seconds in (0, 59, 60, 119, 120):
        look(seconds)
    assert [event for event, _ in told()] == ["opened", "reminder", "reminder"]

    assert handling.acknowledge(Alert.objects.all(), by="susan") == 1
    assert handling.acknowledge(Alert.objects.all(), by="carol") == 0
    look(240)

    assert [event for event, _ in told()] == ["opened", "reminder", "reminder"]
    assert Alert.objects.get().acknowledged_by == "susan"


def test_a_silence_keeps_what_it_covers_to_itself_until_it_ends(
    trouble: Trouble, rule: Any, look: Look, channel: Channel
) -> None:
    silenced = rule("callbacks_failing", threshold=0.5)
    Silence.objects.create(rule=silenced, subject="acme", until=NOW + timedelta(seconds=60))
    Silence.objects.create(subject="other", until=NOW + timedelta(days=1))

    trouble.value = 0.7
    assert len(look(0)) == 1
    look(59)
    assert told() == []
    look(60)

    assert told() == [("opened", "on call")]


def test_what_nobody_heard_of_ends_without_a_word(
    trouble: Trouble, rule: Any, look: Look, channel: Channel
) -> None:
    rule("callbacks_failing", threshold=0.5)
    Silence.objects.create(until=NOW + timedelta(days=1))
    trouble.value = 0.7
    look(0)
    trouble.value = 0.0

    assert look(5) == []
    assert told() == []


def test_channels_are_those_of_the_rule_or_those_that_take_its_severity(
    trouble: Trouble, rule: Any, look: Look, channel: Channel
) -> None:
    Channel.objects.create(name="only critical", kind="email", recipients="b@example.com", least="critical")
    Channel.objects.create(name="off", kind="email", recipients="c@example.com", enabled=False)
    chosen = Channel.objects.create(name="chosen", kind="email", recipients="d@example.com", least="critical")
    trouble.value = 0.7

    rule("callbacks_failing", threshold=0.5)
    look(0)
    assert told() == [("opened", "on call")]
    rule("callbacks_failing", threshold=0.5, severity="critical")
    Notification.objects.all().delete()
    look(5)
    assert sorted(name for _, name in told()) == ["chosen", "on call", "only critical"]
    rule("callbacks_failing", threshold=0.5).channels.add(chosen)
    Notification.objects.all().delete()
    look(10)
    assert told() == [("opened", "chosen")]


def test_a_rule_that_is_switched_off_closes_its_alerts(
    trouble: Trouble, rule: Any, look: Look, channel: Channel
) -> None:
    rule("callbacks_failing", threshold=0.5, closes_after_s=600)
    trouble.value = 0.7
    look(0)

    AlertRule.objects.update(enabled=False)

    assert look(5) == []
    assert [event for event, _ in told()] == ["opened", "recovered"]


def test_alerts_of_one_look_are_told_in_one_message(
    rule: Any, look: Look, channel: Channel, monkeypatch: Any
) -> None:
    rule("callbacks_failing", threshold=0.5)
    findings = [Finding(f"acme-{number}", 0.9, {"count": 7}) for number in range(12)]
    monkeypatch.setattr(evaluating, "found_by", lambda rule, sight: findings)

    look()

    assert Notification.objects.get().alerts.count() == 12


def test_one_process_looks_at_a_time() -> None:
    assert evaluating.look(NOW)
    assert not evaluating.look(NOW + evaluating.EVERY / 2)
    assert evaluating.look(NOW + evaluating.EVERY)
    assert Watch.objects.get().looked_at == NOW + evaluating.EVERY


def test_a_rule_that_fails_does_not_blind_the_others_nor_end_its_alerts(
    rule: Any, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule("workers_few", threshold=0)
    opened = look()

    def fail(*args: object) -> list[Finding]:
        return [Finding(alert.subject, 0) for alert in Alert.objects.raw("nonsense")]

    failing = replace(KINDS["workers_few"], look=fail)
    monkeypatch.setitem(KINDS, "workers_few", failing)
    AlertRule.objects.create(kind="worker_died", threshold=0)

    assert [alert.rule.kind for alert in look(5)] == ["workers_few", "worker_died"]
    assert len(opened) == 1

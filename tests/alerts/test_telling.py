"""A notification on its way: told once, in the channel's language, whoever sends it and whoever dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from alerts import tasks, telling
from alerts.channels.base import ChannelError, ChannelRefused
from alerts.models import Alert, AlertRule, Channel, Notification
from tests.alerts.conftest import NOW

pytestmark = pytest.mark.django_db

type Notify = Callable[..., Notification]


@pytest.fixture
def notify(channel: Channel, rule: Any) -> Notify:
    """A notification that tells of so many alerts."""

    def notify(event: str = "opened", *, count: int = 1, **fields: Any) -> Notification:
        rule_ = rule("model_failing", threshold=0.3, severity="critical", window_s=300)
        given = {"value": 0.5, "facts": {"count": 8}, "began_at": NOW, "opened_at": NOW} | fields
        alerts = [Alert.objects.create(rule=rule_, subject=f"m{number}", **given) for number in range(count)]
        notification = Notification.objects.create(channel=channel, event=event)
        notification.alerts.set(alerts)
        return notification

    return notify


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> None:
    def send(*args: object) -> None:
        if error:
            raise error

    monkeypatch.setattr("alerts.channels.email.Email.send", send)


def test_it_says_what_for_whom_since_when_and_where_to_mend_it(notify: Notify, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://parley.example.com"
    settings.TIME_ZONE = "UTC"
    notification = notify()

    telling.send(notification.pk)

    [message] = mail.outbox
    alert = Alert.objects.get()
    assert message.subject == "[Parley] critical: A model fails: m0"
    assert message.body.splitlines()[2:] == [
        "A model fails: m0",
        "50 % of 8 calls to m0 failed within 5 minutes (alert from 30 %).",
        f"Since {NOW:%Y-%m-%d %H:%M:%S} UTC.",
        "Mend it: https://parley.example.com/admin/bots/languagemodel/",
        f"Alert: https://parley.example.com/admin/alerts/alert/{alert.pk}/change/",
    ]
    notification.refresh_from_db()
    assert (notification.state, notification.attempts) == ("sent", 1)


def test_a_recovery_says_how_long_it_lasted(notify: Notify) -> None:
    telling.send(notify("recovered", closed_at=NOW + timedelta(minutes=7)).pk)

    [message] = mail.outbox
    assert message.subject == "[Parley] recovered: A model fails: m0"
    assert "lasted 7 minutes." in message.body
    assert "Mend it" not in message.body


def test_it_is_told_in_the_channels_language(notify: Notify, channel: Channel) -> None:
    notification = notify()
    Channel.objects.update(language="zh-hans")

    telling.send(notification.pk)

    assert "模型" in mail.outbox[0].body
    assert "failed" not in mail.outbox[0].body


def test_many_alerts_are_counted(notify: Notify) -> None:
    telling.send(notify(count=13).pk)

    [message] = mail.outbox
    assert message.subject.endswith("m0, A model fails: m1, A model fails: m2…")
    assert message.body.endswith("And 3 more.")


def test_it_is_sent_once_however_often_the_job_runs(notify: Notify) -> None:
    notification = notify()

    for _ in range(3):
        tasks.send(notification.pk)

    assert len(mail.outbox) == 1


def test_what_another_process_has_in_hand_is_left_to_it_until_that_is_dead(notify: Notify) -> None:
    notification = notify()
    Notification.objects.update(held_until=timezone.now() + timedelta(seconds=20))

    with pytest.raises(ChannelError, match="in other hands") as caught:
        telling.send(notification.pk)
    assert 0 < (caught.value.retry_after or 0) <= 20
    assert mail.outbox == []

    Notification.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    telling.send(notification.pk)
    assert len(mail.outbox) == 1


def test_a_failure_is_tried_again_and_given_up_after_an_hour(
    notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification = notify()
    fail_with(monkeypatch, ChannelError("HTTP 500"))

    with pytest.raises(ChannelError, match="HTTP 500"):
        telling.send(notification.pk)
    notification.refresh_from_db()
    assert (notification.state, notification.error) == ("waiting", "HTTP 500")

    Notification.objects.update(created_at=timezone.now() - timedelta(hours=2), held_until=None)
    telling.send(notification.pk)
    notification.refresh_from_db()
    assert notification.state == "failed"


def test_a_refusal_is_final(notify: Notify, monkeypatch: pytest.MonkeyPatch) -> None:
    notification = notify()
    fail_with(monkeypatch, ChannelRefused("sign not match", code="310000"))

    telling.send(notification.pk)

    notification.refresh_from_db()
    assert (notification.state, notification.error) == ("failed", "310000: sign not match")


def test_without_workers_others_send_what_waits(notify: Notify) -> None:
    notify()
    telling.send_overdue()
    assert mail.outbox == []

    Notification.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    telling.send_overdue()
    telling.send_overdue()

    assert len(mail.outbox) == 1


def test_what_was_over_long_ago_is_forgotten(notify: Notify) -> None:
    long_ago = timezone.now() - timedelta(days=91)
    notify("recovered", closed_at=long_ago)
    Notification.objects.update(created_at=long_ago)

    tasks.forget_old(0)

    assert not Alert.objects.exists()
    assert not Notification.objects.exists()
    assert AlertRule.objects.exists()

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from bots import draining
from bots.models import Robot
from conversations import retention
from conversations.models import Callback, Fold, Message, Turn
from tests.support.factories import make_callback, make_conversation, make_turn, say

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    settings.KEEP_CALLBACKS_DAYS, settings.KEEP_MESSAGES_DAYS, settings.RECONCILE_DAYS = 30, 0, 7


def test_callbacks_go_when_they_are_old(robot: Robot) -> None:
    for number, days in enumerate([90, 60, 31, 31, 31, 29, 1]):
        callback = make_callback(robot.account, f"d{number}")
        Callback.objects.filter(pk=callback.pk).update(received_at=ago(days))

    assert retention.forget_old(NOW) == {"callbacks": 5}

    assert list(Callback.objects.order_by("pk").values_list("delivery_id", flat=True)) == ["d5", "d6"]


def test_nothing_goes_that_is_kept_for_ever(robot: Robot, settings: Settings) -> None:
    settings.KEEP_CALLBACKS_DAYS = 0
    Callback.objects.filter(pk=make_callback(robot.account).pk).update(received_at=ago(1000))
    say(make_conversation(robot), "Hello", created_at=ago(1000))

    assert retention.forget_old(NOW) == {}

    assert (Callback.objects.count(), Message.objects.count()) == (1, 1)


def test_of_old_turns_only_the_words_go(robot: Robot, settings: Settings) -> None:
    settings.KEEP_MESSAGES_DAYS = 90
    chat = make_conversation(robot)
    old = make_turn(chat, reply="Hello, Alice.", input_tokens=7)
    new = make_turn(chat, reply="Hello again.")
    for turn, days in [(old, 91), (new, 89)]:
        say(chat, "Hello", turn=turn, created_at=ago(days))
        say(chat, turn.reply, turn=turn, sender=Message.Sender.ROBOT, created_at=ago(days))
    Fold.objects.create(conversation=chat, until=1, messages=1, tokens=1, created_at=ago(91))

    assert retention.forget_old(NOW) == {"callbacks": 0, "messages": 2, "summaries": 1}

    assert list(Turn.objects.order_by("pk").values_list("reply", "input_tokens")) == [
        ("", 7),
        ("Hello again.", 0),
    ]
    assert set(Message.objects.values_list("turn", flat=True)) == {new.pk}


def test_what_histories_are_searched_for_is_kept(robot: Robot, settings: Settings) -> None:
    settings.KEEP_MESSAGES_DAYS = 2
    say(make_conversation(robot), "Hello", created_at=ago(7.5))

    assert retention.forget_old(NOW)["messages"] == 0


def test_a_worker_that_has_to_stop_stops_between_two_batches(robot: Robot) -> None:
    for number in range(5):
        callback = make_callback(robot.account, f"d{number}")
        Callback.objects.filter(pk=callback.pk).update(received_at=ago(31))
    draining.must_stop.set()
    try:
        with pytest.raises(draining.WorkerStopping):
            retention.forget_old(NOW)
    finally:
        draining.must_stop.clear()

    assert Callback.objects.count() == 3

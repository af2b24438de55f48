from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.utils import connector_params

from bots.events import Address, Typing
from bots.models import Robot
from conversations import gossip, receiving, wakeups
from conversations.models import Callback
from conversations.receiving import Arrival
from tests.support.factories import START, make_conversation

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_S = 10.0
SILENCE_S = 0.3
LISTENERS = "query LIKE 'LISTEN %' AND datname = current_database()"


@pytest.fixture
def calls() -> Iterator[queue.SimpleQueue[str]]:
    """What turn 7 of this process hears, while the process listens."""
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    listening = loop.create_task(wakeups.listen(connector_params()))
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([listening])))
    with wakeups.waking(7, lambda: heard.put("look")):
        thread.start()
        heard.get(timeout=WITHIN_S)  # at the start, as word may have been missed
        yield heard
    loop.call_soon_threadsafe(listening.cancel)
    thread.join()
    loop.close()


def is_silent(calls: queue.SimpleQueue[str]) -> bool:
    try:
        calls.get(timeout=SILENCE_S)
    except queue.Empty:
        return True
    return False


def test_turn_that_is_called_off_is_woken(calls: queue.SimpleQueue[str]) -> None:
    wakeups.wake(7)

    assert calls.get(timeout=WITHIN_S) == "look"


def test_word_leaves_with_the_commit(calls: queue.SimpleQueue[str]) -> None:
    with transaction.atomic():
        wakeups.wake(7)
        assert is_silent(calls)

    assert calls.get(timeout=WITHIN_S) == "look"


def test_what_is_rolled_back_wakes_nobody(calls: queue.SimpleQueue[str]) -> None:
    with transaction.atomic():
        wakeups.wake(7)
        transaction.set_rollback(True)

    assert is_silent(calls)


def test_other_turns_sleep_on(calls: queue.SimpleQueue[str]) -> None:
    wakeups.wake(8)

    assert is_silent(calls)


def test_cut_connection_is_made_anew_and_all_look(calls: queue.SimpleQueue[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENERS}")
        assert cursor.fetchall() == [(True,)]

    assert calls.get(timeout=WITHIN_S) == "look"
    wakeups.wake(7)
    assert calls.get(timeout=WITHIN_S) == "look"


def test_a_user_who_types_is_told_to_this_process_too(
    calls: queue.SimpleQueue[str], robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = make_conversation(robot, "alice")
    monkeypatch.setattr(gossip, "listeners", [lambda word: calls.put(f"{word}")])
    typing = [
        Typing(
            event_id="t1",
            happened_at=START,
            raw={},
            robot_id=robot.user_id,
            conversation=Address(kind="peer", id=name),
        )
        for name in ("nobody", "alice")
    ]

    callback = Callback(account=robot.account, delivery_id="t1", received_at=START, state=Callback.State.READ)
    receiving.store([Arrival(robot.account, callback, typing)])

    assert calls.get(timeout=WITHIN_S) == str(gossip.typing(chat.pk, name=""))
    assert (chat.messages.count(), chat.turns.count()) == (0, 0)

from __future__ import annotations

from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from bots.events import Address, Content, Image, MessageReceived, Text
from bots.models import Robot
from conversations import receiving, storing, tasks
from conversations.console.views import PUBLIC_ID
from conversations.models import Callback, Conversation, Message, Turn, new_public_id
from tests.support.standin import callback_body, incoming

AT = datetime(2026, 11, 1, 12, 30, 0, 123456, tzinfo=UTC)


def said(content: Content, *, id_: str = "1") -> MessageReceived:
    return MessageReceived(
        event_id=id_,
        happened_at=AT,
        raw={},
        robot_id="ada",
        conversation=Address(kind="peer", id="alice"),
        sender_id="alice",
        content=content,
        vendor_message_id=id_,
        order=7,
    )


def store(robot: Robot, *heard: MessageReceived) -> None:
    with transaction.atomic():
        storing.store([], [(robot.account, event) for event in heard])


@pytest.mark.django_db
def test_message_is_stored_as_it_was_said(robot: Robot) -> None:
    text = "Quote \" ' backslash \\ percent %s {} ::text, 你好 🙂,\nnew line"

    store(robot, said(Text(text=text)))

    message = Message.objects.get()
    assert (message.text, message.kind, message.sender_id) == (text, "text", "alice")
    assert (message.happened_at, message.order, message.vendor_message_id) == (AT, 7, "1")


@pytest.mark.django_db
def test_content_besides_text_is_kept(robot: Robot) -> None:
    store(robot, said(Image(url="https://example.com/a?b=1&c=é", width=3)))

    message = Message.objects.get()
    assert (message.kind, message.extra) == ("image", {"url": "https://example.com/a?b=1&c=é", "width": 3})


@pytest.mark.django_db
def test_rows_are_those_that_the_models_would_have_made(robot: Robot) -> None:
    store(robot, said(Text(text="hello")))

    conversation_id = Conversation.objects.get().pk
    made = (
        Conversation(robot=robot, peer_id="alice"),
        Message(conversation_id=conversation_id, sender="user", sender_id="alice", order=7),
        Turn(conversation_id=conversation_id),
    )
    for expected in made:
        found = type(expected)._default_manager.get()
        for field in expected._meta.concrete_fields:
            is_triggers = field.name == "change"  # the database's, whatever the statement says
            if field.has_default() and not callable(field.default) and not is_triggers:
                assert getattr(found, field.attname) == getattr(expected, field.attname), field


@pytest.mark.django_db
def test_turn_is_queued_once_until_it_is_taken(robot: Robot) -> None:
    def jobs_after(*heard: MessageReceived) -> int:
        store(robot, *heard)
        return ProcrastinateJob.objects.count()

    assert jobs_after(said(Text(text="one"), id_="1"), said(Text(text="two"), id_="2")) == 1
    assert jobs_after(said(Text(text="three"), id_="3")) == 1
    Turn.objects.update(state=Turn.State.THINKING)
    assert jobs_after(said(Text(text="four"), id_="4")) == 2


@pytest.mark.django_db
def test_job_is_the_one_that_the_task_would_have_deferred(robot: Robot) -> None:
    store(robot, said(Text(text="hello")))
    tasks.defer_answers([Conversation.objects.get().pk])

    jobs = ProcrastinateJob.objects.order_by("id")
    ours, theirs = jobs.values(
        "queue_name", "task_name", "priority", "lock", "queueing_lock", "args", "status", "scheduled_at"
    )
    assert ours == theirs


@pytest.mark.django_db(transaction=True)
def test_batches_with_the_same_callbacks_do_not_block_one_another(robot: Robot) -> None:
    bodies = [callback_body("hello", sender=f"user{n}", id_=str(n)) for n in range(40)]
    start = Barrier(2)

    def receive(order: int) -> None:
        arrivals = [receiving.open_callback(robot.account, incoming(body)) for body in bodies[::order]]
        start.wait()
        receiving.store(arrivals)
        connection.close()

    threads = [Thread(target=receive, args=[order]) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [model._default_manager.count() for model in (Callback, Message, Turn)] == [40, 40, 40]


def test_ids_are_made_alike_here_and_in_the_database(db: None) -> None:
    before = new_public_id()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {storing.NEW_PUBLIC_ID}, {storing.NEW_PUBLIC_ID}")
        made, another = cursor.fetchone()

    assert PUBLIC_ID.fullmatch(made)
    assert PUBLIC_ID.fullmatch(before)
    assert made[:4] in (before[:4], new_public_id()[:4])  # the time
    assert made != another

from __future__ import annotations

from dataclasses import replace

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django.fixtures import DjangoAssertNumQueries

from bots.errors import CallbackRejected
from bots.models import Robot, VendorAccount
from conversations import receiving
from conversations.models import Callback, Conversation, Message, Turn
from tests.support.factories import make_conversation, make_turn
from tests.support.standin import StandIn, callback_body, incoming, interrupt_body

pytestmark = pytest.mark.django_db


def receive(account: VendorAccount, *bodies: bytes) -> None:
    receiving.store([receiving.open_callback(account, incoming(body)) for body in bodies])


def test_message_is_stored_with_a_waiting_turn_and_its_job(robot: Robot) -> None:
    receive(robot.account, callback_body("hello"))

    message = Message.objects.get()
    assert (message.text, message.sender, message.sender_id) == ("hello", "user", "alice")
    assert message.conversation.peer_id == "alice"
    assert Turn.objects.get().state == Turn.State.WAITING
    assert ProcrastinateJob.objects.get().lock == f"conversation:{message.conversation_id}"
    assert Callback.objects.get().state == Callback.State.READ


def test_repeat_changes_nothing(robot: Robot) -> None:
    for _ in range(3):
        receive(robot.account, callback_body("hello"))

    assert [model.objects.count() for model in (Callback, Message, Turn, ProcrastinateJob)] == [1, 1, 1, 1]


def test_repeats_within_a_batch_change_nothing(robot: Robot) -> None:
    receive(robot.account, *[callback_body("hello")] * 5)

    assert [model.objects.count() for model in (Callback, Message, Turn, ProcrastinateJob)] == [1, 1, 1, 1]


def test_repeat_after_the_answer_asks_for_no_second_one(robot: Robot) -> None:
    receive(robot.account, callback_body("hello"))
    turn = Turn.objects.get()
    Message.objects.update(turn=turn)
    Turn.objects.update(state=Turn.State.DONE)

    receive(robot.account, callback_body("hello"))

    assert Turn.objects.get() == turn


def test_batch_serves_several_conversations(robot: Robot) -> None:
    receive(
        robot.account,
        callback_body("one", sender="alice", id_="1"),
        callback_body("two", sender="bob", id_="2"),
        callback_body("three", sender="alice", id_="3"),
    )

    assert Conversation.objects.count() == 2
    assert Turn.objects.count() == 2
    assert Message.objects.count() == 3


def test_message_to_nobody_we_know_is_kept_as_callback_only(robot: Robot) -> None:
    receive(robot.account, callback_body("hello", to="charlie"))

    assert Callback.objects.count() == 1
    assert not Message.objects.exists()


def test_robots_do_not_answer_one_another(robot: Robot) -> None:
    Robot.objects.create(account=robot.account, user_id="bot2", route=robot.route)

    receive(robot.account, callback_body("hello", sender="bot2"))

    assert not Message.objects.exists()


def test_conversation_of_an_operator_gets_no_turn(robot: Robot) -> None:
    Conversation.objects.create(robot=robot, peer_id="alice", owner=Conversation.Owner.OPERATOR)

    receive(robot.account, callback_body("hello"))

    assert Message.objects.count() == 1
    assert not Turn.objects.exists()


def test_disabled_robot_listens_and_says_nothing(robot: Robot) -> None:
    Robot.objects.update(enabled=False)

    receive(robot.account, callback_body("hello"))

    assert Message.objects.count() == 1
    assert not Turn.objects.exists()


def test_callback_that_cannot_be_read_is_kept_and_read_again(
    robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(StandIn, "read", lambda self, callback: [][0])
        receive(robot.account, callback_body("hello"))
    callback = Callback.objects.get()
    assert (callback.state, callback.error) == (Callback.State.UNREAD, "IndexError: list index out of range")

    receiving.read_again(callback)

    assert Callback.objects.get().state == Callback.State.READ
    assert Message.objects.get().text == "hello"


def test_rejected_callback_leaves_no_row(robot: Robot) -> None:
    with pytest.raises(CallbackRejected):
        receiving.open_callback(robot.account, incoming(callback_body("hello"), secret="wrong"))

    assert not Callback.objects.exists()


def test_number_of_queries_does_not_grow_with_the_batch(
    robot: Robot, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    bodies = [callback_body("hello", sender=f"user{n}", id_=str(n)) for n in range(50)]
    arrivals = [receiving.open_callback(robot.account, incoming(body)) for body in bodies]

    with django_assert_num_queries(4):  # savepoint and release included
        receiving.store(arrivals)


def test_query_that_cannot_be_stored_as_it_is_loses_no_message(robot: Robot) -> None:
    callback = replace(incoming(callback_body("hello")), query={"secret": "s3cret", "x": "a\0b"})

    receiving.store([receiving.open_callback(robot.account, callback)])

    assert Callback.objects.get().query["x"] == "ab"
    assert Message.objects.get().text == "hello"


def speaking(robot: Robot) -> Turn:
    """A turn that is giving an answer to Alice."""
    conversation, _ = Conversation.objects.get_or_create(robot=robot, peer_id="alice")
    return make_turn(conversation, Turn.State.SPEAKING)


def endings() -> list[str]:
    return list(Turn.objects.order_by("id").values_list("ending", flat=True))


def test_interrupt_calls_the_running_turn_off(robot: Robot) -> None:
    speaking(robot)

    receive(robot.account, interrupt_body(None))

    assert endings() == [Turn.State.STOPPED]
    assert Callback.objects.get().state == Callback.State.READ
    assert not Message.objects.exists()


def test_message_beside_an_interrupt_is_answered(robot: Robot) -> None:
    speaking(robot)

    receive(robot.account, callback_body("and now?"), interrupt_body(None))

    assert endings() == [Turn.State.STOPPED, ""]
    assert Message.objects.get().text == "and now?"


def test_repeated_interrupt_leaves_the_next_answer_alone(robot: Robot) -> None:
    turn = speaking(robot)
    receive(robot.account, interrupt_body(None))
    Turn.objects.filter(pk=turn.pk).update(state=Turn.State.STOPPED)
    speaking(robot)

    receive(robot.account, interrupt_body(None))

    assert endings() == [Turn.State.STOPPED, ""]


def test_interrupt_that_is_read_again_has_no_effect(robot: Robot) -> None:
    receive(robot.account, interrupt_body(None))
    speaking(robot)

    receiving.read_again(Callback.objects.get())

    assert endings() == [""]


def test_interrupt_where_nobody_has_spoken_is_kept_as_callback_only(robot: Robot) -> None:
    make_conversation(robot, "bob")

    receive(robot.account, interrupt_body("m1"))

    assert Callback.objects.count() == 1
    assert Conversation.objects.get().epoch == 0

"""The vendor's echo of a robot's message says that the vendor has it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from bots.models import Robot
from conversations import receiving
from conversations.models import Callback, Conversation, Message
from conversations.transcript import messages_of
from tests.support.factories import make_conversation, say
from tests.support.standin import START, callback_body, echo_body, incoming

pytestmark = pytest.mark.django_db

KEY = 2**62
SENDING, STREAMING, FINISHING, DELIVERED, FAILED = (
    Message.State.SENDING,
    Message.State.STREAMING,
    Message.State.FINISHING,
    Message.State.DELIVERED,
    Message.State.FAILED,
)


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return make_conversation(robot)


def said(conversation: Conversation, state: Message.State, **fields: Any) -> Message:
    return say(conversation, "Hello 世界", sender=Message.Sender.ROBOT, state=state, **{"key": KEY, **fields})


def receive(robot: Robot, *bodies: bytes) -> None:
    receiving.store([receiving.open_callback(robot.account, incoming(body)) for body in bodies])


@pytest.mark.parametrize("state, is_stream, is_finished, then", [
    (SENDING, False, True, DELIVERED),
    (SENDING, False, False, DELIVERED),  # a plain message is whole, whatever the vendor says of it
    (SENDING, True, False, STREAMING),
    (SENDING, True, True, DELIVERED),
    (FAILED, False, True, DELIVERED),
    (FAILED, True, True, DELIVERED),
    (FAILED, True, False, FAILED),  # it is there, though not whole
])  # fmt: skip
def test_message_whose_answer_was_lost_becomes_known(
    robot: Robot,
    conversation: Conversation,
    state: Message.State,
    is_stream: bool,
    is_finished: bool,
    then: str,
) -> None:
    message = said(conversation, state, is_stream=is_stream, error="no answer in time")

    receive(robot, echo_body(KEY, is_finished=is_finished))

    message.refresh_from_db()
    assert (message.state, message.vendor_message_id, message.accepted) == (then, "v1", 8)
    assert message.happened_at == START
    assert message.error == ("" if then == DELIVERED else "no answer in time")


@pytest.mark.parametrize("state, is_finished, then", [
    (FINISHING, True, DELIVERED),
    (FINISHING, False, FINISHING),  # the last frame is still under way
    (FAILED, True, DELIVERED),
    (FAILED, False, FAILED),
    (STREAMING, True, STREAMING),  # a worker is at it
    (Message.State.RECALLED, True, Message.State.RECALLED),
])  # fmt: skip
def test_last_frame_whose_answer_was_lost_becomes_known(
    robot: Robot, conversation: Conversation, state: Message.State, is_finished: bool, then: str
) -> None:
    message = said(conversation, state, is_stream=True, vendor_message_id="v1")

    receive(robot, echo_body(KEY, is_finished=is_finished))

    message.refresh_from_db()
    assert message.state == then


@pytest.mark.parametrize("echo", [
    echo_body(KEY + 1), echo_body(KEY, to="bob"), echo_body(KEY, sender="eve"),
], ids=["another key", "another user", "another robot"])  # fmt: skip
def test_echo_of_another_message_changes_nothing(
    robot: Robot, conversation: Conversation, echo: bytes
) -> None:
    message = said(conversation, SENDING)

    receive(robot, echo)

    message.refresh_from_db()
    assert (message.state, message.vendor_message_id) == (SENDING, None)


def test_message_that_the_vendor_knows_under_another_id_keeps_it(
    robot: Robot, conversation: Conversation
) -> None:
    message = said(conversation, FINISHING, is_stream=True, vendor_message_id="v0")

    receive(robot, echo_body(KEY))

    message.refresh_from_db()
    assert (message.state, message.vendor_message_id) == (FINISHING, "v0")


def test_copies_of_an_echo_in_one_batch_are_one(robot: Robot, conversation: Conversation) -> None:
    message = said(conversation, SENDING)

    receive(robot, echo_body(KEY), echo_body(KEY), callback_body("And you?"))

    message.refresh_from_db()
    assert message.state == DELIVERED
    assert Message.objects.filter(sender=Message.Sender.USER).count() == 1


def test_echo_is_kept_as_read_and_leads_to_its_message(robot: Robot, conversation: Conversation) -> None:
    message = said(conversation, SENDING)

    receive(robot, echo_body(KEY))

    callback = Callback.objects.get()
    assert callback.state == Callback.State.READ
    assert messages_of(callback) == [message]


def test_echoes_cost_a_batch_one_query(
    robot: Robot, conversation: Conversation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    bodies = [callback_body("Hello"), *(echo_body(KEY, message_id=f"v{number}") for number in range(20))]
    arrivals = [receiving.open_callback(robot.account, incoming(body)) for body in bodies]

    with django_assert_num_queries(5):  # one more than without them; savepoint and release included
        receiving.store(arrivals)

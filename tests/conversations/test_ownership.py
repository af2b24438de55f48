"""Whose a conversation is, and how a turn ends that is called off in the middle of its reply."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from bots.models import LanguageModel, Robot
from conversations import ownership, turns
from conversations.models import Conversation, Message, ModelCall, Turn
from conversations.speaking import Speaker
from tests.support.factories import make_conversation, make_turn, say
from tests.support.standin import Cloud

# The frames of a reply leave in a thread of their own, which sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

Owner = Conversation.Owner
State = Turn.State

REPLY = "one two three four five"


class Killed(BaseException):
    """The worker is gone: nothing of it runs any more."""


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    """Alice has asked something, and nobody has answered yet."""
    conversation = make_conversation(robot)
    ask(conversation, "hello")
    return conversation


@pytest.fixture
def slow(model: LanguageModel) -> LanguageModel:
    """It never comes to an end by itself."""
    model.params = {"reply": REPLY * 1000, "chunk_chars": 4, "delay_ms": 30}
    model.save()
    return model


def ask(conversation: Conversation, text: str) -> Message:
    message = say(conversation, text)
    Turn.objects.get_or_create(conversation=conversation, state=State.WAITING)
    return message


def at_call(cloud: Cloud, name: str, number: int, act: Callable[[], object]) -> None:
    """Do it when the vendor gets the `number`th call of that name."""
    calls: list[str] = []

    def on_call(call: str) -> None:
        calls.append(call)
        if call == name and calls.count(name) == number:
            act()

    cloud.on_call = on_call


def state_of(conversation: Conversation) -> tuple[str, int]:
    fresh = Conversation.objects.get(pk=conversation.pk)
    return fresh.owner, fresh.epoch


def states() -> list[str]:
    return list(Turn.objects.order_by("id").values_list("state", flat=True))


def test_interrupt_ends_the_reply_where_it_stands(
    conversation: Conversation, cloud: Cloud, slow: LanguageModel
) -> None:
    at_call(cloud, "edit", 2, lambda: ownership.interrupt(conversation))

    turns.answer(conversation.pk)

    [frame] = cloud.last_frames()
    before_last = next(iter(cloud.frames.values()))[-2]
    assert (frame.text, frame.is_finished) == (before_last.text, True)
    assert frame.text
    assert slow.params["reply"].startswith(frame.text)
    message = Message.objects.get(sender=Message.Sender.ROBOT)
    assert (message.state, message.text) == (Message.State.DELIVERED, frame.text)
    turn = Turn.objects.get()
    assert (turn.state, turn.error, turn.ended_at is not None) == (State.STOPPED, "", True)


def test_stopped_reply_stops_the_bill(conversation: Conversation, cloud: Cloud, slow: LanguageModel) -> None:
    at_call(cloud, "edit", 2, lambda: ownership.interrupt(conversation))

    turns.answer(conversation.pk)

    call, turn = ModelCall.objects.get(), Turn.objects.get()
    assert call.outcome == ModelCall.Outcome.CUT
    assert 0 < turn.output_tokens < 200
    assert turn.input_tokens > 0


def test_reply_stopped_before_its_first_words_is_ended_empty(
    conversation: Conversation, cloud: Cloud, slow: LanguageModel
) -> None:
    at_call(cloud, "send", 1, lambda: ownership.interrupt(conversation))

    turns.answer(conversation.pk)

    assert [(frame.text, frame.is_finished) for frame in cloud.last_frames()] == [("", True)]
    assert states() == [State.STOPPED]
    assert not ModelCall.objects.filter(outcome=ModelCall.Outcome.ANSWERED).exists()


def test_plain_reply_that_is_stopped_is_never_sent(
    conversation: Conversation, cloud: Cloud, robot: Robot, monkeypatch: pytest.MonkeyPatch
) -> None:
    Robot.objects.update(reply_mode=Robot.ReplyMode.WHOLE)
    finish = Speaker.finish

    def finish_late(self: Speaker, reply: str) -> None:
        ownership.interrupt(conversation)
        finish(self, reply)

    monkeypatch.setattr(Speaker, "finish", finish_late)

    turns.answer(conversation.pk)

    assert cloud.calls == []
    assert states() == [State.STOPPED]


def test_what_is_written_after_an_interrupt_is_answered(
    conversation: Conversation, cloud: Cloud, slow: LanguageModel
) -> None:
    def interrupt_and_go_on() -> None:
        ownership.interrupt(conversation)
        ask(conversation, "again")
        LanguageModel.objects.update(params={"reply": "You said: {message}"})

    at_call(cloud, "edit", 2, interrupt_and_go_on)

    turns.answer(conversation.pk)

    assert cloud.shown()[1:] == ["You said: again"]
    assert states() == [State.STOPPED, State.DONE]


def test_interrupt_with_nothing_running_changes_nothing(conversation: Conversation, cloud: Cloud) -> None:
    assert not ownership.interrupt(conversation)

    turns.answer(conversation.pk)
    assert not ownership.interrupt(conversation)
    assert state_of(conversation) == (Owner.ROBOT, 0)
    assert states() == [State.DONE]


def test_second_interrupt_changes_nothing(conversation: Conversation) -> None:
    Turn.objects.update(state=State.SPEAKING)

    assert ownership.interrupt(conversation)
    assert not ownership.interrupt(conversation)
    assert state_of(conversation) == (Owner.ROBOT, 1)


@pytest.mark.parametrize("named, is_stopped", [("growing", True), ("ended", False), ("unknown", True)])
def test_interrupt_names_the_reply_that_it_is_for(
    conversation: Conversation, named: str, is_stopped: bool
) -> None:
    for id_, state in [("ended", State.DONE), ("growing", State.SPEAKING)]:
        turn = make_turn(conversation, state)
        say(
            conversation, "", turn=turn, sender=Message.Sender.ROBOT, state="streaming", vendor_message_id=id_
        )

    assert ownership.interrupt(conversation, vendor_message_id=named) is is_stopped


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("call", ["send", "edit"])
def test_next_worker_ends_what_was_interrupted_when_its_worker_died(
    conversation: Conversation, cloud: Cloud, slow: LanguageModel, call: str
) -> None:
    LanguageModel.objects.update(params=slow.params | {"reply": REPLY})

    def interrupt_and_die() -> None:
        ownership.interrupt(conversation)
        cloud.on_call = die
        raise Killed

    def die(call: str) -> None:
        raise Killed

    at_call(cloud, call, 1, interrupt_and_die)
    with suppress(Killed):
        turns.answer(conversation.pk)
    cloud.on_call = None
    asked_before = ModelCall.objects.count()

    turns.answer(conversation.pk)

    [frame] = cloud.last_frames()
    assert frame.is_finished
    assert slow.params["reply"].startswith(frame.text)
    assert states() == [State.STOPPED]
    assert ModelCall.objects.count() == asked_before


def test_what_was_never_sent_stays_unsent(conversation: Conversation, cloud: Cloud) -> None:
    """The worker died between storing a plain reply and sending it."""
    Robot.objects.update(reply_mode=Robot.ReplyMode.WHOLE)
    turn = turns.take(conversation.pk)
    assert turn is not None
    say(conversation, "all of it", turn=turn, sender=Message.Sender.ROBOT, state=Message.State.SENDING, key=1)
    ownership.interrupt(conversation)

    turns.answer(conversation.pk)

    assert cloud.calls == []
    assert Message.objects.get(turn=turn, sender=Message.Sender.ROBOT).state == Message.State.FAILED
    assert states() == [State.STOPPED]


def test_worker_given_up_for_dead_leaves_the_end_to_its_successor(
    conversation: Conversation, cloud: Cloud
) -> None:
    stale = turns.take(conversation.pk)
    successor = turns.take(conversation.pk)
    assert stale
    assert successor
    ownership.interrupt(conversation)

    assert not turns.run(stale)
    assert states() == [State.THINKING]

    turns.run(successor)
    assert states() == [State.STOPPED]


def test_worker_that_finds_its_turn_in_other_hands_takes_nothing_more(
    conversation: Conversation, cloud: Cloud, slow: LanguageModel
) -> None:
    at_call(cloud, "edit", 2, lambda: Turn.objects.update(attempt=7))

    turns.answer(conversation.pk)

    assert Turn.objects.get().attempt == 7
    assert states() == [State.SPEAKING]


def test_take_over_silences_the_robot(conversation: Conversation, cloud: Cloud, slow: LanguageModel) -> None:
    at_call(cloud, "edit", 2, lambda: ownership.take_over(conversation))

    turns.answer(conversation.pk)
    ask(conversation, "are you there?")
    turns.answer(conversation.pk)

    [frame] = cloud.last_frames()
    assert frame.is_finished
    assert states() == [State.TAKEN_OVER, State.TAKEN_OVER]
    assert state_of(conversation) == (Owner.OPERATOR, 1)


def test_take_over_of_what_is_taken_over_changes_nothing(conversation: Conversation) -> None:
    assert ownership.take_over(conversation)
    assert not ownership.take_over(conversation)
    assert state_of(conversation) == (Owner.OPERATOR, 1)


def test_reply_handed_back_while_it_is_being_ended_is_ended_all_the_same(
    conversation: Conversation, cloud: Cloud, slow: LanguageModel
) -> None:
    def take_over() -> None:
        ownership.take_over(conversation)
        at_call(cloud, "edit", 1, lambda: ownership.hand_back(conversation))

    at_call(cloud, "edit", 2, take_over)

    turns.answer(conversation.pk)

    assert all(frame.is_finished for frame in cloud.last_frames())
    assert states() == [State.TAKEN_OVER]
    assert state_of(conversation) == (Owner.ROBOT, 2)


def test_hand_back_of_what_is_the_robots_changes_nothing(conversation: Conversation) -> None:
    assert not ownership.hand_back(conversation)
    assert state_of(conversation) == (Owner.ROBOT, 0)


def test_what_the_operator_left_unanswered_is_the_robots(conversation: Conversation, cloud: Cloud) -> None:
    ownership.take_over(conversation)
    turns.answer(conversation.pk)
    say(conversation, "Let me see.", sender=Message.Sender.OPERATOR, state=Message.State.DELIVERED)
    say(conversation, "thanks, and who pays?")

    ownership.hand_back(conversation)

    assert ProcrastinateJob.objects.filter(lock=f"conversation:{conversation.pk}").exists()
    turns.answer(conversation.pk)
    assert cloud.shown() == ["You said: thanks, and who pays?"]


def test_what_the_operator_has_answered_is_not_answered_again(
    conversation: Conversation, cloud: Cloud
) -> None:
    ownership.take_over(conversation)
    turns.answer(conversation.pk)
    say(conversation, "Solved.", sender=Message.Sender.OPERATOR, state=Message.State.DELIVERED)

    ownership.hand_back(conversation)
    turns.answer(conversation.pk)

    assert cloud.calls == []
    ask(conversation, "one more thing")
    turns.answer(conversation.pk)
    assert cloud.shown() == ["You said: one more thing"]

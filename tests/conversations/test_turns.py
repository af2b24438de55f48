"""A turn from the waiting message to the settled reply, with a cloud in memory and a scripted model."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.utils import timezone

from bots import draining
from bots.clients import vendor_for
from bots.errors import EditingUnavailable, VendorBusy, VendorRefused, VendorUnreachable
from bots.events import Address, OutgoingMessage, Receipt
from bots.models import LanguageModel, Price, Robot, RuleModel, VendorAccount
from bots.vendors.base import Vendor
from conversations import context, receiving, turns
from conversations.models import Conversation, Message, Turn
from conversations.speaking import Speaker
from tests.conversations.conftest import Hear
from tests.support.standin import Cloud, StandIn, callback_body, incoming

# The frames of a reply leave in a thread of their own, which sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The worker is gone: nothing of it runs any more."""


def robot_messages() -> list[Message]:
    return list(Message.objects.filter(sender=Message.Sender.ROBOT).order_by("id"))


def test_answer_reaches_the_user(hear: Hear, cloud: Cloud) -> None:
    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["You said: hello"]
    assert cloud.last_frames()[0].is_finished
    (message,) = robot_messages()
    assert (message.state, message.text) == (Message.State.DELIVERED, "You said: hello")
    turn = Turn.objects.get()
    assert (turn.state, turn.reply, turn.attempt) == (Turn.State.DONE, "You said: hello", 1)
    assert turn.output_tokens > 0
    assert turn.queued_at <= turn.started_at <= turn.spoken_at <= turn.ended_at  # type: ignore[operator]


def test_first_frame_is_empty_and_the_text_only_grows(hear: Hear, cloud: Cloud, model: LanguageModel) -> None:
    model.params = {"reply": "one two three four", "chunk_chars": 2, "delay_ms": 20}
    model.save()

    turns.answer(hear("hello").pk)

    (frames,) = cloud.frames.values()
    texts = [frame.text for frame in frames]
    assert texts[0] == ""
    assert len(texts) > 2
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert [frame.is_finished for frame in frames] == [False] * (len(frames) - 1) + [True]


def test_whole_mode_sends_one_plain_message(hear: Hear, cloud: Cloud, robot: Robot) -> None:
    Robot.objects.update(reply_mode=Robot.ReplyMode.WHOLE)

    turns.answer(hear("hello").pk)

    assert cloud.calls == ["send"]
    assert not cloud.last_frames()[0].is_stream


def test_burst_gets_one_answer(hear: Hear, cloud: Cloud) -> None:
    turns.answer(hear("one", "two", "three").pk)

    assert cloud.shown() == ["You said: one\ntwo\nthree"]
    assert Turn.objects.count() == 1


def test_history_is_shown_to_the_model(hear: Hear, cloud: Cloud) -> None:
    turns.answer(hear("hello").pk)
    turns.answer(hear("again", id_="2").pk)

    turn = Turn.objects.order_by("id")[1]
    prompt = context.show(turn).prompt
    assert [(line.role, line.content) for line in prompt.messages] == [
        ("system", "You are Ada."),
        ("user", "hello"),
        ("assistant", "You said: hello"),
        ("user", "again"),
    ]


def test_cost_is_kept_with_the_turn(hear: Hear, model: LanguageModel) -> None:
    Price.objects.create(model=model, currency="CNY", input=2, output=500_000)

    turns.answer(hear("hello").pk)

    turn = Turn.objects.get()
    assert turn.cost == Decimal(turn.input_tokens * 2 + turn.output_tokens * 500_000) / 1_000_000
    assert turn.currency == "CNY"


def test_failed_model_is_replaced_by_the_next(hear: Hear, cloud: Cloud, model: LanguageModel) -> None:
    broken = LanguageModel.objects.create(slug="a", api="scripted", model="a", params={"fail": "busy"})
    RuleModel.objects.update(position=1)
    RuleModel.objects.create(rule=model.rules.get(), model=broken, position=0)

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["You said: hello"]
    assert Turn.objects.get().model == model


def test_user_is_told_when_no_model_answers(hear: Hear, cloud: Cloud, model: LanguageModel) -> None:
    model.params = {"fail": "refused"}
    model.save()

    turns.answer(hear("hello").pk)

    (frame,) = cloud.last_frames()
    assert (frame.text, frame.is_error, frame.is_finished) == ("Sorry.", True, True)
    turn = Turn.objects.get()
    assert turn.state == Turn.State.FAILED
    assert "script" in turn.error


def test_words_that_were_said_stay_when_the_model_breaks(
    hear: Hear, cloud: Cloud, model: LanguageModel
) -> None:
    model.params = {"reply": "one two three", "chunk_chars": 1, "delay_ms": 20}
    model.params |= {"fail": "unreachable", "fail_after_chars": 8}
    model.save()

    turns.answer(hear("hello").pk)

    said, apology = cloud.last_frames()
    assert "one two three".startswith(said.text)
    assert said.is_finished
    assert (apology.text, apology.is_error) == ("Sorry.", True)


def test_long_reply_is_several_messages(hear: Hear, cloud: Cloud, model: LanguageModel) -> None:
    sentence = "This is a sentence of some length. "
    model.params = {"reply": (sentence * 150).strip(), "chunk_chars": 100}
    model.save()

    turns.answer(hear("hello").pk)

    shown = cloud.shown()
    assert len(shown) == 3
    assert all(len(text.encode()) <= StandIn.max_bytes for text in shown)
    assert " ".join(text.strip() for text in shown) == model.params["reply"]
    assert all(frame.is_finished for frame in cloud.last_frames())


@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after the effect"])
def test_lost_send_is_repeated_with_the_same_key(hear: Hear, cloud: Cloud, after: bool) -> None:
    cloud.trouble.append((not after, VendorUnreachable("no answer")))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["You said: hello"]
    assert len(cloud.frames) == 1


def test_busy_vendor_is_asked_again(hear: Hear, cloud: Cloud) -> None:
    cloud.trouble.extend([None, (True, VendorBusy("slow down")), (True, VendorBusy("slow down"))])

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["You said: hello"]
    assert cloud.last_frames()[0].is_finished


def test_refusing_vendor_fails_the_turn(hear: Hear, cloud: Cloud) -> None:
    cloud.trouble.append((True, VendorRefused("no such user", party="standin", code="42")))

    turns.answer(hear("hello").pk)

    turn = Turn.objects.get()
    assert (turn.state, turn.error) == (Turn.State.FAILED, "standin 42: no such user")


def test_vendor_outage_leaves_the_turn_to_a_later_attempt(
    hear: Hear, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.delivering.PATIENCE_S", 0)
    conversation = hear("hello")
    cloud.trouble.append((True, VendorUnreachable("down")))
    with pytest.raises(VendorUnreachable):
        turns.answer(conversation.pk)

    turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: hello"]
    assert Turn.objects.get().attempt == 2


def test_outage_that_lasts_too_long_fails_the_turn(
    hear: Hear, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.delivering.PATIENCE_S", 0)
    conversation = hear("hello")
    Turn.objects.update(queued_at=timezone.now() - 2 * turns.DELIVERY_AGE)
    cloud.trouble.append((True, VendorUnreachable("down")))

    turns.answer(conversation.pk)

    assert Turn.objects.get().state == Turn.State.FAILED


def kill_at(cloud: Cloud, number: int) -> None:
    """The worker dies in its `number`th call to the vendor: none of its threads makes another one."""
    calls = iter(range(1, 1000))

    def on_call(call: str) -> None:
        if next(calls) >= number:
            raise Killed

    cloud.on_call = on_call


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("mode", ["stream", "whole"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_next_attempt_goes_on_where_a_worker_died(hear: Hear, cloud: Cloud, number: int, mode: str) -> None:
    Robot.objects.update(reply_mode=mode)
    conversation = hear("hello")
    kill_at(cloud, number)
    try:
        turns.answer(conversation.pk)
    except Killed:
        cloud.on_call = None
        turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: hello"]
    assert cloud.last_frames()[0].is_finished
    assert Turn.objects.get().state == Turn.State.DONE


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_next_attempt_adds_nothing_to_messages_that_are_complete(
    hear: Hear, cloud: Cloud, model: LanguageModel, number: int
) -> None:
    model.params = {"reply": "This is a sentence of some length. " * 150, "chunk_chars": 500}
    model.save()
    conversation = hear("hello")
    kill_at(cloud, number)
    with suppress(Killed):
        turns.answer(conversation.pk)

    cloud.on_call = None
    turns.answer(conversation.pk)

    assert "".join(cloud.shown()) == model.params["reply"]
    for frames in cloud.frames.values():
        lengths = [(len(frame.text), frame.is_finished) for frame in frames]
        assert lengths == sorted(lengths)
        assert sum(frame.is_finished for frame in frames) == 1


def test_next_attempt_takes_back_what_it_does_not_say_again(hear: Hear, cloud: Cloud) -> None:
    conversation = hear("hello")
    turn = turns.take(conversation.pk)
    assert turn is not None
    speaker = Speaker(turn)
    speaker.open()
    speaker.close()
    speaker._current("").show("Once upon a time")

    turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: hello"]
    assert len(cloud.recalled) == 1


def test_next_attempt_takes_back_the_apology_of_the_last(hear: Hear, cloud: Cloud) -> None:
    conversation = hear("hello")
    turn = turns.take(conversation.pk)
    assert turn is not None
    Speaker(turn).fail("Sorry.")

    turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: hello"]


def test_apology_of_the_last_attempt_is_not_said_again(
    hear: Hear, cloud: Cloud, model: LanguageModel
) -> None:
    conversation = hear("hello")
    turn = turns.take(conversation.pk)
    assert turn is not None
    Speaker(turn).fail("Sorry.")
    LanguageModel.objects.update(enabled=False)

    turns.answer(conversation.pk)

    assert cloud.shown() == ["Sorry."]
    assert "edit" not in cloud.calls


def test_complete_reply_is_delivered_without_asking_the_model_again(
    hear: Hear, cloud: Cloud, model: LanguageModel
) -> None:
    conversation = hear("hello")
    turn = turns.take(conversation.pk)
    assert turn is not None
    Turn.objects.update(reply="said before")

    turns.answer(conversation.pk)

    assert cloud.shown() == ["said before"]


def test_longer_text_of_an_earlier_attempt_is_not_shortened_on_the_way(
    hear: Hear, cloud: Cloud, model: LanguageModel
) -> None:
    conversation = hear("hello")
    turn = turns.take(conversation.pk)
    assert turn is not None
    speaker = Speaker(turn)
    speaker.open()
    speaker.close()
    delivery = speaker._current("")
    delivery.show("You said: he")
    model.params = {"reply": "You said: {message}", "chunk_chars": 1, "delay_ms": 10}
    model.save()

    turns.answer(conversation.pk)

    (frames,) = cloud.frames.values()
    lengths = [len(frame.text) for frame in frames]
    assert lengths == sorted(lengths)
    assert frames[-1].text == "You said: hello"


def test_worker_given_up_for_dead_cannot_speak(hear: Hear, cloud: Cloud) -> None:
    conversation = hear("hello")
    stale = turns.take(conversation.pk)
    assert stale is not None
    turns.answer(conversation.pk)

    turns.run(stale)

    assert cloud.shown() == ["You said: hello"]
    assert Turn.objects.get().state == Turn.State.DONE


def test_nothing_leaves_under_an_old_epoch(hear: Hear, cloud: Cloud) -> None:
    turn = turns.take(hear("hello").pk)
    assert turn is not None
    Conversation.objects.update(epoch=1)

    turns.run(turn)

    assert cloud.calls == []


def test_turn_stops_where_it_stands_when_the_worker_has_to(
    hear: Hear, cloud: Cloud, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.params = {"reply": "never said", "first_token_ms": 60_000}
    model.save()
    conversation = hear("hello")
    cloud.on_call = lambda call: draining.must_stop.set()
    try:
        with pytest.raises(draining.WorkerStopping):
            turns.answer(conversation.pk)
    finally:
        draining.must_stop.clear()

    assert Turn.objects.get().state in Turn.RUNNING


def test_error_nobody_foresaw_ends_the_turn_after_some_attempts(
    hear: Hear, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = hear("hello")
    monkeypatch.setattr(context, "show", lambda turn: dict[str, str]()["missing"])
    for _ in range(turns.MAX_CRASHES - 1):
        with pytest.raises(KeyError):
            turns.answer(conversation.pk)

    turns.answer(conversation.pk)

    turn = Turn.objects.get()
    assert (turn.state, turn.error) == (Turn.State.FAILED, "KeyError: 'missing'")


def test_disabled_robot_stops_its_waiting_turns(hear: Hear, cloud: Cloud) -> None:
    conversation = hear("hello")
    Robot.objects.update(enabled=False)

    turns.answer(conversation.pk)

    assert Turn.objects.get().state == Turn.State.STOPPED
    assert cloud.calls == []


def test_full_model_gives_way_to_the_next(hear: Hear, cloud: Cloud, model: LanguageModel) -> None:
    backup = LanguageModel.objects.create(
        slug="backup", api="scripted", model="backup", params={"reply": "from the backup"}
    )
    RuleModel.objects.create(rule=model.rules.get(), model=backup, position=1)
    LanguageModel.objects.filter(pk=model.pk).update(max_concurrency=1)
    other = Conversation.objects.create(robot=Robot.objects.get(), peer_id="bob")
    Turn.objects.create(conversation=other, state=Turn.State.SPEAKING, model=model)
    conversation = Conversation.objects.exclude(pk=other.pk)

    hear_alice = receiving.open_callback(other.robot.account, incoming(callback_body("hello")))
    receiving.store([hear_alice])
    turns.answer(conversation.get().pk)

    assert cloud.shown() == ["from the backup"]


def test_message_of_the_burst_is_waited_for(hear: Hear, cloud: Cloud) -> None:
    Robot.objects.update(merge_window_ms=60_000)
    conversation = hear("hello")
    Message.objects.update(created_at=timezone.now() - timedelta(minutes=2))

    turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: hello"]


def test_message_with_another_id_than_the_vendor_said_is_looked_up(
    hear: Hear, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = StandIn.send

    def send_and_misname(self: StandIn, message: OutgoingMessage) -> Receipt:
        return replace(send(self, message), vendor_message_id="wrong")

    monkeypatch.setattr(StandIn, "send", send_and_misname)

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["You said: hello"]
    assert robot_messages()[0].vendor_message_id in cloud.frames


def test_answer_stands_behind_its_question_within_one_second(hear: Hear, robot: Robot) -> None:
    conversation = hear("one")
    turns.answer(conversation.pk)
    second = timezone.now().replace(microsecond=0)
    Message.objects.update(happened_at=second, order=7)
    Message.objects.filter(sender=Message.Sender.ROBOT).update(order=0)
    turns.answer(hear("two", id_="2").pk)

    prompt = context.show(Turn.objects.order_by("id")[1]).prompt

    assert [line.content for line in prompt.messages[1:]] == ["one", "You said: one", "two"]


def test_message_that_cannot_be_taken_back_is_finished(
    hear: Hear, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StandIn, "recall", Vendor.recall)
    conversation = hear("hello")
    turn = turns.take(conversation.pk)
    assert turn is not None
    Speaker(turn)._current("").show("Something else.")

    turns.answer(conversation.pk)

    assert cloud.shown() == ["Something else.", "You said: hello"]
    assert all(frame.is_finished for frame in cloud.last_frames())


@pytest.fixture
def no_editing(cloud: Cloud, account: VendorAccount) -> Vendor:
    """The vendor refuses each edit; → its client."""

    def refuse(call: str) -> None:
        if call == "edit":
            raise EditingUnavailable("not in this plan", party="standin")

    cloud.on_call = refuse
    return vendor_for(account)


def test_account_that_may_not_edit_answers_in_whole_messages(
    hear: Hear, cloud: Cloud, no_editing: Vendor
) -> None:
    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["You said: hello"]
    assert cloud.calls == ["send", "edit", "recall", "send"]
    assert [message.state for message in robot_messages()] == [
        Message.State.RECALLED,
        Message.State.DELIVERED,
    ]
    assert Turn.objects.get().state == Turn.State.DONE


def test_account_that_may_not_edit_is_not_asked_again_for_a_while(
    hear: Hear, cloud: Cloud, no_editing: Vendor
) -> None:
    turns.answer(hear("hello").pk)
    cloud.calls.clear()

    turns.answer(hear("again", id_="2").pk)

    assert cloud.calls == ["send"]
    assert not no_editing.can_edit_in(Address(kind="peer", id="user1"))


def test_frame_that_may_not_be_shown_does_not_end_the_answer(
    hear: Hear, cloud: Cloud, no_editing: Vendor, model: LanguageModel
) -> None:
    model.params = {"reply": "one two three four", "chunk_chars": 2, "delay_ms": 20}
    model.save()

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["one two three four"]
    assert cloud.calls == ["send", "edit", "recall", "send"]


def test_long_answer_comes_in_several_whole_messages(
    hear: Hear, cloud: Cloud, no_editing: Vendor, model: LanguageModel
) -> None:
    text = "word " * 1000
    model.params = {"reply": text, "chunk_chars": 100}
    model.save()

    turns.answer(hear("hello").pk)

    assert "".join(cloud.shown()) == text
    assert cloud.calls.count("edit") == 1


def test_apology_reaches_a_user_whose_account_may_not_edit(
    hear: Hear, cloud: Cloud, no_editing: Vendor, model: LanguageModel
) -> None:
    model.params = {"fail": "busy"}
    model.save()

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["Sorry."]


def test_placeholder_that_is_neither_edited_nor_taken_back_is_left(
    hear: Hear, cloud: Cloud, no_editing: Vendor
) -> None:
    def refuse(call: str) -> None:
        if call == "edit":
            raise EditingUnavailable("not in this plan", party="standin")
        if call == "recall":
            raise VendorRefused("too late", party="standin")

    cloud.on_call = refuse
    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["", "You said: hello"]
    assert [message.state for message in robot_messages()] == [Message.State.FAILED, Message.State.DELIVERED]


def test_worker_that_dies_before_it_knows_leaves_nothing_double(
    hear: Hear, cloud: Cloud, no_editing: Vendor
) -> None:
    conversation = hear("hello")
    refuse = cloud.on_call

    def die(call: str) -> None:
        if call == "edit":
            raise Killed

    cloud.on_call = die
    with pytest.raises(Killed):
        turns.answer(conversation.pk)
    cloud.on_call = refuse
    turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: hello"]


def test_message_that_would_end_by_itself_is_kept_growing(
    hear: Hear, cloud: Cloud, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conversations.speaking.IDLE_CHECK_S", 0.02)
    monkeypatch.setattr(StandIn, "longest_gap_s", 0.03)
    model.params = {"reply": "one two", "chunk_chars": 4, "delay_ms": 400}
    model.save()

    turns.answer(hear("hello").pk)

    (frames,) = cloud.frames.values()
    assert [frame.text for frame in frames].count("one ") > 2
    assert frames[-1].text == "one two"


@pytest.mark.parametrize("trouble", [None, VendorRefused("no", party="standin")])
def test_thinking_is_shown_until_there_are_words(
    hear: Hear, cloud: Cloud, model: LanguageModel, monkeypatch: pytest.MonkeyPatch, trouble: Exception | None
) -> None:
    monkeypatch.setattr("conversations.speaking.IDLE_CHECK_S", 0.02)
    monkeypatch.setattr("conversations.speaking.THINKING_S", 0.02)
    shown: list[tuple[str, str]] = []

    def show_thinking(self: StandIn, robot_id: str, conversation: Address) -> None:
        shown.append((robot_id, conversation.id))
        if trouble:
            raise trouble

    monkeypatch.setattr(StandIn, "shows_thinking", True)
    monkeypatch.setattr(StandIn, "show_thinking", show_thinking)
    model.params = {"reply": "at last", "first_token_ms": 400}
    model.save()

    turns.answer(hear("hello").pk)

    assert len(shown) > 1
    assert set(shown) == {("ada", "alice")}
    assert cloud.shown() == ["at last"]


def test_a_conversation_that_was_erased_meanwhile_is_named() -> None:
    with pytest.raises(Conversation.DoesNotExist, match="conversation 0 is gone"):
        turns.lock(0)

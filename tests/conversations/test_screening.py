"""Turns under a policy: what is blocked, what is masked, and what the turn tells of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bots.llms.scripted import Scripted
from bots.models import LanguageModel, Policy, Robot
from conversations import ownership, thinking, turns
from conversations.models import Conversation, Message, Turn
from conversations.speaking import Speaker
from tests.conversations.conftest import Hear
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_asked() -> Iterator[None]:
    Scripted.requests.clear()
    yield
    Scripted.requests.clear()


@pytest.fixture
def policy(robot: Robot) -> Policy:
    policy = Policy.objects.create(
        slug="default",
        input_block_words=["赌博"],
        input_block_reply="Not here.",
        output_block_words=["secret"],
        output_block_reply="Let us talk of something else.",
    )
    Robot.objects.update(policy=policy)
    return policy


def script(model: LanguageModel, **params: object) -> None:
    model.params = params
    model.save()


def shown_to_model() -> list[str]:
    return [message.content for asked in Scripted.requests for message in asked.prompt.messages]


def found() -> list[tuple[str, str, str, str]]:
    return [
        (each["side"], each["deed"], each["kind"], each["rule"])
        for each in Turn.objects.get().screening or []
    ]


def test_a_blocked_question_is_answered_without_a_model(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    turns.answer(hear("来賭 博吧").pk)

    turn = Turn.objects.get()
    assert cloud.shown() == ["Not here."]
    assert (turn.state, turn.reply, turn.model) == (Turn.State.BLOCKED, "Not here.", None)
    assert found() == [("input", "blocked", "word", "赌博")]
    assert turn.error == "input blocked: word of block_words: 赌博"
    assert not Scripted.requests


def test_a_question_in_two_messages_is_one(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    turns.answer(hear("赌", "博").pk)

    assert Turn.objects.get().state == Turn.State.BLOCKED


def test_a_question_that_is_too_long_is_blocked(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    Policy.objects.update(input_max_chars=5)

    turns.answer(hear("123456").pk)

    assert cloud.shown() == ["Not here."]
    assert found() == [("input", "blocked", "length", "5")]


def test_a_blocked_turn_is_no_part_of_the_history(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    turns.answer(hear("赌博").pk)
    turns.answer(hear("hello", id_="2").pk)

    assert shown_to_model() == ["You are Ada.", "hello"]


@pytest.mark.parametrize("mode", ["stream", "whole"])
def test_a_blocked_reply_is_taken_back(
    hear: Hear, cloud: Cloud, policy: Policy, model: LanguageModel, mode: str
) -> None:
    Robot.objects.update(reply_mode=mode)
    script(model, reply="It is a se-cre-t that I know and tell.", chunk_chars=4, delay_ms=20)

    turns.answer(hear("hello").pk)

    turn = Turn.objects.get()
    assert cloud.shown() == ["Let us talk of something else."]
    assert (turn.state, turn.reply) == (Turn.State.BLOCKED, "Let us talk of something else.")
    assert found() == [("output", "blocked", "word", "secret")]
    assert turn.output_tokens > 0
    frames = [frame.text for frames in cloud.frames.values() for frame in frames]
    assert not any("se-cre" in text for text in frames)
    assert not Message.objects.filter(text__contains="se-c").exists()


def test_the_model_is_not_listened_to_any_longer(
    hear: Hear, cloud: Cloud, policy: Policy, model: LanguageModel
) -> None:
    script(model, reply="secret" + "." * 1000, chunk_chars=10, delay_ms=60_000)

    turns.answer(hear("hello").pk)

    assert Turn.objects.get().state == Turn.State.BLOCKED


def test_pages_of_a_blocked_reply_are_taken_back_too(
    hear: Hear, cloud: Cloud, policy: Policy, model: LanguageModel
) -> None:
    script(model, reply="This is a sentence. " * 150 + "secret", chunk_chars=100)

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["Let us talk of something else."]


def test_an_attempt_after_a_blocked_one_says_the_same(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    conversation = hear("赌博")
    turn = turns.take(conversation.pk)
    assert turn is not None
    thinking.think(turn, Speaker(turn))

    turns.answer(conversation.pk)

    assert cloud.shown() == ["Not here."]
    assert Turn.objects.get().state == Turn.State.BLOCKED


def test_the_model_sees_no_personal_data_and_the_user_does(
    hear: Hear, cloud: Cloud, policy: Policy, model: LanguageModel
) -> None:
    Policy.objects.update(input_mask_pii=True)
    script(model, reply="You said: {message}", chunk_chars=3)

    turns.answer(hear("Call 13800138000 or a@b.com, I say 138 0013 8000!").pk)

    assert shown_to_model()[-1] == "Call [PHONE_1] or [EMAIL_1], I say [PHONE_1]!"
    assert cloud.shown() == ["You said: Call 13800138000 or a@b.com, I say 13800138000!"]
    told = Turn.objects.get().screening or []
    assert [(each["source"], each["deed"]) for each in told] == [("phone", "masked"), ("email", "masked")]


def test_history_is_masked_as_well(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    Policy.objects.update(input_mask_pii=True)
    turns.answer(hear("13800138000").pk)

    turns.answer(hear("again", id_="2").pk)

    assert not any("13800138000" in text for text in shown_to_model())


def test_masked_replies_show_what_their_owner_recognises(
    hear: Hear, cloud: Cloud, policy: Policy, model: LanguageModel
) -> None:
    Policy.objects.update(output_mask_pii=True)
    script(model, reply="Call 13800138000.", chunk_chars=2, delay_ms=10)

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["Call 138****8000."]
    assert Turn.objects.get().reply == "Call 138****8000."
    texts = {frame.text for frames in cloud.frames.values() for frame in frames}
    assert all("Call 138****8000.".startswith(text) for text in texts)


def test_a_change_holds_from_the_next_turn_on(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    turns.answer(hear("hello").pk)
    policy.input_block_words = ["hello"]
    policy.save()

    turns.answer(hear("hello", id_="2").pk)

    assert cloud.shown() == ["You said: hello", "Not here."]


def test_a_robot_without_a_policy_says_everything(hear: Hear, cloud: Cloud, robot: Robot) -> None:
    turns.answer(hear("赌博 secret").pk)

    assert cloud.shown() == ["You said: 赌博 secret"]
    assert Turn.objects.get().screening is None
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize("text", ["转人工", "a ＨＵＭＡＮ please", "h-u-m-a-n"])
def test_a_user_who_asks_for_people_is_handed_to_them(
    hear: Hear, cloud: Cloud, policy: Policy, text: str
) -> None:
    Policy.objects.update(handoff_words=["human", "人工"])

    conversation = hear(text)
    turns.answer(conversation.pk)

    conversation.refresh_from_db()
    assert (conversation.owner, conversation.epoch) == (Conversation.Owner.OPERATOR, 1)
    turn = Turn.objects.get()
    assert turn.state == Turn.State.HANDED_OFF
    assert turn.error.startswith("the user asked for people: ")
    assert cloud.calls == []
    assert not Scripted.requests


def test_a_handoff_word_inside_another_is_none(hear: Hear, cloud: Cloud, policy: Policy) -> None:
    Policy.objects.update(handoff_words=["human"])

    turns.answer(hear("inhumane").pk)

    assert cloud.shown() == ["You said: inhumane"]


def test_nobody_answers_after_the_handoff_until_the_conversation_is_handed_back(
    hear: Hear, cloud: Cloud, policy: Policy
) -> None:
    Policy.objects.update(handoff_words=["human"])
    turns.answer(hear("human").pk)
    conversation = hear("anybody there?", id_="2")
    turns.answer(conversation.pk)
    assert cloud.calls == []

    ownership.hand_back(conversation)
    turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: human\nanybody there?"]

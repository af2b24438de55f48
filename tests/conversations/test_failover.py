"""A model fails, in each of the ways there are, before the first word or in the middle of the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from typing import Final

import pytest
from django.utils import timezone

from bots import health
from bots.llms.continuing import GO_ON
from bots.models import LanguageModel, ModelHealth, Policy, Price, Robot, RuleModel, Tier
from conversations import turns
from conversations.models import Message, ModelCall, Turn
from tests.bots.llms.provider import (
    DONE,
    LAST_FRAME,
    Answer,
    Exchange,
    Provider,
    delta,
    ended,
    event,
    failing,
    framed,
    head,
    said,
    saying,
    sending,
    then_dribbling,
    then_waiting,
)
from tests.conversations.conftest import Hear
from tests.support.processes import eventually
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)

REFUSING: Final = "http://127.0.0.1:1/v1"  # nothing listens at port 1
OVERLOADED: Final = {"error": {"message": "busy", "type": "overloaded_error"}}
SHOWN: Final = "One two thr"  # what the first model says, and users see, before it fails

KEEP_ALIVES: Final = [framed(b": keep-alive\n\n")] * 500

type Add = Callable[..., Provider]


BEFORE_THE_FIRST_WORD: Final[dict[str, Answer]] = {
    "rate limit": failing("429 Too Many Requests", OVERLOADED),
    "server error": failing("500 Internal Server Error", "oops"),
    "bad gateway": failing("502 Bad Gateway", "<html>"),
    "wrong key": failing("401 Unauthorized", {"error": {"message": "no"}}),
    "never answers": lambda exchange: exchange.wait_for_hang_up(),
    "keeps alive only": then_dribbling(head(), KEEP_ALIVES),
    "thinks and stalls": then_waiting(event(delta(reasoning_content="hm"))),
    "empty answer": sending(ended(), DONE),
    "content filter": sending(ended("content_filter"), DONE),
    "error in the stream": sending(event(OVERLOADED)),
    "hangs up": lambda exchange: exchange.close(),
    "no JSON": sending(b"data: oops\n\n"),
}
IN_THE_MIDDLE: Final[dict[str, Answer]] = {
    "stalls": lambda exchange: exchange.wait_for_hang_up(),
    "keeps alive only": lambda exchange: exchange.dribble(KEEP_ALIVES),
    "content filter": lambda exchange: exchange.send(framed(ended("content_filter")) + LAST_FRAME),
    "error in the stream": lambda exchange: exchange.send(framed(event(OVERLOADED)) + LAST_FRAME),
    "ends too early": lambda exchange: exchange.send(LAST_FRAME),
    "hangs up": lambda exchange: exchange.close(),
}
ENDINGS: Final = {  # what the next model answers → what users read in the end
    "ee four.": "One two three four.",
    "three four.": "One two three four.",
    "two three four.": "One two three four.",
    "One two three four.": "One two three four.",
    "\n\n…two three four.": "One two three four.",
}


@pytest.fixture
def then(cloud: Cloud) -> Callable[[Answer], Answer]:
    """Says the beginning, waits until users see it, and then does the rest."""
    shown = threading.Event()
    cloud.on_call = lambda call: shown.set() if call == "edit" else None

    def then(rest: Answer) -> Answer:
        def answer(exchange: Exchange) -> None:
            exchange.send(head() + framed(said(SHOWN)))
            assert shown.wait(timeout=10)
            rest(exchange)

        return answer

    return then


@pytest.fixture
def add(model: LanguageModel) -> Iterator[Add]:
    """Puts a model that answers so at the end of the route, which has only such models."""
    rule = model.rules.get()
    RuleModel.objects.all().delete()
    with ExitStack() as stack:

        def add(answer: Answer, **fields: object) -> Provider:
            provider = stack.enter_context(Provider(answer))
            place = rule.choices.count()
            deadlines = {"connect_s": 1, "first_token_s": 1, "stall_s": 0.5, "total_s": 5}
            given = {
                "slug": f"m{place}",
                "api": "openai",
                "base_url": provider.url,
                "model": "x",
                **deadlines,
            }
            added = LanguageModel.objects.create(**given | fields)
            RuleModel.objects.create(rule=rule, model=added, position=place)
            return provider

        yield add


@pytest.mark.parametrize("failure", BEFORE_THE_FIRST_WORD)
def test_the_next_model_answers_instead(hear: Hear, cloud: Cloud, add: Add, failure: str) -> None:
    add(BEFORE_THE_FIRST_WORD[failure])
    backup = add(saying("All ", "well."))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["All well."]
    assert backup.exchanges[0].body["messages"][-1] == {"role": "user", "content": "hello"}
    assert Turn.objects.get().state == Turn.State.DONE


def test_a_model_that_cannot_be_reached_is_replaced(hear: Hear, cloud: Cloud, add: Add) -> None:
    add(saying("Never said."), base_url=REFUSING)
    add(saying("All well."))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["All well."]


@pytest.mark.parametrize("failure", IN_THE_MIDDLE)
def test_the_next_model_goes_on_from_what_was_said(
    hear: Hear, cloud: Cloud, add: Add, then: Callable[[Answer], Answer], failure: str
) -> None:
    add(then(IN_THE_MIDDLE[failure]))
    backup = add(saying("ee ", "four."))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["One two three four."]
    assert backup.exchanges[0].body["messages"][-3:] == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": SHOWN},
        {"role": "user", "content": GO_ON},
    ]
    (frames,) = cloud.frames.values()
    assert all(later.text.startswith(earlier.text) for earlier, later in pairwise(frames))
    turn = Turn.objects.get()
    assert (turn.state, turn.reply) == (Turn.State.DONE, "One two three four.")
    assert turn.model is not None
    assert turn.model.slug == "m1"
    assert turn.first_token_at is not None
    assert turn.spoken_at is not None
    assert turn.first_token_at <= turn.spoken_at


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("answer", ENDINGS)
def test_what_the_next_model_repeats_is_not_said_twice(
    hear: Hear, cloud: Cloud, add: Add, then: Callable[[Answer], Answer], answer: str, size: int
) -> None:
    add(then(IN_THE_MIDDLE["hangs up"]))
    add(saying(*(answer[start : start + size] for start in range(0, len(answer), size))))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == [ENDINGS[answer]]


def test_a_third_model_goes_on_from_what_both_said(
    hear: Hear, cloud: Cloud, add: Add, then: Callable[[Answer], Answer]
) -> None:
    add(then(IN_THE_MIDDLE["hangs up"]))
    add(sending(said("ee fo")))
    add(saying("four."))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["One two three four."]


def test_what_nobody_has_seen_is_said_anew_without_a_seam(hear: Hear, cloud: Cloud, add: Add) -> None:
    Robot.objects.update(reply_mode=Robot.ReplyMode.WHOLE)
    add(sending(said("One two thr")))
    backup = add(saying("All well."))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["All well."]
    assert backup.exchanges[0].body["messages"][-1]["content"] == "hello"


def test_words_that_were_said_stay_when_all_models_fail(
    hear: Hear, cloud: Cloud, add: Add, then: Callable[[Answer], Answer]
) -> None:
    add(then(IN_THE_MIDDLE["hangs up"]))
    add(failing("500 Internal Server Error", "oops"))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == [SHOWN, "Sorry."]
    assert Turn.objects.get().error.count("\n") == 1  # a line for each model


def test_a_model_that_asked_for_it_is_left_alone(hear: Hear, cloud: Cloud, add: Add) -> None:
    busy = add(failing("429 Too Many Requests", OVERLOADED, "Retry-After: 60"))
    add(saying("All well."))
    turns.answer(hear("hello").pk)

    turns.answer(hear("again", id_="2").pk)

    assert cloud.shown() == ["All well.", "All well."]
    assert len(busy.exchanges) == 1


def test_a_model_that_rests_is_waited_for_where_there_is_no_other(hear: Hear, cloud: Cloud, add: Add) -> None:
    add(saying("All well."))
    rests_until = timezone.now() + timedelta(seconds=0.5)
    ModelHealth.objects.create(model=LanguageModel.objects.get(slug="m0"), rests_until=rests_until)

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["All well."]
    assert timezone.now() >= rests_until


def test_a_model_that_rests_for_long_is_not_waited_for(hear: Hear, cloud: Cloud, add: Add) -> None:
    silent = add(failing("429 Too Many Requests", OVERLOADED, "Retry-After: 60"))
    turns.answer(hear("hello").pk)

    turns.answer(hear("again", id_="2").pk)

    assert cloud.shown() == ["Sorry.", "Sorry."]
    assert len(silent.exchanges) == 1
    assert "left alone" in Turn.objects.order_by("-id")[0].error


def test_a_model_that_fails_too_often_is_not_asked_for_a_while(hear: Hear, cloud: Cloud, add: Add) -> None:
    down = add(failing("500 Internal Server Error", "oops"))
    add(saying("All well."))

    for number in range(1, health.MIN_FAILURES + 4):
        turns.answer(hear("hello", id_=str(number)).pk)

    assert len(down.exchanges) == health.MIN_FAILURES
    assert set(cloud.shown()) == {"All well."}


@pytest.fixture
def policy(robot: Robot) -> Policy:
    policy = Policy.objects.create(
        slug="default",
        input_mask_pii=True,
        output_block_words=["secret", "密码"],
        output_block_patterns=[r"(?<=code )\d{4}"],
        output_block_reply="Let us talk of something else.",
    )
    Robot.objects.update(policy=policy)
    return policy


@pytest.fixture
def until_shown(cloud: Cloud) -> Callable[[str, str], Answer]:
    """Says something, waits until users see so much of it, and hangs up."""

    def until_shown(text: str, expected: str) -> Answer:
        def answer(exchange: Exchange) -> None:
            exchange.send(head() + framed(said(text)))
            eventually(lambda: cloud.shown() == [expected], within_s=5)
            exchange.close()

        return answer

    return until_shown


def frames(cloud: Cloud) -> list[str]:
    """All that users have ever seen."""
    return [frame.text for message in cloud.frames.values() for frame in message]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_the_next_model_goes_on_with_personal_data_masked(
    hear: Hear, cloud: Cloud, add: Add, policy: Policy, until_shown: Callable[[str, str], Answer], size: int
) -> None:
    add(until_shown("I call [PHONE_1] today, or [PHO", "I call 13800138000 today, or "))
    answer = "[PHONE_1] today, or [PHONE_2] and a@b.com tomorrow."
    backup = add(saying(*(answer[start : start + size] for start in range(0, len(answer), size))))

    turns.answer(hear("Call 13800138000 or 13912345678").pk)

    assert cloud.shown() == ["I call 13800138000 today, or 13912345678 and a@b.com tomorrow."]
    shown_to_model = backup.exchanges[0].body["messages"]
    assert [message["content"] for message in shown_to_model[-3:-1]] == [
        "Call [PHONE_1] or [PHONE_2]",
        "I call [PHONE_1] today, or ",
    ]
    assert not any("138001" in message["content"] for message in shown_to_model)
    assert not any("[" in text for text in frames(cloud))


@pytest.mark.parametrize(
    "first, shown, second",
    [
        ("It is a sec", "It is a ", "It is a secret."),
        ("It is a ses", "It is a se", "cret that I know."),  # the word begins in what users have read
        ("它是密密", "它是密", "码。"),
        ("It is code x", "It is code x", " and code 1234."),
        ("It is code ", "It is code ", "1234."),
        ("One two thr", "One two thr", "three, and the s-e-c-r-e-t."),
    ],
)
def test_nothing_blocked_leaves_at_the_seam_of_two_models(
    hear: Hear,
    cloud: Cloud,
    add: Add,
    policy: Policy,
    until_shown: Callable[[str, str], Answer],
    first: str,
    shown: str,
    second: str,
) -> None:
    add(until_shown(first, shown))
    add(saying(second))

    turns.answer(hear("hello").pk)

    turn = Turn.objects.get()
    assert cloud.shown() == [policy.output_block_reply]
    assert (turn.state, turn.reply) == (Turn.State.BLOCKED, policy.output_block_reply)
    assert {text for text in frames(cloud) if not shown.startswith(text)} <= {policy.output_block_reply}


def test_a_word_across_the_seam_that_is_not_blocked_is_said(
    hear: Hear, cloud: Cloud, add: Add, policy: Policy, until_shown: Callable[[str, str], Answer]
) -> None:
    add(until_shown("He is a mase", "He is a ma"))
    add(saying("masenior, by code."))

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["He is a masenior, by code."]


@pytest.mark.parametrize("mode", Robot.ReplyMode.values)
def test_a_limit_met_in_the_middle_of_an_answer_leaves_what_was_said(
    hear: Hear, cloud: Cloud, add: Add, then: Callable[[Answer], Answer], mode: str
) -> None:
    is_stream = mode == Robot.ReplyMode.STREAM
    tier = Tier.objects.create(slug="free", daily_cost=2, over_reply="Enough for today.")
    Robot.objects.update(default_tier=tier, reply_mode=mode)
    add(then(IN_THE_MIDDLE["hangs up"]) if is_stream else sending(said(SHOWN)))
    never = add(saying("ee four."))
    for model in LanguageModel.objects.filter(slug__in=["m0", "m1"]):
        Price.objects.create(model=model, currency="CNY", output=900_000)

    turns.answer(hear("hello").pk)

    [call] = ModelCall.objects.all()
    turn = Turn.objects.get()
    assert call.cost > 2
    assert never.exchanges == []
    assert cloud.shown() == [f"{SHOWN}…\n\nEnough for today." if is_stream else "Enough for today."]
    assert all(frame.is_finished for frame in cloud.last_frames())
    assert (turn.state, cloud.recalled) == (Turn.State.BLOCKED, set())
    assert Message.objects.get(sender=Message.Sender.ROBOT).state == Message.State.DELIVERED

"""Turns under a policy that asks a moderator: a model, or a hook on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any, Final

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from bots.llms.scripted import Scripted
from bots.models import LanguageModel, Policy, Price, Robot, Tier
from conversations import turns
from conversations.models import ModelCall, Turn
from conversations.screening import Screening
from tests.bots.llms.provider import Answer, Exchange, Provider, failing
from tests.conversations.conftest import Hear
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)

SECRET: Final = "a hook's secret"
NOT_HERE, SOMETHING_ELSE = "Not here.", "Let us talk of something else."
REFUSING: Final = "http://127.0.0.1:1"  # nothing listens at port 1

type Hooked = Callable[..., Provider]
type Moderated = Callable[..., LanguageModel]


@pytest.fixture(autouse=True)
def _start() -> Iterator[None]:
    Scripted.requests.clear()
    yield
    Scripted.requests.clear()


@pytest.fixture
def policy(robot: Robot) -> Policy:
    policy = Policy.objects.create(
        slug="default", input_block_reply=NOT_HERE, output_block_reply=SOMETHING_ELSE
    )
    Robot.objects.update(policy=policy)
    return policy


@pytest.fixture
def hooked(policy: Policy) -> Iterator[Hooked]:
    """A hook that answers so moderates this side of the policy."""
    with ExitStack() as stack:

        def hooked(side: str, answer: Answer, **terms: Any) -> Provider:
            provider = stack.enter_context(Provider(answer))
            change(policy, side, {"url": provider.url, "secret": SECRET, "timeout_s": 0.5} | terms)
            return provider

        yield hooked


@pytest.fixture
def moderated(policy: Policy) -> Moderated:
    """A model that says this moderates this side of the policy."""

    def moderated(side: str, reply: str, **terms: Any) -> LanguageModel:
        guard = LanguageModel.objects.create(
            slug="guard", api="scripted", model="guard", params={"reply": reply}
        )
        change(policy, side, {"model": guard} | terms)
        return guard

    return moderated


def change(policy: Policy, side: str, terms: dict[str, Any]) -> None:
    for name, value in terms.items():
        setattr(policy, f"{side}_moderation_{name}", value)
    policy.save()


def judging(blocked: str) -> Answer:
    """A hook that blocks texts with that word."""

    def answer(exchange: Exchange) -> None:
        failing("200 OK", {"allow": blocked not in exchange.body["text"], "reason": "rude"})(exchange)

    return answer


def script(model: LanguageModel, **params: object) -> None:
    model.params = params
    model.save()


def questions(hook: Provider) -> list[str]:
    return [exchange.body["text"] for exchange in hook.exchanges]


def found() -> list[tuple[str, str, str, str]]:
    return [
        (each["side"], each["deed"], each["source"], each["rule"])
        for each in Turn.objects.get().screening or []
    ]


def test_a_hook_blocks_a_question_before_any_model_sees_it(hear: Hear, cloud: Cloud, hooked: Hooked) -> None:
    hook = hooked("input", judging("idiot"))

    turns.answer(hear("Hello", "you idiot").pk)

    turn = Turn.objects.get()
    assert cloud.shown() == [NOT_HERE]
    assert (turn.state, turn.error) == (Turn.State.BLOCKED, "input blocked: moderation of hook: rude")
    assert not Scripted.requests
    [exchange] = hook.exchanges
    assert exchange.body == {
        "text": "Hello\nyou idiot", "direction": "input", "robot": "ada", "user": "alice"
    }  # fmt: skip


def test_a_hook_lets_a_question_through(hear: Hear, cloud: Cloud, hooked: Hooked) -> None:
    hooked("input", judging("idiot"))

    turns.answer(hear("Hello").pk)

    assert cloud.shown() == ["You said: Hello"]
    assert Turn.objects.get().screening is None


def test_words_that_are_blocked_anyway_are_not_asked_about(
    hear: Hear, hooked: Hooked, policy: Policy
) -> None:
    policy.input_block_words = ["赌博"]
    hook = hooked("input", judging("idiot"))

    turns.answer(hear("赌博").pk)

    assert Turn.objects.get().state == Turn.State.BLOCKED
    assert hook.exchanges == []


def test_a_moderator_sees_no_personal_data_that_models_may_not_see(
    hear: Hear, cloud: Cloud, hooked: Hooked, policy: Policy
) -> None:
    policy.input_mask_pii = True
    hook = hooked("input", judging("idiot"))
    asked = hooked("output", judging("idiot"))

    turns.answer(hear("Call 13800138000").pk)

    assert questions(hook) == ["Call [PHONE_1]"]
    assert questions(asked) == ["You said: Call [PHONE_1]"]
    assert cloud.shown() == ["You said: Call 13800138000"]


def test_nothing_of_an_answer_leaves_before_its_verdict(
    hear: Hear, cloud: Cloud, hooked: Hooked, model: LanguageModel
) -> None:
    seen: list[tuple[str, str]] = []

    def answer(exchange: Exchange) -> None:
        frames = [frame.text for frames in cloud.frames.values() for frame in frames]
        seen.append((exchange.body["text"], max(frames, key=len, default="")))
        judging("idiot")(exchange)

    hooked("output", answer, piece_chars=20)
    script(model, reply="It is a sentence. " * 10, chunk_chars=7, delay_ms=15)

    turns.answer(hear("Hello").pk)

    *pieces, (whole, _) = seen
    assert len(pieces) > 3
    for number, (_, shown) in enumerate(pieces):
        assert "".join(text for text, _ in pieces[:number]).startswith(shown)
    assert whole == "It is a sentence. " * 10
    assert [text.strip() for text in cloud.shown()] == [whole.strip()]


@pytest.mark.parametrize("mode", ["stream", "whole"])
def test_an_answer_that_a_hook_blocks_is_taken_back(
    hear: Hear, cloud: Cloud, hooked: Hooked, model: LanguageModel, mode: str
) -> None:
    Robot.objects.update(reply_mode=mode)
    hooked("output", judging("idiot"), piece_chars=20)
    script(model, reply="It is a sentence. " * 5 + "You idiot. More.", chunk_chars=5, delay_ms=15)

    turns.answer(hear("Hello").pk)

    turn = Turn.objects.get()
    assert cloud.shown() == [SOMETHING_ELSE]
    assert (turn.state, turn.reply) == (Turn.State.BLOCKED, SOMETHING_ELSE)
    assert found() == [("output", "blocked", "hook", "rude")]
    assert not any("idiot" in frame.text for frames in cloud.frames.values() for frame in frames)


BROKEN: Final[dict[str, tuple[Answer, str]]] = {
    "slow": (lambda exchange: exchange.wait_for_hang_up(), "no answer within 0.5 s"),
    "an error": (failing("500 Internal Server Error", "oops"), "HTTP 500"),
    "nonsense": (failing("200 OK", {"allow": "maybe"}), 'the answer has no "allow" that is true or false'),
}


@pytest.mark.parametrize("side", ["input", "output"])
@pytest.mark.parametrize("case", BROKEN)
def test_without_a_verdict_a_text_passes_and_the_turn_says_so(
    hear: Hear, cloud: Cloud, hooked: Hooked, side: str, case: str
) -> None:
    answer, reason = BROKEN[case]
    hooked(side, answer)

    turns.answer(hear("Hello").pk)

    assert cloud.shown() == ["You said: Hello"]
    assert Turn.objects.get().state == Turn.State.DONE
    assert found() == [(side, "unmoderated", "hook", reason)]


@pytest.mark.parametrize("side, said", [("input", NOT_HERE), ("output", SOMETHING_ELSE)])
def test_without_a_verdict_a_text_is_blocked_if_the_policy_says_so(
    hear: Hear, cloud: Cloud, hooked: Hooked, side: str, said: str
) -> None:
    hooked(side, failing("500 Internal Server Error", "oops"), on_failure="block")

    turns.answer(hear("Hello").pk)

    assert cloud.shown() == [said]
    assert found() == [(side, "blocked", "hook", "no verdict: HTTP 500")]


def test_a_private_hook_is_not_asked(hear: Hear, cloud: Cloud, hooked: Hooked, settings: Settings) -> None:
    settings.PRIVATE_NETWORKS = []
    hook = hooked("input", judging("Hello"))

    turns.answer(hear("Hello").pk)

    assert hook.exchanges == []
    assert "private network" in found()[0][3]


def test_a_model_that_moderates_is_paid_for(hear: Hear, cloud: Cloud, moderated: Moderated) -> None:
    guard = moderated("input", '{"allow": false, "reason": "violence"}')
    Price.objects.create(model=guard, currency="CNY", input=1000, output=1000)

    turns.answer(hear("Hello").pk)

    turn, call = Turn.objects.get(), ModelCall.objects.get()
    assert cloud.shown() == [NOT_HERE]
    assert turn.error == "input blocked: moderation of guard: violence"
    assert (call.model, call.outcome) == (guard, ModelCall.Outcome.ANSWERED)
    assert call.purpose == ModelCall.Purpose.MODERATION
    assert turn.cost == call.cost > Decimal(0)
    [asked] = Scripted.requests
    assert json.loads(asked.prompt.messages[-1].content) == {"direction": "input", "text": "Hello"}
    assert asked.endpoint.timeouts.total_s == 3


def test_a_model_moderates_the_answer_too(
    hear: Hear, cloud: Cloud, moderated: Moderated, model: LanguageModel
) -> None:
    moderated("output", '{"allow": false, "reason": "violence"}')

    turns.answer(hear("Hello").pk)

    assert cloud.shown() == [SOMETHING_ELSE]
    assert found() == [("output", "blocked", "guard", "violence")]
    outcomes = ModelCall.objects.order_by("id").values_list("model__slug", "outcome")
    assert list(outcomes) == [("script", "cut"), ("guard", "answered")]


def test_a_moderator_that_fails_is_not_the_answering_model_failing(
    hear: Hear, cloud: Cloud, moderated: Moderated
) -> None:
    guard = moderated("output", "")
    script(guard, fail="busy")

    turns.answer(hear("Hello").pk)

    assert cloud.shown() == ["You said: Hello"]
    [(side, deed, source, reason)] = found()
    assert (side, deed, source) == ("output", "unmoderated", "guard")
    assert "overloaded" in reason


def test_a_disabled_model_gives_no_verdict(hear: Hear, cloud: Cloud, moderated: Moderated) -> None:
    moderated("input", '{"allow": true}', on_failure="block")
    LanguageModel.objects.filter(slug="guard").update(enabled=False)

    turns.answer(hear("Hello").pk)

    assert found() == [("input", "blocked", "guard", "no verdict: the model is disabled")]
    assert not Scripted.requests


def test_who_has_nothing_left_is_not_moderated_for_money(
    hear: Hear, cloud: Cloud, moderated: Moderated
) -> None:
    moderated("input", '{"allow": true}')
    Robot.objects.update(default_tier=Tier.objects.create(slug="none", daily_tokens=0, over_reply="Enough."))

    turns.answer(hear("Hello").pk)

    assert cloud.shown() == ["Enough."]
    assert not Scripted.requests


def test_policies_without_moderation_cost_no_query(
    hear: Hear, policy: Policy, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    turn = turns.take(hear("Hello").pk)
    assert turn is not None

    with django_assert_num_queries(1):  # for the question, as words and patterns need it
        screening = Screening(turn)
        screening.check_question()
        assert list(screening.through(["Hello"])) == ["Hello"]

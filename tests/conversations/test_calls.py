"""What a turn's calls to models took is stored and counted, however they ended."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from bots import errors
from bots.draining import WorkerStopping
from bots.llms import client_for
from bots.llms.base import ChatMessage, Prompt, ReplyStream, Usage
from bots.models import LanguageModel, Price, Robot
from conversations import calls, tasks
from conversations.errors import Superseded
from conversations.models import ModelCall, Turn
from tests.support.factories import make_conversation, make_turn

pytestmark = pytest.mark.django_db
Outcome = ModelCall.Outcome
PROMPT = Prompt(messages=(ChatMessage(role="user", content="How are you today?"),))  # 5 tokens


class Killed(BaseException):
    """The worker is gone: nothing of it runs any more."""


@pytest.fixture
def turn(robot: Robot) -> Turn:
    return make_turn(make_conversation(robot), Turn.State.THINKING, attempt=1)


@pytest.fixture
def model(model: LanguageModel) -> LanguageModel:
    """It says 40 characters, 10 tokens."""
    model.params = {"reply": "words " * 6 + "last", "chunk_chars": 8}
    model.save()
    Price.objects.create(model=model, currency="CNY", input=2, output=8)
    return model


def ask(turn: Turn, model: LanguageModel, *, pieces: int = 5, then: BaseException | None = None) -> ModelCall:
    """Ask the model, take so many pieces of its answer, and meet that error."""
    stream: ReplyStream = client_for(model.api).stream(model.endpoint, PROMPT)
    with suppress(Exception), calls.recorded(turn, model, stream):
        for _ in range(pieces):
            next(stream)
        if then:
            raise then
    stream.close()
    return ModelCall.objects.latest("id")


def used(it: Turn | ModelCall) -> tuple[int, int, Decimal]:
    it.refresh_from_db()
    return it.input_tokens, it.output_tokens, it.cost


def test_an_answer_is_counted_with_its_turn(turn: Turn, model: LanguageModel) -> None:
    call = ask(turn, model)
    assert (call.outcome, call.attempt, call.model, call.error) == (Outcome.ANSWERED, 1, model, "")
    assert used(call) == used(turn) == (5, 10, Decimal("0.00009"))
    assert call.currency == turn.currency == "CNY"
    assert turn.tokens_are_estimated
    assert call.started_at <= call.first_token_at <= call.ended_at  # type: ignore[operator]


def test_a_call_is_stored_with_what_it_reserved_before_the_model_answers(
    turn: Turn, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    stored = ModelCall.objects.values_list("outcome", "reserved_input_tokens")
    monkeypatch.setattr(calls, "put_on_disk", lambda: seen.extend(stored))

    ask(turn, model, pieces=1)

    assert seen == [(Outcome.RUNNING, 5)]


def test_a_turn_costs_what_all_its_calls_cost(turn: Turn, model: LanguageModel) -> None:
    ask(turn, model)
    ask(turn, model, pieces=2)
    assert used(turn) == (10, 14, Decimal("0.000132"))


def test_costs_in_another_currency_stay_with_their_call(turn: Turn, model: LanguageModel) -> None:
    ask(turn, model)
    Price.objects.create(model=model, currency="USD", input=2, output=8)
    assert used(ask(turn, model)) == (5, 10, Decimal("0.00009"))
    assert used(turn) == (10, 20, Decimal("0.00009"))
    assert turn.currency == "CNY"


@pytest.mark.parametrize("failure", ["busy", "refused", "unreachable"])
def test_a_call_that_was_turned_away_costs_nothing(turn: Turn, model: LanguageModel, failure: str) -> None:
    model.params = {"fail": failure}
    call = ask(turn, model)
    assert call.outcome == Outcome.FAILED
    assert call.error.startswith("script scripted: ")
    assert used(call) == used(turn) == (0, 0, Decimal(0))


def test_a_call_that_was_too_slow_costs_its_prompt(turn: Turn, model: LanguageModel) -> None:
    model.params = {"fail": "too_slow"}
    assert used(ask(turn, model)) == used(turn) == (5, 0, Decimal("0.00001"))


def test_a_call_that_broke_costs_what_came(turn: Turn, model: LanguageModel) -> None:
    model.params |= {"fail": "unreachable", "fail_after_chars": 16}
    call = ask(turn, model)
    assert call.outcome == Outcome.FAILED
    assert used(call) == used(turn) == (5, 4, Decimal("0.000042"))


def test_a_call_costs_what_the_provider_says_though_nothing_came(
    turn: Turn, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.params = {"fail": "refused"}
    monkeypatch.setattr(ReplyStream, "_reported_usage", lambda self: Usage(input=7))
    assert used(ask(turn, model)) == (7, 0, Decimal("0.000014"))


@pytest.mark.parametrize("reason", [Superseded(), WorkerStopping(), errors.ModelCancelled()], ids=repr)
def test_a_call_that_we_cut_off_costs_what_came(turn: Turn, model: LanguageModel, reason: Exception) -> None:
    call = ask(turn, model, pieces=2, then=reason)
    assert (call.outcome, call.error) == (Outcome.CUT, str(reason) or type(reason).__name__)
    assert used(call) == used(turn) == (5, 4, Decimal("0.000042"))


@pytest.fixture
def lost(turn: Turn, model: LanguageModel) -> ModelCall:
    """A call whose worker was killed."""
    with suppress(Killed):
        ask(turn, model, then=Killed())
    return ModelCall.objects.get()


def test_the_next_attempt_closes_a_call_that_its_worker_left(lost: ModelCall) -> None:
    assert lost.outcome == Outcome.RUNNING
    lost.turn.attempt = 2
    calls.close_lost(calls.of_earlier_attempts(lost.turn))
    lost.refresh_from_db()
    assert (lost.outcome, lost.error) == (Outcome.LOST, calls.LOST)
    assert lost.ended_at


def test_a_worker_that_only_seemed_dead_still_settles(lost: ModelCall, model: LanguageModel) -> None:
    late = ModelCall.objects.get()
    calls.close_lost(ModelCall.objects.all())
    late.outcome = Outcome.CUT
    calls.close(late, Usage(input=5, output=10))
    assert used(lost) == used(lost.turn) == (5, 10, Decimal("0.00009"))
    assert lost.outcome == Outcome.CUT


def test_what_is_settled_stays(turn: Turn, model: LanguageModel) -> None:
    call = ask(turn, model)
    call.outcome = Outcome.LOST
    calls.close(call, Usage())
    assert used(call) == used(turn) == (5, 10, Decimal("0.00009"))
    assert call.outcome == Outcome.ANSWERED


@pytest.mark.parametrize(
    "changes, outcome",
    [
        ({}, Outcome.RUNNING),
        ({"attempt": 2}, Outcome.LOST),
        ({"state": Turn.State.STOPPED}, Outcome.LOST),
    ],
)
def test_calls_that_outlive_their_turn_are_closed(
    lost: ModelCall, changes: dict[str, object], outcome: str
) -> None:
    Turn.objects.update(**changes)
    tasks.rescue_turns(timestamp=0)
    assert calls.running().exists()  # it may be about to be settled
    ModelCall.objects.update(started_at=timezone.now() - 2 * calls.ABANDONED_AFTER)
    tasks.rescue_turns(timestamp=0)
    assert ModelCall.objects.get().outcome == outcome


def test_the_time_to_the_first_token_is_the_calls(turn: Turn, model: LanguageModel) -> None:
    model.params |= {"first_token_ms": 20}
    call = ask(turn, model)
    assert call.first_token_at
    assert call.first_token_at - call.started_at >= timedelta(milliseconds=20)

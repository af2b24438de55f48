from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from bots import health
from bots.errors import (
    ModelBusy,
    ModelCancelled,
    ModelDenied,
    ModelError,
    ModelRefused,
    ModelSilent,
    ModelTooSlow,
    ModelUnreachable,
)
from bots.models import LanguageModel, ModelHealth
from tests.support.factories import make_model

pytestmark = pytest.mark.django_db


def busy(retry_after: float | None) -> ModelBusy:
    return ModelBusy("HTTP 429", party="fast", code="429", retry_after=retry_after)


@pytest.fixture
def fast() -> LanguageModel:
    return make_model("fast")


def read(model: LanguageModel) -> LanguageModel:
    """The model as another worker reads it."""
    return LanguageModel.objects.select_related("health").get(pk=model.pk)


def test_a_model_rests_as_long_as_it_asked_for(fast: LanguageModel) -> None:
    health.note_failure(fast, busy(15))
    assert health.admit(read(fast)) == pytest.approx(15, abs=2)


def test_a_model_that_rests_longer_than_a_user_waits_is_not_waited_for(fast: LanguageModel) -> None:
    health.note_failure(fast, busy(600))
    with pytest.raises(ModelBusy, match=r"fast resting: left alone for \d+ s more: fast 429: HTTP 429"):
        health.admit(read(fast))


def test_the_last_word_counts(fast: LanguageModel) -> None:
    health.note_failure(fast, busy(600))
    health.note_failure(fast, busy(2))
    assert health.admit(read(fast)) <= 2


def test_no_model_rests_for_ever(fast: LanguageModel) -> None:
    health.note_failure(fast, busy(1e9))
    until = ModelHealth.objects.get().rests_until
    assert until is not None
    assert until <= timezone.now() + timedelta(seconds=health.LONGEST_REST_S)


@pytest.mark.parametrize("error", [busy(None), busy(0), ModelUnreachable("no answer")])
def test_a_model_that_did_not_ask_for_it_does_not_rest(fast: LanguageModel, error: ModelBusy) -> None:
    health.note_failure(fast, error)
    assert health.admit(read(fast)) == 0


def test_models_that_rest_come_last_and_the_soonest_of_them_first(fast: LanguageModel) -> None:
    slow, other = make_model("slow"), make_model("other")
    health.note_failure(fast, busy(100))
    health.note_failure(slow, busy(10))
    models = [read(model) for model in (fast, slow, other)]
    assert [model.slug for model in health.soonest_first(models)] == ["other", "slow", "fast"]


DOWN = ModelUnreachable("no answer", party="fast")


def call(model: LanguageModel, error: ModelError | None = None) -> None:
    """A worker asks, if it may."""
    known = read(model)
    health.admit(known)
    with suppress(ModelError), health.watched(known):
        if error:
            raise error


def call_often(model: LanguageModel, error: ModelError, times: int = health.MIN_FAILURES) -> None:
    for _ in range(times):
        call(model, error)


def let_pass(seconds: float) -> None:
    """Everything was so much earlier."""
    ago = timedelta(seconds=seconds)
    ModelHealth.objects.update(
        rests_until=F("rests_until") - ago,
        trial_until=F("trial_until") - ago,
        counted_since=F("counted_since") - ago,
    )


def let_break_pass() -> None:
    let_pass(health.BREAK.total_seconds())


def is_asked(model: LanguageModel) -> bool:
    try:
        health.admit(read(model))
    except ModelBusy:
        return False
    return True


@pytest.mark.parametrize(
    "error",
    [DOWN, ModelBusy("429"), ModelTooSlow("late"), ModelSilent("empty"), ModelDenied("no such key")],
    ids=lambda error: type(error).__name__,
)
def test_a_model_that_fails_too_often_is_asked_no_more(fast: LanguageModel, error: ModelError) -> None:
    call_often(fast, error, health.MIN_FAILURES - 1)
    assert is_asked(fast)
    call(fast, error)
    assert not is_asked(fast)


@pytest.mark.parametrize("error", [ModelRefused("content filter"), ModelCancelled("stopped")])
def test_what_is_not_the_models_fault_does_not_break_it(fast: LanguageModel, error: ModelError) -> None:
    call_often(fast, error, 20)
    assert is_asked(fast)


def test_failures_among_many_good_calls_do_not_break_it(fast: LanguageModel) -> None:
    call(fast, DOWN)
    for _ in range(8):
        call(fast)
    call_often(fast, DOWN, 6)
    assert is_asked(fast)  # 7 of 15
    call(fast, DOWN)
    assert not is_asked(fast)


def test_failures_long_ago_do_not_count(fast: LanguageModel) -> None:
    call_often(fast, DOWN, health.MIN_FAILURES - 1)
    let_pass(health.WINDOW.total_seconds() + 1)
    call(fast, DOWN)
    assert is_asked(fast)


def test_one_worker_at_a_time_tries_a_broken_model(fast: LanguageModel) -> None:
    call_often(fast, DOWN)
    let_break_pass()
    assert is_asked(fast)
    assert not is_asked(fast)


def test_a_trial_whose_worker_died_is_repeated(fast: LanguageModel) -> None:
    call_often(fast, DOWN)
    let_break_pass()
    health.admit(read(fast))
    let_pass(fast.first_token_s + 1)
    assert is_asked(fast)


def test_a_model_that_answers_on_trial_is_well(fast: LanguageModel) -> None:
    call_often(fast, DOWN)
    let_break_pass()
    call(fast)
    assert not ModelHealth.objects.exists()


def test_a_model_that_fails_on_trial_stays_broken(fast: LanguageModel) -> None:
    call_often(fast, DOWN)
    let_pass(1000)
    call(fast, DOWN)
    assert not is_asked(fast)
    let_break_pass()
    assert is_asked(fast)


def test_a_call_from_before_it_broke_makes_it_no_better(fast: LanguageModel) -> None:
    before = read(fast)
    call_often(fast, DOWN)
    health.note_success(before)
    assert not is_asked(fast)


def test_the_reason_is_told(fast: LanguageModel) -> None:
    call_often(fast, DOWN)
    with pytest.raises(ModelBusy, match="fast broken: failed too often: fast: no answer"):
        health.admit(read(fast))


def test_a_reset_model_is_asked_at_once(fast: LanguageModel) -> None:
    call_often(fast, DOWN)
    assert health.reset(LanguageModel.objects.all()) == 1
    assert is_asked(fast)


def test_what_goes_well_takes_one_query(
    fast: LanguageModel, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    known = read(fast)
    with django_assert_num_queries(1), health.watched(known):
        health.admit(known)

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bots import health
from bots.errors import ModelBusy, ModelUnreachable
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
    assert health.seconds_to_wait(read(fast)) == pytest.approx(15, abs=2)


def test_a_model_that_rests_longer_than_a_user_waits_is_not_waited_for(fast: LanguageModel) -> None:
    health.note_failure(fast, busy(600))
    with pytest.raises(ModelBusy, match=r"fast resting: left alone for \d+ s more: fast 429: HTTP 429"):
        health.seconds_to_wait(read(fast))


def test_the_last_word_counts(fast: LanguageModel) -> None:
    health.note_failure(fast, busy(600))
    health.note_failure(fast, busy(2))
    assert health.seconds_to_wait(read(fast)) <= 2


def test_no_model_rests_for_ever(fast: LanguageModel) -> None:
    health.note_failure(fast, busy(1e9))
    until = ModelHealth.objects.get().rests_until
    assert until is not None
    assert until <= timezone.now() + timedelta(seconds=health.LONGEST_REST_S)


@pytest.mark.parametrize("error", [busy(None), busy(0), ModelUnreachable("no answer")])
def test_a_model_that_did_not_ask_for_it_does_not_rest(fast: LanguageModel, error: ModelBusy) -> None:
    health.note_failure(fast, error)
    assert health.seconds_to_wait(read(fast)) == 0


def test_models_that_rest_come_last_and_the_soonest_of_them_first(fast: LanguageModel) -> None:
    slow, other = make_model("slow"), make_model("other")
    health.note_failure(fast, busy(100))
    health.note_failure(slow, busy(10))
    models = [read(model) for model in (fast, slow, other)]
    assert [model.slug for model in health.soonest_first(models)] == ["other", "slow", "fast"]

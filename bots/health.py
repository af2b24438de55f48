"""What all workers know of a model by what each of them met: when it may be asked again.

    well ──asks for it (Retry-After)──▶ resting ──time passes──▶ well
    well ──fails too often──▶ broken ──time passes──▶ on trial ──answers──▶ well
                                └────────fails────────┘

The state of models is read when they are about to be asked; a call that went well is counted only where
others have failed lately.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from bots.database import read
from bots.errors import ModelBusy, ModelCancelled, ModelDenied, ModelError, ModelRefused
from bots.models import LanguageModel, ModelHealth

log = structlog.get_logger(__name__)

LONGEST_REST_S: Final = 3600.0  # however long a provider asks for, we look again by then
WINDOW: Final = timedelta(minutes=1)  # from the first failure: calls are counted for so long
MIN_FAILURES: Final = 5  # fewer within the window may be chance
FAILURE_RATE: Final = 0.5  # of the calls within the window
BREAK: Final = timedelta(seconds=30)  # a broken model is tried again after this


def as_now(models: Iterable[LanguageModel]) -> list[LanguageModel]:
    """The same models with what is known of each at this moment: one query.  They are copies, for the models
    themselves may be everybody's (`bots.known`)."""
    copies = [copy(model) for model in models]
    known = "SELECT * FROM bots_modelhealth WHERE model_id = ANY(%s)"
    found = {health.pk: health for health in read(ModelHealth, known, [[model.pk for model in copies]])}
    relation = LanguageModel._meta.get_field("health")
    for model in copies:
        relation.set_cached_value(model, found.get(model.pk))
    return copies


def soonest_first(models: Iterable[LanguageModel]) -> list[LanguageModel]:
    """The models in their order, but those that want to be left alone after all others."""
    return sorted(models, key=rest_s)


def admit(model: LanguageModel) -> float:
    """Seconds to wait before the model is asked.  Raises ModelBusy where it is not to be asked now."""
    seconds = rest_s(model)
    if is_broken(model):
        if seconds or not claim_trial(model):
            raise ModelBusy(f"failed too often: {model.health.reason}", party=model.slug, code="broken")
    elif seconds > model.first_token_s:
        detail = f"left alone for {seconds:.0f} s more: {model.health.reason}"
        raise ModelBusy(detail, party=model.slug, code="resting")
    return seconds


@contextmanager
def watched(model: LanguageModel) -> Iterator[None]:
    """Inside, the model is asked; all workers hear what came of it."""
    try:
        yield
    except ModelCancelled:
        raise
    except ModelError as error:
        if is_about_the_question(error):
            note_success(model)
        else:
            note_failure(model, error)
        raise
    else:
        note_success(model)


def reset(models: QuerySet[LanguageModel]) -> int:
    """Ask these models again at once.  → how many had something to forget."""
    count, _ = ModelHealth.objects.filter(model__in=models).delete()
    return count


def rest_s(model: LanguageModel) -> float:
    """Seconds for which nobody asks the model, as known when it was read."""
    health = health_of(model)
    until = health.rests_until if health else None
    return max(0.0, (until - timezone.now()).total_seconds()) if until else 0.0


def is_broken(model: LanguageModel) -> bool:
    health = health_of(model)
    return health is not None and health.is_broken


def health_of(model: LanguageModel) -> ModelHealth | None:
    return getattr(model, "health", None)


def claim_trial(model: LanguageModel) -> bool:
    """Whether this worker is the one to try a broken model.  A trial whose worker died is over when the
    model should have begun to speak."""
    now = timezone.now()
    untried = Q(trial_until=None) | Q(trial_until__lt=now)
    trial = ModelHealth.objects.filter(untried, model=model, is_broken=True, rests_until__lte=now)
    return bool(trial.update(trial_until=now + timedelta(seconds=model.first_token_s)))


def is_about_the_question(error: ModelError) -> bool:
    """Whether the model did its work, and refused to answer this."""
    return isinstance(error, ModelRefused) and not isinstance(error, ModelDenied)


def note_success(model: LanguageModel) -> None:
    """A model that answers on trial is well again."""
    rows = ModelHealth.objects.filter(model=model)
    if is_broken(model):
        rows.delete()
        log.info("model works again", model=model.slug)
    else:
        rows.filter(counted_since__gt=timezone.now() - WINDOW).update(calls=F("calls") + 1)


def note_failure(model: LanguageModel, error: ModelError) -> None:
    """A model that fails too often, or on trial, is broken; one that asks for it rests."""
    with transaction.atomic():
        # By its id: to give the model itself would change what it is known to be.
        ModelHealth.objects.bulk_create([ModelHealth(model_id=model.pk)], ignore_conflicts=True)
        health = ModelHealth.objects.select_for_update().get(model=model)
        if isinstance(error, ModelBusy) and error.retry_after:
            rest(health, timedelta(seconds=min(error.retry_after, LONGEST_REST_S)), str(error))
        else:
            count_failure(health)
            if is_broken(model) or fails_too_often(health):
                if not health.is_broken:
                    log.warning("model is broken", model=model.slug, error=str(error))
                health.is_broken = True
                rest(health, BREAK, str(error))
        health.trial_until = None
        health.save()


def rest(health: ModelHealth, span: timedelta, reason: str) -> None:
    health.rests_until, health.reason = timezone.now() + span, reason


def count_failure(health: ModelHealth) -> None:
    now = timezone.now()
    if health.counted_since is None or health.counted_since < now - WINDOW:
        health.counted_since, health.calls, health.failures = now, 0, 0
    health.calls += 1
    health.failures += 1


def fails_too_often(health: ModelHealth) -> bool:
    return health.failures >= MIN_FAILURES and health.failures >= FAILURE_RATE * health.calls

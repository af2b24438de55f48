"""What all workers know of a model by what each of them met: until when it wants to be left alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from django.core.exceptions import ObjectDoesNotExist
from django.utils import timezone

from bots.errors import ModelBusy, ModelError
from bots.models import LanguageModel, ModelHealth

LONGEST_REST_S: Final = 3600.0  # however long a provider asks for, we look again by then


def soonest_first(models: Iterable[LanguageModel]) -> list[LanguageModel]:
    """The models in their order, but those that want to be left alone after all others."""
    return sorted(models, key=rest_s)


def seconds_to_wait(model: LanguageModel) -> float:
    """How long to wait before the model may be asked.  Raises ModelBusy where that is not worth it."""
    seconds = rest_s(model)
    if seconds > model.first_token_s:
        raise ModelBusy(
            f"left alone for {seconds:.0f} s more: {model.health.reason}", party=model.slug, code="resting"
        )
    return seconds


def rest_s(model: LanguageModel) -> float:
    """Seconds for which the model wants to be left alone, as known when it was read."""
    try:
        until = model.health.rests_until
    except ObjectDoesNotExist:
        return 0.0
    return max(0.0, (until - timezone.now()).total_seconds()) if until else 0.0


def note_failure(model: LanguageModel, error: ModelError) -> None:
    """Let all workers know of what a call came to."""
    if isinstance(error, ModelBusy) and error.retry_after:
        let_rest(model, seconds=error.retry_after, reason=str(error))


def let_rest(model: LanguageModel, *, seconds: float, reason: str) -> None:
    """Nobody asks the model for so long."""
    until = timezone.now() + timedelta(seconds=min(seconds, LONGEST_REST_S))
    ModelHealth.objects.bulk_create(
        [ModelHealth(model=model, rests_until=until, reason=reason)],
        update_conflicts=True,
        unique_fields=["model"],
        update_fields=["rests_until", "reason"],
    )

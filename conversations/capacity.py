"""How many calls a model takes at once, over all workers together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from django.db import transaction

from bots.errors import ModelBusy
from bots.models import LanguageModel
from conversations.delivering import note, pause
from conversations.models import ModelCall, Turn

CHECK_S: Final = 0.5  # how often a turn that waits for its place looks again


def claim(turn: Turn, model: LanguageModel, *, patience_s: float, also: Mapping[str, object]) -> None:
    """Give the turn one of the model's places, waiting for it at most so long; with it the turn changes in
    what is given `also`.

    A place is free again when its turn ends or moves on to another model.  Raises ModelBusy.
    """
    give_up_at = time.monotonic() + patience_s
    while not _take_place(turn, model, also):
        if time.monotonic() >= give_up_at:
            raise ModelBusy(
                f"all {model.max_concurrency} places are taken", party=model.slug, code="max_concurrency"
            )
        pause(CHECK_S)


def _take_place(turn: Turn, model: LanguageModel, also: Mapping[str, object]) -> bool:
    if model.max_concurrency is None:
        note(turn, model_id=model.pk, **also)
        turn.model = model
        return True
    with transaction.atomic():
        # Workers that want a place of this model count one after another.
        LanguageModel.objects.select_for_update(no_key=True).only("pk").get(pk=model.pk)
        turns = Turn.objects.filter(model=model, state__in=Turn.RUNNING).exclude(pk=turn.pk)
        is_free = turns.count() + side_calls_of(model) < model.max_concurrency
        if is_free:
            note(turn, model_id=model.pk, **also)
            turn.model = model
        return is_free


def check_spare(model: LanguageModel) -> None:
    """Raises ModelBusy unless the model has a place to spare for what nobody waits for."""
    if model.max_concurrency is None:
        return
    turns = Turn.objects.filter(model=model, state__in=Turn.RUNNING)
    if turns.count() + side_calls_of(model) >= model.max_concurrency:
        raise ModelBusy("no place to spare", party=model.slug, code="max_concurrency")


def side_calls_of(model: LanguageModel) -> int:
    """How many it has under way that are no answers."""
    calls = ModelCall.objects.filter(model=model, outcome=ModelCall.Outcome.RUNNING)
    return calls.exclude(purpose=ModelCall.Purpose.ANSWER).count()

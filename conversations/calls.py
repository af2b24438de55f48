"""The calls a turn makes to models: each stored before it is made, and settled however it ends.

A turn's tokens and cost are those of all its calls.  Each settling adds the difference to what was
counted for that call before, so it may come twice, even from a worker that was given up for dead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import structlog
from django.db import connection, models
from django.utils import timezone

from bots.errors import ModelBusy, ModelCancelled, ModelError, ModelRefused, ModelUnreachable
from bots.llms.base import ReplyStream, Usage
from bots.models import LanguageModel
from conversations.models import ModelCall, Turn

log = structlog.get_logger(__name__)

ABANDONED_AFTER: Final = timedelta(minutes=1)  # a call that outlives its turn has been cut off long before
LOST: Final = "the worker was lost; what this took is not known"

# Providers do not charge for what they turned away.
UNCHARGED: Final = (ModelBusy, ModelRefused, ModelUnreachable)

SETTLE: Final = """
WITH counted AS (
    SELECT turn_id, input_tokens, cached_input_tokens, output_tokens, cost FROM conversations_modelcall
     WHERE id = %(id)s AND outcome IN ('running', 'lost') FOR NO KEY UPDATE
), settled AS (
    UPDATE conversations_modelcall
       SET outcome = %(outcome)s, error = %(error)s, finish_reason = %(finish_reason)s,
           input_tokens = %(input_tokens)s, cached_input_tokens = %(cached_input_tokens)s,
           output_tokens = %(output_tokens)s, tokens_are_estimated = %(tokens_are_estimated)s,
           cost = %(cost)s, first_token_at = %(first_token_at)s, ended_at = %(ended_at)s
     WHERE id = %(id)s AND EXISTS (SELECT FROM counted)
)
UPDATE conversations_turn AS turn
   SET input_tokens = turn.input_tokens + %(input_tokens)s - counted.input_tokens,
       cached_input_tokens = turn.cached_input_tokens + %(cached_input_tokens)s - counted.cached_input_tokens,
       output_tokens = turn.output_tokens + %(output_tokens)s - counted.output_tokens,
       tokens_are_estimated = turn.tokens_are_estimated OR %(tokens_are_estimated)s,
       cost = turn.cost
            + CASE WHEN turn.currency IN ('', %(currency)s) THEN %(cost)s - counted.cost ELSE 0 END,
       currency = coalesce(nullif(turn.currency, ''), %(currency)s)
  FROM counted WHERE turn.id = counted.turn_id
"""


@contextmanager
def recorded(turn: Turn, model: LanguageModel, stream: ReplyStream) -> Iterator[ModelCall]:
    """Inside, the model may be asked; what that took is stored in the end, however it ends."""
    call = ModelCall.objects.create(turn=turn, attempt=turn.attempt, model=model, currency=model.currency)
    try:
        yield call
    except Exception as error:
        has_failed = isinstance(error, ModelError) and not isinstance(error, ModelCancelled)
        call.outcome = ModelCall.Outcome.FAILED if has_failed else ModelCall.Outcome.CUT
        call.error = str(error) or type(error).__name__
        settle(call, stream, usage_after(error, stream))
        raise
    else:
        call.outcome = ModelCall.Outcome.ANSWERED
        settle(call, stream, stream.usage)


def usage_after(error: Exception, stream: ReplyStream) -> Usage:
    """What a call that ended so took: by the provider's count, or else by what was sent and what came."""
    usage = stream.usage
    nothing_came = stream.first_token_s is None and not stream.reasoning
    if usage.is_estimated and nothing_came and isinstance(error, UNCHARGED):
        return Usage()
    return usage


def settle(call: ModelCall, stream: ReplyStream, usage: Usage) -> None:
    """Store how a call ended, and what it took."""
    call.finish_reason = stream.finish_reason
    if stream.first_token_s is not None:
        call.first_token_at = call.started_at + timedelta(seconds=stream.first_token_s)
    close(call, usage)


def close(call: ModelCall, usage: Usage) -> None:
    """Store the call as it stands, and count this usage with its turn."""
    call.input_tokens, call.cached_input_tokens = usage.input, usage.cached_input
    call.output_tokens, call.tokens_are_estimated = usage.output, usage.is_estimated
    call.cost = call.model.cost_of(usage)
    call.ended_at = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(SETTLE, {field.attname: getattr(call, field.attname) for field in call._meta.fields})


def close_lost(calls: models.QuerySet[ModelCall]) -> None:
    """Close calls that nobody makes any more."""
    for call in calls.select_related("model"):
        log.warning("model call lost", model=call.model.slug, turn=call.turn_id, attempt=call.attempt)
        call.outcome, call.error = ModelCall.Outcome.LOST, LOST
        close(call, Usage())


def of_earlier_attempts(turn: Turn) -> models.QuerySet[ModelCall]:
    """The calls that were under way when the turn was taken over from another worker."""
    return running().filter(turn=turn, attempt__lt=turn.attempt)


def abandoned() -> models.QuerySet[ModelCall]:
    """The calls that were under way when their turn ended or was taken over, and have not been settled."""
    in_hand = models.Q(turn__state__in=Turn.RUNNING, turn__attempt=models.F("attempt"))
    return running().exclude(in_hand).filter(started_at__lt=timezone.now() - ABANDONED_AFTER)


def running() -> models.QuerySet[ModelCall]:
    return ModelCall.objects.filter(outcome=ModelCall.Outcome.RUNNING)

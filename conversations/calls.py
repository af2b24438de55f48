"""The calls a turn makes to models: each stored before it is made, and settled however it ends.

A turn's tokens and cost are those of all its calls, and so are those of its user, robot and account
(`budget`).  Each settling adds the difference to what was counted for that call before, so it may come twice,
even from a worker that was given up for dead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import structlog
from django.db import models
from django.utils import timezone

from bots.database import release_connection, wait_for_disk
from bots.errors import ModelBusy, ModelCancelled, ModelError, ModelRefused, ModelUnreachable
from bots.llms.base import ReplyStream, Usage
from bots.llms.tokens import estimate_tokens
from bots.models import LanguageModel
from conversations import budget
from conversations.models import ModelCall, Turn
from conversations.tracing import traced
from metrics.families import COST, FIRST_TOKEN_SECONDS, MODEL_CALLS, TOKENS

log = structlog.get_logger(__name__)

ABANDONED_AFTER: Final = timedelta(minutes=1)  # a call that outlives its turn has been cut off long before
LOST: Final = "the worker was lost; this is what was reserved"

MAX_TOKENS: Final = ("max_tokens", "max_completion_tokens")  # the parameters that limit an answer

# Providers do not charge for what they turned away.
UNCHARGED: Final = (ModelBusy, ModelRefused, ModelUnreachable)


@contextmanager
def recorded(
    turn: Turn,
    model: LanguageModel,
    stream: ReplyStream,
    purpose: ModelCall.Purpose = ModelCall.Purpose.ANSWER,
) -> Iterator[ModelCall]:
    """Inside, the model may be asked; what that took is stored in the end, however it ends.

    Raises OverLimit.
    """
    call = begin(turn, model, stream, purpose)
    stream.when_asked(put_on_disk)
    try:
        with traced(turn, "model call", model=model.slug, purpose=str(purpose)):
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


def begin(turn: Turn, model: LanguageModel, stream: ReplyStream, purpose: ModelCall.Purpose) -> ModelCall:
    """A call that is about to be made, stored, with what it will probably take reserved.

    Raises OverLimit.
    """
    call = ModelCall(turn=turn, attempt=turn.attempt, model=model, purpose=purpose)
    call.currency = call.price.currency
    budget.reserve(call, Usage(input=stream.usage.input, output=output_ahead(model)))
    return call


def put_on_disk() -> None:
    """Have the call there, and all its turn has stored before, by the time that the model answers: whoever
    listens need not wait for it."""
    try:
        wait_for_disk()
    finally:
        release_connection()


def output_ahead(model: LanguageModel) -> int:
    """How many tokens of an answer to reserve before it begins: no more than it may have."""
    limits = (model.params.get(name) for name in MAX_TOKENS)
    return min([budget.AHEAD, *(limit for limit in limits if isinstance(limit, int) and limit > 0)])


def metered(stream: ReplyStream, call: ModelCall) -> Iterator[str]:
    """The model's words, with enough reserved for them.  Counted in memory: a statement for each AHEAD."""
    written = 0
    for piece in stream:
        written += estimate_tokens(piece) if written else estimate_tokens(stream.reasoning + piece)
        if written > call.reserved_output_tokens:
            more = written - call.reserved_output_tokens + budget.AHEAD
            budget.extend(call, tokens=more, cost=call.price.of(Usage(output=more)))
            release_connection()
        yield piece


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
    call.cost = call.price.of(usage)
    call.ended_at = timezone.now()
    budget.settle(call)
    count(call)


def count(call: ModelCall) -> None:
    """Count a call that has ended."""
    model = call.model.slug
    MODEL_CALLS.labels(model, call.outcome).inc()
    TOKENS.labels(model, "input").inc(call.input_tokens)
    TOKENS.labels(model, "cached_input").inc(call.cached_input_tokens)
    TOKENS.labels(model, "output").inc(call.output_tokens)
    if call.currency:
        COST.labels(model, call.currency).inc(float(call.cost))
    if call.first_token_at:
        FIRST_TOKEN_SECONDS.labels(model).observe((call.first_token_at - call.started_at).total_seconds())


def close_lost(calls: models.QuerySet[ModelCall]) -> None:
    """Close calls that nobody makes any more."""
    for call in calls.select_related("model", "turn__conversation__robot__account"):
        log.warning("model call lost", model=call.model.slug, turn=call.turn_id, attempt=call.attempt)
        call.outcome, call.error = ModelCall.Outcome.LOST, LOST
        reserved = Usage(
            input=call.reserved_input_tokens, output=call.reserved_output_tokens, is_estimated=True
        )
        close(call, reserved)


def of_earlier_attempts(turn: Turn) -> models.QuerySet[ModelCall]:
    """The calls that were under way when the turn was taken over from another worker."""
    return running().filter(turn=turn, attempt__lt=turn.attempt)


def abandoned() -> models.QuerySet[ModelCall]:
    """The calls that were under way when their turn ended or was taken over, and have not been settled."""
    in_hand = models.Q(turn__state__in=Turn.RUNNING, turn__attempt=models.F("attempt"))
    return running().exclude(in_hand).filter(started_at__lt=timezone.now() - ABANDONED_AFTER)


def running() -> models.QuerySet[ModelCall]:
    return ModelCall.objects.filter(outcome=ModelCall.Outcome.RUNNING)

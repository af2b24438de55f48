"""Traces of messages for OpenTelemetry, from the callback to the last frame, behind TRACES_URL.

    callback ─▶ queued ─▶ turn ─┬─ model call …
                                └─ frame …

A message passes through several processes, and nothing is handed on for this: the ids of a trace and of
its first spans are drawn from the message's own id, so each process knows them.  What was said is no
part of it.  While TRACES_URL is empty, nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from bots.events import Event, MessageReceived
from conversations.models import Callback, Turn

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

OFF: Final[AbstractContextManager[None]] = nullcontext()
CALLBACK: Final = "callback"  # the first span of a trace


def note_callback(account: str, callback: Callback, events: Sequence[Event]) -> None:
    """Trace a callback whose answer is on its way."""
    if not settings.TRACES_URL:
        return
    for event in events:
        if isinstance(event, MessageReceived):
            key = key_of(account, event.vendor_message_id)
            with derived_ids().use(trace=trace_id(key), span=span_id(key, CALLBACK)):
                span = tracer().start_span(
                    CALLBACK,
                    context=nowhere(),
                    start_time=nanoseconds(callback.received_at),
                    attributes={"account": account, "event": callback.event},
                )
            span.end()


def turn_traced(turn: Turn) -> AbstractContextManager[None]:
    """Inside, the turn runs."""
    return _turn(turn) if settings.TRACES_URL and turn.questions else OFF


def traced(turn: Turn, name: str, **attributes: str | int | bool) -> AbstractContextManager[None]:
    """Inside, this part of the turn runs, in any thread."""
    return _part(turn, name, attributes) if settings.TRACES_URL and turn.questions else OFF


@contextmanager
def _turn(turn: Turn) -> Iterator[None]:
    key = key_of_turn(turn)
    after_callback = below(key, CALLBACK)
    if turn.attempt == 1 and turn.started_at:
        queued = tracer().start_span("queued", after_callback, start_time=nanoseconds(turn.queued_at))
        queued.end(nanoseconds(turn.started_at))
    robot = turn.conversation.robot
    attributes: dict[str, str | int] = {
        "account": robot.account.slug,
        "robot": robot.user_id,
        "conversation": turn.conversation.public_id,
        "turn": turn.pk,
        "attempt": turn.attempt,
    }
    with derived_ids().use(trace=trace_id(key), span=span_id(key, name_of(turn))):
        span = tracer().start_span("turn", after_callback, attributes=attributes)
    try:
        yield
    finally:
        span.set_attribute("state", str(turn.state))
        span.end()


@contextmanager
def _part(turn: Turn, name: str, attributes: dict[str, Any]) -> Iterator[None]:
    context = below(key_of_turn(turn), name_of(turn))
    with tracer().start_as_current_span(name, context, attributes=attributes, record_exception=False):
        yield


def name_of(turn: Turn) -> str:
    return f"turn {turn.attempt}"


def key_of_turn(turn: Turn) -> str:
    """What names the trace of the first message that the turn answers."""
    first = turn.questions[0]
    return key_of(turn.conversation.robot.account.slug, first.vendor_message_id or first.public_id)


def key_of(account: str, message_id: str) -> str:
    return f"{account}/{message_id}"


def trace_id(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:16])


def span_id(key: str, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{key}/{name}".encode()).digest()[:8])


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)


# OpenTelemetry, imported by what is only called while it is on


def below(key: str, name: str) -> Context:
    """For spans that belong below that one, whichever process has it."""
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    parent = SpanContext(trace_id(key), span_id(key, name), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(parent), nowhere())


def nowhere() -> Context:
    from opentelemetry.context import Context

    return Context()


@cache
def derived_ids() -> Any:
    from conversations.spans import DerivedIds

    return DerivedIds()


@cache
def tracer() -> Tracer:
    from conversations.spans import new_tracer

    return new_tracer(derived_ids(), url=settings.TRACES_URL, share=settings.TRACES_SHARE)

"""What `tracing` needs of OpenTelemetry.  Imported only while traces are on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import Tracer

SEND_EVERY_MS: Final = 1000


class DerivedIds(IdGenerator):
    """Random ids, except for a span whose ids others have to know."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._given = threading.local()

    @contextmanager
    def use(self, *, trace: int, span: int) -> Iterator[None]:
        """Inside, spans of this thread begin with these."""
        self._given.ids = trace, span
        try:
            yield
        finally:
            del self._given.ids

    def generate_trace_id(self) -> int:
        ids: tuple[int, int] | None = getattr(self._given, "ids", None)
        return ids[0] if ids else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        ids: tuple[int, int] | None = getattr(self._given, "ids", None)
        return ids[1] if ids else self._random.generate_span_id()


def new_tracer(ids: DerivedIds, *, url: str, share: float) -> Tracer:
    """Sends what it traces to the collector at this address, from a thread of its own.

    A trace's id decides whether it is among the share that is kept, so all processes decide alike.
    """
    provider = TracerProvider(
        sampler=TraceIdRatioBased(share),
        resource=Resource.create({SERVICE_NAME: "parley"}),
        id_generator=ids,
    )
    exporter = OTLPSpanExporter(endpoint=url)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SEND_EVERY_MS))
    return provider.get_tracer("parley")

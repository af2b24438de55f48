"""A message is followed from its callback to the last frame of the answer, through all processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sandbox.driver import Sandbox
from tests.support.parley import Parley, words


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: list[Span] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        told = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def attributes(span: Span) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in span.attributes
    }


def test_a_message_is_traced_from_its_callback_to_the_last_frame(
    own_parley: Parley, sandbox: Sandbox, collector: Collector
) -> None:
    parley = own_parley
    parley.configure_and_serve("ada", TRACES_URL=collector.url)
    secret_words = words(30, "secret")
    sandbox.model.script(secret_words, match="Hello", chunk_delay_s=0.1)
    user = parley.user()

    user.ask("Hello")
    parley.until_settled()
    parley.stop()  # sends what was not sent yet

    spans = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    [callback, queued, turn, *parts] = spans
    assert [span.name for span in (callback, queued, turn)] == ["callback", "queued", "turn"]
    assert {span.trace_id for span in spans} == {callback.trace_id}
    assert callback.parent_span_id == b""
    assert {span.parent_span_id for span in (queued, turn)} == {callback.span_id}
    assert {span.parent_span_id for span in parts} == {turn.span_id}
    assert {span.name for span in parts} == {"model call", "frame"}
    frames = [attributes(span) for span in parts if span.name == "frame"]
    assert (frames[0]["call"], frames[-1]["is_finished"]) == ("send", True)
    assert len(frames) > 2
    assert attributes(turn) | {"turn": 0} == {
        "account": "acme",
        "robot": "@RBT#ada",
        "conversation": attributes(turn)["conversation"],
        "turn": 0,
        "attempt": 1,
        "state": "done",
    }
    assert "secret1" not in str(spans)
    assert user.id not in str(spans)


def test_nothing_of_it_is_imported_while_it_is_off() -> None:
    """By the web process or by a worker."""
    look = "import sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run(
        [sys.executable, "-c", f"import config.asgi, config.worker, conversations.tasks; {look}"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"

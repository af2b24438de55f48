from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from config import asgi
from conversations.front import callbacks_app

type Event = dict[str, Any]


def talk(app: Any, scope: Event, *events: Event) -> list[Event]:
    """What the application answers on these events."""
    incoming, sent = list(events), []

    async def receive() -> Event:
        return incoming.pop(0)

    async def send(event: Event) -> None:
        sent.append(event)

    asyncio.run(app(scope, receive, send))
    return sent


def http(path: str = "/admin/", *headers: tuple[bytes, bytes]) -> Event:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "http_version": "1.1",
        "headers": list(headers),
    }


@pytest.mark.parametrize("path", ["/callbacks/acme/", "/callbacks/acme"])
def test_callbacks_are_taken_ahead_of_django(path: str) -> None:
    assert asgi.handler_of(path) is callbacks_app


@pytest.mark.parametrize("path", ["/", "/admin/", "/callbacks", "/x/callbacks/", "/callbacks/acme/agent/"])
def test_the_rest_goes_to_django(path: str) -> None:
    assert asgi.handler_of(path) is asgi.to_django


def test_websockets_are_refused() -> None:
    sent = talk(asgi.application, {"type": "websocket", "path": "/ws/"}, {"type": "websocket.connect"})

    assert sent == [{"type": "websocket.close"}]


class QuietHeart:
    """One that needs no database."""

    beats: ClassVar[list[str]] = []

    def start(self) -> None:
        self.beats.append("start")

    def stop(self) -> None:
        self.beats.append("stop")


def test_startup_and_shutdown_are_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "Heart", QuietHeart)
    monkeypatch.setattr(asgi, "KeepingThread", QuietHeart)
    monkeypatch.setattr(asgi, "Listener", QuietHeart)
    events: list[Event] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    sent = talk(asgi.application, {"type": "lifespan"}, *events)

    assert [event["type"] for event in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert QuietHeart.beats == ["start"] * 3 + ["stop"] * 3


def test_a_body_without_a_length_is_refused_rather_than_lost() -> None:
    sent = talk(asgi.application, http("/admin/", (b"transfer-encoding", b"chunked")))

    assert sent[0]["status"] == 411


def test_a_header_with_an_underscore_passes_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Event] = []

    async def django(scope: Event, receive: Any, send: Any) -> None:
        seen.append(scope)

    monkeypatch.setattr(asgi, "django_on_threads", django)

    talk(asgi.to_django, http("/", (b"x-forwarded-proto", b"https"), (b"x_forwarded_proto", b"http")))

    assert seen[0]["headers"] == [(b"x-forwarded-proto", b"https")]

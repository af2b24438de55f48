"""What is too much is refused at the door, and the rest goes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pytest_django import Settings

from config.doors import DOORS, Door, Doors, Pace, paced

type Event = dict[str, Any]

SMALL = Door(path="/small/", at_once=2, max_bytes=10)
LOGIN = Door(path="/login/", at_once=10, max_bytes=10, per_minute=3)


def http(path: str, *headers: tuple[bytes, bytes], method: str = "POST", client: str = "10.0.0.1") -> Event:
    return {"type": "http", "method": method, "path": path, "headers": list(headers), "client": (client, 1)}


async def answer(scope: Event, receive: Any, send: Any) -> None:
    """An application that reads all and says OK."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})


class Visit:
    """One request."""

    def __init__(self, scope: Event, *body: bytes) -> None:
        self.scope = scope
        self.sent: list[Event] = []
        self._events = [{"type": "http.request", "body": part, "more_body": True} for part in body]
        self._events.append({"type": "http.request", "body": b""})

    async def receive(self) -> Event:
        return self._events.pop(0)

    async def send(self, event: Event) -> None:
        self.sent.append(event)

    async def go(self, way: Doors, application: Any = answer) -> int:
        await way.pass_through(application, self.scope, self.receive, self.send)
        return int(self.sent[0]["status"])


def status(way: Doors, scope: Event, *body: bytes) -> int:
    return asyncio.run(Visit(scope, *body).go(way))


def test_a_body_that_says_it_is_too_long_is_not_read() -> None:
    visit = Visit(http("/small/", (b"content-length", b"11")))

    async def never(scope: Event, receive: Any, send: Any) -> None:
        raise AssertionError

    assert asyncio.run(visit.go(Doors((SMALL,)), never)) == 413
    assert json.loads(visit.sent[1]["body"]) == {
        "error": {"code": "too_large", "message": "The body is over 10 bytes."}
    }


def test_a_body_that_does_not_say_is_measured() -> None:
    assert status(Doors((SMALL,)), http("/small/"), b"12345", b"67890") == 200
    assert status(Doors((SMALL,)), http("/small/"), b"12345", b"678901") == 413


def test_only_so_many_are_let_in_at_once() -> None:
    async def crowd() -> list[int]:
        way, is_over = Doors((SMALL,)), asyncio.Event()

        async def slow(scope: Event, receive: Any, send: Any) -> None:
            await is_over.wait()
            await answer(scope, receive, send)

        inside = [asyncio.create_task(Visit(http("/small/")).go(way, slow)) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await Visit(http("/small/")).go(way)
        is_over.set()
        return [refused, *[await each for each in inside], await Visit(http("/small/")).go(way)]

    assert asyncio.run(crowd()) == [503, 200, 200, 200]


def test_one_address_tries_so_often_and_others_are_not_held_up(settings: Settings) -> None:
    settings.IS_HTTPS = False
    way = Doors((LOGIN,))

    assert [status(way, http("/login/")) for _ in range(4)] == [200, 200, 200, 429]
    assert status(way, http("/login/", method="GET")) == 200
    assert status(way, http("/login/", (b"x-forwarded-for", b"10.9.9.9"))) == 429
    assert status(way, http("/login/", client="10.0.0.2")) == 200


def test_behind_a_proxy_it_says_who_tries(settings: Settings) -> None:
    settings.IS_HTTPS = True
    way = Doors((LOGIN,))

    def tried_from(address: bytes) -> int:
        return status(way, http("/login/", (b"x-forwarded-for", b"made up, " + address)))

    assert [tried_from(b"198.51.100.1") for _ in range(4)] == [200, 200, 200, 429]
    assert tried_from(b"198.51.100.2") == 200


def test_a_pace_allows_a_burst_and_then_its_rate() -> None:
    pace = Pace(per_s=2, at_once=3)

    assert [pace.wait(100.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 0.5]
    assert [pace.wait(100.5), pace.wait(100.5)] == [0.0, 0.5]
    assert [pace.wait(200.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_a_socket_that_says_too_much_is_not_listened_to_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def chatter() -> Event:
        return {"type": "websocket.receive", "text": "{}"}

    async def listen() -> None:
        receive = paced(chatter)
        for _ in range(45):
            await receive()

    monkeypatch.setattr("config.doors.asyncio.sleep", sleep)
    monkeypatch.setattr("config.doors.time.monotonic", lambda: 100.0)
    asyncio.run(listen())

    assert len(pauses) == 5
    assert all(0 < seconds <= 1 for seconds in pauses)


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/v1/sessions", "/callbacks/acme/", "/metrics", "/x"])
def test_every_path_has_a_door(path: str) -> None:
    assert path.startswith(Doors(DOORS).of(path).path)

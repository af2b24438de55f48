"""How much comes in at once.  What is too much is refused ahead of all work, and the rest goes on.

Each door has limits for one web process: the bytes of a body, requests under way and, where passwords can
be guessed, POSTs of one address.  The pace of an API key is in `conversations.api.keys`; failed logins
are counted over all processes (`logins.lockout`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from logins.lockout import nearest_address

KB: Final = 1024
MB: Final = 1024 * KB

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    path: str  # with which the paths behind it begin
    at_once: int
    max_bytes: int = 0  # 0: who reads the body behind it sees to that
    per_minute: int = 0  # POSTs of one address; 0: any number


# Behind most of them stand 40 threads: who waits in a longer line than this has given up when its turn comes.
DOORS: Final = (
    Door(path="/callbacks/", at_once=2000),  # answered in batches of 100
    Door(path="/brain/", at_once=500),
    Door(path="/api/", at_once=1000, max_bytes=1 * MB),  # replies stream
    Door(path="/ws/", at_once=2000),
    # To check a password takes a good part of a second.
    Door(path="/admin/login/", at_once=40, max_bytes=64 * KB, per_minute=120),
    Door(path="/console/login/", at_once=40, max_bytes=64 * KB, per_minute=120),
    Door(path="/account/", at_once=40, max_bytes=64 * KB, per_minute=120),
    Door(path="/files/", at_once=20),  # slow readers leave half of the threads to others
    Door(path="/", at_once=400, max_bytes=20 * MB),  # word lists, pictures
)
FRAMES_PER_S: Final = 20.0  # of one socket, in the long run
FRAMES_AT_ONCE: Final = 40
MOST_ADDRESSES: Final = 10_000  # that are remembered


CODES: Final = {413: "too_large", 429: "too_many_attempts", 503: "busy"}
WAITS: Final = {429: b"60", 503: b"1"}  # seconds


class TooLong(Exception):
    """The body is over its door's limit."""


class Pace:
    """Something may happen so often a second, and so often at once."""

    def __init__(self, per_s: float, at_once: float) -> None:
        self.per_s = per_s
        self.at_once = at_once
        self._free_at = 0.0  # by time.monotonic(); when all that happened is worn off

    def wait(self, now: float) -> float:
        """Seconds until it may happen; 0: now, and that it does is counted."""
        seconds = self._free_at - now - (self.at_once - 1) / self.per_s
        if seconds > 0:
            return seconds
        self._free_at = max(self._free_at, now) + 1 / self.per_s
        return 0.0


class Doors:
    """What goes on behind the doors of this process."""

    def __init__(self, doors: tuple[Door, ...] = DOORS) -> None:
        self._doors = doors
        self._under_way: Counter[str] = Counter()
        self._paces: OrderedDict[tuple[str, str], Pace] = OrderedDict()

    async def pass_through(
        self, application: Application, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the application answer, or refuse."""
        door = self.of(scope["path"])
        if refusal := self._refusal(door, scope):
            await refuse(scope, send, *refusal)
            return
        self._under_way[door.path] += 1
        try:
            await application(scope, limited(door, scope, receive), send)
        except TooLong:
            await refuse(scope, send, 413, f"The body is over {door.max_bytes} bytes.")
        finally:
            self._under_way[door.path] -= 1

    def of(self, path: str) -> Door:
        return next(door for door in self._doors if path.startswith(door.path))

    def _refusal(self, door: Door, scope: Scope) -> tuple[int, str] | None:
        length = header(scope, b"content-length")
        if door.max_bytes and length.isdigit() and int(length) > door.max_bytes:
            return 413, f"The body is over {door.max_bytes} bytes."
        if self._under_way[door.path] >= door.at_once:
            return 503, "Too much is going on; try again."
        if door.per_minute and scope["method"] == "POST" and self._pace(door, scope).wait(time.monotonic()):
            return 429, "Too many attempts; try again in a minute."
        return None

    def _pace(self, door: Door, scope: Scope) -> Pace:
        peer = (scope.get("client") or ("",))[0]
        forwarded = header(scope, b"x-forwarded-for").decode("latin-1") if settings.IS_HTTPS else ""
        key = door.path, nearest_address(forwarded, peer) or ""
        pace = self._paces.setdefault(key, Pace(door.per_minute / 60, door.per_minute))
        self._paces.move_to_end(key)
        if len(self._paces) > MOST_ADDRESSES:
            self._paces.popitem(last=False)
        return pace


def limited(door: Door, scope: Scope, receive: Receive) -> Receive:
    """The same, where what comes is not known by its length beforehand."""
    if scope["type"] == "websocket":
        return paced(receive)
    is_known = not door.max_bytes or header(scope, b"content-length")
    return receive if is_known else measured(door, receive)


def measured(door: Door, receive: Receive) -> Receive:
    size = 0

    async def receive_measured() -> dict[str, Any]:
        nonlocal size
        event = await receive()
        size += len(event.get("body", b""))
        if size > door.max_bytes:
            raise TooLong
        return event

    return receive_measured


def paced(receive: Receive) -> Receive:
    """A socket that says too much is not listened to for a while, which its sender comes to feel."""
    pace = Pace(FRAMES_PER_S, FRAMES_AT_ONCE)

    async def receive_paced() -> dict[str, Any]:
        event = await receive()
        if event["type"] == "websocket.receive" and (seconds := pace.wait(time.monotonic())):
            await asyncio.sleep(seconds)
            pace.wait(time.monotonic())
        return event

    return receive_paced


async def refuse(scope: Scope, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})  # before it was accepted: the server answers 403
        return
    body = json.dumps({"error": {"code": CODES[status], "message": words}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status in WAITS:
        headers.append((b"retry-after", WAITS[status]))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def header(scope: Scope, wanted: bytes) -> bytes:
    """The last of that name, which the nearest proxy has added; b"" where there is none."""
    return next((value for name, value in reversed(scope.get("headers", [])) if name == wanted), b"")

"""The way in for calls' agents, ahead of Django: what is being spoken must not hold one of its threads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from django.db import connections

from agents import brain
from agents.completions import DONE, NOTHING, Completion, Refused, Request, as_json
from agents.line import Line
from bots.events import JSONDict
from conversations.front import BodyTooLarge, Disconnected, read_body

log = structlog.get_logger(__name__)

PATH: Final = re.compile(r"^/brain/(?P<template>[-\w]+)/v1/chat/completions/?$", re.ASCII)
THREADS: Final = 200  # answers under way in a process; they mostly wait for their models

STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]

threads: Final = ThreadPoolExecutor(THREADS, thread_name_prefix="brain")

type Scope = dict[str, Any]


async def brain_app(scope: Scope, receive: Any, send: Any) -> None:
    """ASGI application of `POST /brain/<template>/v1/chat/completions`."""
    try:
        await answer(scope, receive, send)
    except BodyTooLarge:
        await send_json(send, 413, Refused(413, "too_large", "The body is too large.").as_json())
    except Refused as refusal:
        await send_json(send, refusal.status, refusal.as_json())
    except Disconnected:
        return


async def answer(scope: Scope, receive: Any, send: Any) -> None:
    """Raises Refused, BodyTooLarge, Disconnected."""
    path = PATH.match(scope["path"])
    if path is None:
        raise Refused(404, "not_found", "There is no such address.")
    if scope["method"] != "POST":
        raise Refused(405, "method_not_allowed", "Completions are asked for by POST.")
    body = await read_body(receive)
    authorization = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    exchange = Exchange(path["template"], authorization, body)
    hanging_up = asyncio.create_task(exchange.watch(receive))
    try:
        await exchange.run(send)
    finally:
        hanging_up.cancel()


class Exchange:
    """One request.  A thread thinks about it, and this loop passes on what that says."""

    def __init__(self, template: str, authorization: str, body: bytes) -> None:
        self._template, self._authorization, self._body = template, authorization, body
        self._loop = asyncio.get_running_loop()
        self._request: asyncio.Future[Request] = self._loop.create_future()  # or why it is refused
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()  # None: nothing follows
        self._line = Line(lambda piece: self._call(self._pieces.put_nowait, piece))

    async def watch(self, receive: Any) -> None:
        """Stop all work as soon as nobody waits for it any more."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._line.cut()

    async def run(self, send: Any) -> None:
        """Raises Refused."""
        self._loop.run_in_executor(threads, self._think)
        request = await self._request
        completion = Completion(model=request.model or self._template)
        if request.is_stream:
            await self._stream(completion, send)
        else:
            await send_json(send, 200, completion.whole("".join([piece async for piece in self._said()])))

    async def _stream(self, completion: Completion, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        async for piece in self._said():
            await send({"type": "http.response.body", "body": completion.chunk(piece), "more_body": True})
        end = completion.chunk("", is_last=True) + DONE
        await send({"type": "http.response.body", "body": end})

    async def _said(self) -> AsyncIterator[str]:
        """The answer as it comes; what has gathered meanwhile as one piece."""
        is_over = False
        while not is_over:
            pieces = [await self._pieces.get()]
            while not self._pieces.empty():
                pieces.append(self._pieces.get_nowait())
            is_over = pieces[-1] is None
            if text := "".join(piece for piece in pieces if piece):
                yield text

    def _think(self) -> None:
        """In a thread: say what there is to say."""
        try:
            request, caller = self._admitted()
            self._call(self._request.set_result, request)
            brain.answer(caller, request, self._line)
        except Refused as refusal:
            self._call(self._request.set_exception, refusal)
        except Exception:
            log.exception("the brain failed")
            unavailable = Refused(503, "unavailable", "No answer can be given now.")
            self._call(self._request.set_exception, unavailable)
        finally:
            self._call(self._pieces.put_nowait, None)
            connections.close_all()  # they are this thread's

    def _admitted(self) -> tuple[Request, brain.Caller]:
        """Raises Refused: strangers for who they are, before what is wrong with their question."""
        try:
            request = Request.read(self._body)
        except Refused:
            brain.admit(self._template, self._authorization, NOTHING)
            raise
        return request, brain.admit(self._template, self._authorization, request)

    def _call(self, act: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(act, *arguments)


async def send_json(send: Any, status: int, content: JSONDict) -> None:
    body = as_json(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

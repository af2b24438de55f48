"""A model and an IM cloud in this process, which note by one clock what is said and what arrives."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bench.clouds import Cloud
from bench.http import Transport, answer, chunk

HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE: Final = chunk(b"data: [DONE]\n\n") + chunk(b"")
USAGE: Final = {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 100}}


@dataclass(frozen=True, slots=True)
class Said:
    """The model's answer at one moment."""

    at: float  # by time.perf_counter(), as all times here
    length: int  # characters so far


@dataclass(frozen=True, slots=True)
class Frame:
    """What one call of the vendor's API made of a message."""

    at: float
    length: int
    is_finished: bool


@dataclass
class Reply:
    """One reply as the model said it and as it arrived."""

    acknowledged_at: float = 0.0  # the callback
    asked_at: float = 0.0  # the model
    said: list[Said] = field(default_factory=list)
    ended_at: float = 0.0
    frames: list[Frame] = field(default_factory=list)
    has_words: asyncio.Event = field(default_factory=asyncio.Event)
    is_finished: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, kw_only=True)
class Script:
    """How the model answers: a first chunk after a while, then one after the other."""

    first_after_s: float
    chunks: int
    interval_s: float


class Simulated:
    """Users write their own name, so that the model knows whose reply it gives."""

    def __init__(self, cloud: Cloud, next_script: Callable[[], Script]) -> None:
        self.cloud = cloud
        self.next_script = next_script
        self.replies: defaultdict[str, Reply] = defaultdict(Reply)
        self.most_at_once = 0
        self._streams = 0

    # The model

    def complete(self, url: str, body: bytes, transport: Transport) -> None:
        user = json.loads(body)["messages"][-1]["content"]
        self.replies[user].asked_at = time.perf_counter()
        self._streams += 1
        self.most_at_once = max(self.most_at_once, self._streams)
        transport.write(HEAD)
        script = self.next_script()
        due_at = time.perf_counter() + script.first_after_s
        self._say_at(due_at, transport, self.replies[user], script, 0)

    def _say_at(self, due_at: float, transport: Transport, reply: Reply, script: Script, index: int) -> None:
        pause = due_at - time.perf_counter()
        asyncio.get_running_loop().call_later(pause, self._say, due_at, transport, reply, script, index)

    def _say(self, due_at: float, transport: Transport, reply: Reply, script: Script, index: int) -> None:
        if index == script.chunks:
            reply.ended_at = time.perf_counter()
            transport.write(chunk(event(USAGE)) + DONE)
            self._streams -= 1
            return
        words = "abc "  # so few that a whole answer fits into one message of each cloud
        length = len(words) + (reply.said[-1].length if reply.said else 0)
        reply.said.append(Said(time.perf_counter(), length))
        reason = "stop" if index == script.chunks - 1 else None
        transport.write(chunk(event({"choices": [{"delta": {"content": words}, "finish_reason": reason}]})))
        self._say_at(due_at + script.interval_s, transport, reply, script, index + 1)

    # The cloud

    def take(self, url: str, body: bytes, transport: Transport) -> None:
        at = time.perf_counter()
        if heard := self.cloud.hear(url, json.loads(body)):
            self._note(self.replies[heard.user], Frame(at, heard.length, heard.is_finished))
        transport.write(answer(json.dumps(self.cloud.answer(url)).encode()))

    def _note(self, reply: Reply, frame: Frame) -> None:
        reply.frames.append(frame)
        if frame.length:
            reply.has_words.set()
        if frame.is_finished:
            reply.is_finished.set()


def event(data: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(data).encode()

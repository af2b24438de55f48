"""An OpenAI-compatible model that says what it is told to say, with every fault such a service has.

Without a script it answers with the persona and the user's words, so that a test can tell what it was shown.
Scripts come in over /_sandbox/model/, never in a user's message: what users write stays their own.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sandbox.failing import cut

type JSONDict = dict[str, Any]

MAX_REQUESTS = 5_000  # kept in the log
LONGEST_WAIT_S = 60.0
PERSONA_SHOWN = 60  # characters of the system message in an unscripted answer


@dataclass(frozen=True, kw_only=True)
class Script:
    """How one answer is given.  Chunks are counted from 1, thinking not included."""

    text: str | None = None  # None: the persona and the user's words
    match: str = ""  # only for requests whose last user message contains this
    times: int = 1  # how many answers are given so; 0: all from now on

    chunk_chars: int = 12
    chunk_delay_s: float = 0.0
    first_token_s: float = 0.0
    ends_at: float = 0.0  # Unix time before which the last chunk is not sent: many answers then end at once
    keep_alive_s: float = 0.0  # a comment this often while the first token is waited for

    status: int = 200  # anything else: an error instead of an answer
    error: JSONDict | None = None  # the error's body, also for `error_after`
    retry_after: str = ""

    break_after: int | None = None  # the connection is cut after so many chunks
    stall_after: int | None = None  # silence after so many chunks, until the client hangs up
    error_after: int | None = None  # an error object inside the stream
    has_done: bool = True  # the stream ends with [DONE]
    finish_reason: str = "stop"

    reasoning: str = ""
    reasoning_field: str = "reasoning_content"  # reasoning, reasoning_details, think (tags in the text)

    usage: str = "asked"  # asked (an extra chunk if the client asks), extra, last, every, choice, none
    cached_tokens: int = 0
    cached_shape: str = "details"  # details, hit_miss (DeepSeek), top (StepFun)
    line_end: str = "\n"
    is_escaped: bool = False  # non-ASCII as \\u…; otherwise raw, U+2028 included


@dataclass
class Asked:
    """One request, as it came."""

    at: float
    body: JSONDict
    text: str = ""  # the answer, or as much of it as was sent
    chunks_sent: int = 0
    outcome: str = "running"  # finished, error, broken, client_gone
    ended_at: float | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, outcome: str) -> None:
        if self.ended_at is None:
            self.outcome, self.ended_at = outcome, time.time()
            self.ended.set()

    def to_json(self) -> JSONDict:
        return {name: value for name, value in vars(self).items() if name != "ended"}


class ScriptedModel:
    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.forget()

    def forget(self) -> None:
        self.default = Script()
        self.scripts: list[Script] = []
        self.requests: deque[Asked] = deque(maxlen=MAX_REQUESTS)

    # The control API

    async def add_scripts(self, request: Request) -> Response:
        try:
            scripts = [_script(each) for each in (await request.json())["scripts"]]
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        self.scripts.extend(scripts)
        return JSONResponse({"waiting": len(self.scripts)}, status_code=201)

    async def set_default(self, request: Request) -> Response:
        try:
            self.default = _script(await request.json())
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({})

    async def list_requests(self, request: Request) -> Response:
        """All, oldest first.  With `wait_s`, once none of them is running, but no later than that."""
        wait_s = min(float(request.query_params.get("wait_s", 0)), LONGEST_WAIT_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                for asked in list(self.requests):
                    await asked.ended.wait()
        return JSONResponse({"requests": [asked.to_json() for asked in self.requests]})

    async def reset(self, request: Request) -> Response:
        self.forget()
        return JSONResponse({})

    # The model's API

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    async def completions(self, request: Request) -> Response:
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return _error(401, {"message": "Incorrect API key", "type": "authentication_error"})
        try:
            body = json.loads(await request.body())
            shown = str(body["messages"][-1]["content"])
        except (ValueError, KeyError, IndexError, TypeError):
            return _error(400, {"message": "messages is missing", "type": "invalid_request_error"})
        asked = Asked(at=time.time(), body=body)
        self.requests.append(asked)
        script = self._next_script(shown)
        if script.text is None:
            script = replace(script, text=echo(body["messages"]))
        if script.status != 200:
            await asyncio.sleep(script.first_token_s)
            asked.end("error")
            return _error(script.status, script.error, script.retry_after)
        if not body.get("stream"):
            return await self._whole(script, asked)
        events = watched(request, Telling(script, asked, request).events(), asked)
        return StreamingResponse(events, media_type="text/event-stream")

    def _next_script(self, shown: str) -> Script:
        for place, script in enumerate(self.scripts):
            if script.match in shown:
                if script.times == 1:
                    del self.scripts[place]
                elif script.times > 1:
                    self.scripts[place] = replace(script, times=script.times - 1)
                return script
        return self.default

    async def _whole(self, script: Script, asked: Asked) -> Response:
        await asyncio.sleep(script.first_token_s)
        asked.text = script.text or ""
        asked.end("finished")
        message = {"role": "assistant", "content": asked.text}
        choice = {"index": 0, "message": message, "finish_reason": script.finish_reason}
        usage = usage_of(script, asked.body, asked.text)
        return JSONResponse({"object": "chat.completion", "choices": [choice], "usage": usage})


class Telling:
    """One streamed answer, as server-sent events."""

    def __init__(self, script: Script, asked: Asked, request: Request) -> None:
        self.script, self.asked, self.request = script, asked, request
        self.text = script.text or ""
        wants_usage = (asked.body.get("stream_options") or {}).get("include_usage")
        self.usage = ("extra" if wants_usage else "none") if script.usage == "asked" else script.usage

    async def events(self) -> AsyncIterator[bytes]:
        async for comment in self._first_wait():
            yield comment
        yield self._chunk({"role": "assistant", "content": None})
        for piece in self._thinking():
            yield piece
        async for piece in self._answer():
            yield piece
        if self.asked.outcome != "broken":
            for piece in self._end():
                yield piece

    async def _first_wait(self) -> AsyncIterator[bytes]:
        ends_at = time.monotonic() + self.script.first_token_s
        step = self.script.keep_alive_s or self.script.first_token_s
        while (left := ends_at - time.monotonic()) > 0:
            await asyncio.sleep(min(step, left))
            if self.script.keep_alive_s:
                yield f": keep-alive{self.script.line_end * 2}".encode()

    def _thinking(self) -> list[bytes]:
        if not self.script.reasoning:
            return []
        field = self.script.reasoning_field
        if field == "think":
            # Tags cut across chunks, as MiniMax sends them.
            text = f"<think>{self.script.reasoning}</think>"
            return [self._chunk({"content": piece}) for piece in _pieces(text, 5)]
        if field == "reasoning_details":
            return [self._chunk({"reasoning_details": [{"text": self.script.reasoning}]})]
        pieces = _pieces(self.script.reasoning, self.script.chunk_chars)
        return [self._chunk({field: piece, "content": None}) for piece in pieces]

    async def _answer(self) -> AsyncIterator[bytes]:
        pieces = _pieces(self.text, self.script.chunk_chars)
        for number, piece in enumerate(pieces, start=1):
            await self._go_wrong(number - 1)
            if self.asked.outcome == "broken" or self.script.error_after == number - 1:
                return
            if number > 1 and self.script.chunk_delay_s:
                await asyncio.sleep(self.script.chunk_delay_s)
            is_last = number == len(pieces)
            if is_last and self.script.ends_at:
                await asyncio.sleep(max(0.0, self.script.ends_at - time.time()))
            self.asked.text += piece
            self.asked.chunks_sent = number
            yield self._chunk({"content": piece}, is_last=is_last and self.usage == "last")
        await self._go_wrong(len(pieces))

    async def _go_wrong(self, chunks_sent: int) -> None:
        if self.script.stall_after == chunks_sent:
            await asyncio.Event().wait()
        if self.script.break_after == chunks_sent:
            await asyncio.sleep(0.01)  # what was sent leaves before the connection goes
            self.asked.end("broken")
            cut(self.request)

    def _end(self) -> Iterator[bytes]:
        if self.script.error_after is not None:
            error = self.script.error or {"message": "The server had an error", "type": "server_error"}
            yield self._line(json.dumps({"error": error}))
            self.asked.end("error")
            return
        yield self._chunk({}, finish_reason=self.script.finish_reason)
        if self.usage == "extra":
            yield self._event({"choices": [], "usage": self._usage()})
        if self.script.has_done:
            yield self._line("[DONE]")
        self.asked.end("finished")

    def _usage(self) -> JSONDict:
        return usage_of(self.script, self.asked.body, self.asked.text)

    def _chunk(self, delta: JSONDict, *, finish_reason: str | None = None, is_last: bool = False) -> bytes:
        choice: JSONDict = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        if finish_reason and self.usage == "choice":
            choice["usage"] = self._usage()
        event: JSONDict = {"choices": [choice]}
        if self.usage == "extra":
            event["usage"] = None
        if self.usage == "every" or is_last:
            event["usage"] = self._usage()
        return self._event(event)

    def _event(self, event: JSONDict) -> bytes:
        event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "scripted"} | event
        return self._line(json.dumps(event, ensure_ascii=self.script.is_escaped))

    def _line(self, data: str) -> bytes:
        return f"data: {data}{self.script.line_end * 2}".encode()


async def watched(request: Request, events: AsyncIterator[bytes], asked: Asked) -> AsyncIterator[bytes]:
    """The events, with a note of when the client hung up: Starlette then closes this generator."""
    try:
        async for event in events:
            yield event
    finally:
        asked.end("client_gone")


def echo(messages: list[JSONDict]) -> str:
    """The persona's beginning and the last thing the user said."""
    persona = next((line["content"] for line in messages if line.get("role") == "system"), "")
    said = next((line["content"] for line in reversed(messages) if line.get("role") == "user"), "")
    return f"({persona[:PERSONA_SHOWN]}) You said: {said}"


def usage_of(script: Script, body: JSONDict, text: str) -> JSONDict:
    """Counted roughly: a token for each four characters."""
    asked = sum(len(str(message.get("content") or "")) for message in body["messages"])
    prompt, answer = asked // 4 + 1, len(text) // 4 + 1
    usage: JSONDict = {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }
    cached = script.cached_tokens
    shapes: dict[str, JSONDict] = {
        "details": {"prompt_tokens_details": {"cached_tokens": cached}},
        "hit_miss": {"prompt_cache_hit_tokens": cached, "prompt_cache_miss_tokens": prompt - cached},
        "top": {"cached_tokens": cached},
    }
    return usage | shapes[script.cached_shape] if cached else usage


def _pieces(text: str, length: int) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]


def _script(settings: JSONDict) -> Script:
    known = {each.name for each in fields(Script)}
    if unknown := set(settings) - known:
        raise ValueError(f"a script has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
    return Script(**settings)


def _error(status: int, error: JSONDict | None, retry_after: str = "") -> Response:
    body = error or {"message": f"scripted error {status}", "type": "server_error", "code": None}
    headers = {"retry-after": retry_after} if retry_after else None
    return JSONResponse({"error": body}, status_code=status, headers=headers)


def application(*, api_key: str) -> Starlette:
    model = ScriptedModel(api_key)
    return Starlette(
        routes=[
            Route("/v1/models", model.models),
            Route("/v1/chat/completions", model.completions, methods=["POST"]),
            Route("/_sandbox/model/scripts", model.add_scripts, methods=["POST"]),
            Route("/_sandbox/model/default", model.set_default, methods=["POST"]),
            Route("/_sandbox/model/requests", model.list_requests),
            Route("/_sandbox/model/reset", model.reset, methods=["POST"]),
        ]
    )

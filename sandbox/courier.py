"""Brings callbacks to an app's server, with the faults that the road has."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.world import JSONDict, Pair, World


def as_json(body: JSONDict) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


@dataclass(frozen=True, kw_only=True)
class Callback:
    app: str
    command: str
    url: str
    query: Callable[[], dict[str, str]]  # made anew for every attempt: it may carry the time
    body: JSONDict
    members: Pair  # who is talking: for those who watch the conversation
    timeout_s: float
    retries: int  # after a failure; 0 is the vendor's default
    retry_interval_s: float
    backoff: float = 1.0  # each interval is so many times the one before
    sign: Callable[[JSONDict], JSONDict] = dict  # of the body; made anew for every attempt, like `query`
    encode: Callable[[JSONDict], bytes] = as_json
    takes_any_2xx: bool = False  # otherwise the answer has to be 200 and a JSON object


class Courier:
    """Every callback is a task of its own, as with a real cloud: nothing keeps them in order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._tasks: set[asyncio.Task[None]] = set()
        limits = httpx.Limits(max_connections=500, max_keepalive_connections=100)
        self._client = httpx.AsyncClient(limits=limits, trust_env=False)

    def post(self, callback: Callback) -> None:
        if not callback.url:
            return
        for _ in range(self.world.faults.callbacks.duplicate):
            task = asyncio.create_task(self._deliver(callback))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _deliver(self, callback: Callback) -> None:
        if self.world.faults.drops_callback():
            self._log(callback, body=callback.body, error="dropped on purpose")
            return
        await asyncio.sleep(self.world.faults.callback_delay())
        await self.ask(callback)

    async def ask(self, callback: Callback) -> JSONDict | None:
        """What the app's server answers, if it takes the callback in one of its attempts."""
        if not callback.url:
            return None
        for attempt in range(1, callback.retries + 2):
            answer = await self._attempt(callback, attempt)
            if answer is not None:
                return answer
            await asyncio.sleep(callback.retry_interval_s * callback.backoff ** (attempt - 1))
        return None

    async def _attempt(self, callback: Callback, attempt: int) -> JSONDict | None:
        """The answer of the app's server; None when it has not taken the callback."""
        body = callback.sign(callback.body)
        headers = {"content-type": "application/json"}
        started = time.monotonic()
        try:
            async with asyncio.timeout(callback.timeout_s):  # httpx's own limits are per read, not in all
                response = await self._client.post(
                    callback.url,
                    params=callback.query(),
                    content=callback.encode(body),
                    headers=headers,
                    timeout=None,
                )
            outcome: dict[str, Any] = {"status": response.status_code, "answer": _json_or_text(response)}
            is_taken = _is_taken(callback, response.status_code, outcome["answer"])
        except (httpx.HTTPError, TimeoutError) as error:
            outcome = {"status": None, "answer": None, "error": type(error).__name__}
            is_taken = False
        milliseconds = round((time.monotonic() - started) * 1000, 1)
        self._log(callback, body=body, attempt=attempt, ms=milliseconds, is_taken=is_taken, **outcome)
        if not is_taken:
            return None
        return outcome["answer"] if isinstance(outcome["answer"], dict) else {}

    def _log(self, callback: Callback, **outcome: Any) -> None:
        self.world.log_callback(
            app=callback.app,
            members=callback.members,
            command=callback.command,
            **outcome,
        )


def _is_taken(callback: Callback, status: int, answer: Any) -> bool:
    if callback.takes_any_2xx:
        return 200 <= status < 300
    return status == 200 and isinstance(answer, dict)


def _json_or_text(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text[:500]

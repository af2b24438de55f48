"""Load: as much as a server takes (closed loop), or so many requests a second whatever it takes (open)."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final

from bench.http import ClientConnection

WARM_UP_S: Final = 1.0
DRAIN_S: Final = 5.0  # for the last answers


class Load(ABC):
    """Requests on keep-alive connections for some time, and what came of them."""

    def __init__(self, requests: Iterator[bytes], *, connections: int, seconds: float) -> None:
        self.requests = requests
        self.connections = connections
        self.seconds = seconds
        self.statuses: Counter[int] = Counter()
        self.latencies_s: list[float] = []  # of what was due after the warm-up

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.seconds

    async def run(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        callers = [ClientConnection(self._on_answer) for _ in range(self.connections)]
        for caller in callers:
            await loop.create_connection(lambda: caller, "127.0.0.1", port)  # noqa: B023 -- called at once
        self._starts_at = time.perf_counter() + WARM_UP_S
        self._ends_at = self._starts_at + self.seconds
        async with asyncio.timeout(WARM_UP_S + self.seconds + DRAIN_S):
            await self._send(callers)
        for caller in callers:
            caller.close()

    def _on_answer(self, caller: ClientConnection, status: int) -> None:
        now = time.perf_counter()
        self.statuses[status] += 1
        if self._starts_at <= caller.due_at:
            self.latencies_s.append(now - caller.due_at)
        self._next(caller, now)

    @abstractmethod
    async def _send(self, callers: list[ClientConnection]) -> None:
        """Returns when everything is answered."""

    @abstractmethod
    def _next(self, caller: ClientConnection, now: float) -> None:
        """A caller has its answer."""


class ClosedLoop(Load):
    """Every caller sends its next request when it has the answer to the last."""

    async def _send(self, callers: list[ClientConnection]) -> None:
        self._under_way = len(callers)
        self._is_over = asyncio.Event()
        for caller in callers:
            caller.send(next(self.requests), due_at=time.perf_counter())
        await self._is_over.wait()

    def _next(self, caller: ClientConnection, now: float) -> None:
        if now < self._ends_at:
            caller.send(next(self.requests), due_at=now)
            return
        self._under_way -= 1
        if not self._under_way:
            self._is_over.set()


class OpenLoop(Load):
    """Requests leave at random moments.  Latency counts from the moment a request was due, so that a
    server which stalls does not get around the requests that it kept from being sent."""

    def __init__(
        self, requests: Iterator[bytes], *, connections: int, seconds: float, rate_per_s: float
    ) -> None:
        super().__init__(requests, connections=connections, seconds=seconds)
        self.rate_per_s = rate_per_s

    async def _send(self, callers: list[ClientConnection]) -> None:
        self._idle = deque(callers)
        self._due: deque[float] = deque()
        self._is_idle = asyncio.Event()
        due_at = time.perf_counter()
        while (due_at := due_at + random.expovariate(self.rate_per_s)) < self._ends_at:
            if (pause := due_at - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            self._due.append(due_at)
            if self._idle:
                self._next(self._idle.popleft(), due_at)
        await self._is_idle.wait()

    def _next(self, caller: ClientConnection, now: float) -> None:
        if self._due:
            self._is_idle.clear()
            caller.send(next(self.requests), due_at=self._due.popleft())
            return
        self._idle.append(caller)
        if len(self._idle) == self.connections:
            self._is_idle.set()

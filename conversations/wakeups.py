"""Word from one process to whichever worker runs a turn: look whether it is still yours.

A NOTIFY leaves with the commit of its cause and is there in milliseconds.  It is only a hint: who misses
one finds out with the next frame, or by `IDLE_CHECK_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import structlog
from django.db import connection
from procrastinate.contrib.django.utils import connector_params

from conversations import gossip

log = structlog.get_logger(__name__)

CHANNEL: Final = "turn_called_off"
CHECK_S: Final = 10.0  # how often the connection is tried, as not every cut is told
RECONNECT_S: Final = 1.0

_sleepers: Final[dict[str, Callable[[], None]]] = {}  # by turn, those of this process


def wake(turn_id: int) -> None:
    """Wake the worker that runs the turn, once the transaction under way is committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(turn_id)])


@contextmanager
def waking(turn_id: int, act: Callable[[], None]) -> Iterator[None]:
    """Inside, `act` is called when the turn is to be looked at, and sometimes without need.

    It is called in another thread, and must not block.
    """
    _sleepers[str(turn_id)] = act
    try:
        yield
    finally:
        del _sleepers[str(turn_id)]


class Listener:
    """Listens as long as the web process lives: turns of calls are thought there."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """In a running loop."""
        self._task = asyncio.create_task(listen(connector_params()), name="listen for wakeups")

    def stop(self) -> None:
        if self._task:
            self._task.cancel()


async def listen(connection_parameters: dict[str, Any]) -> None:
    """Act on what is told as long as the process lives, over one connection."""
    while True:
        try:
            await _listen(connection_parameters)
        except psycopg.Error as error:
            log.warning("not listening to other processes", error=str(error))
        await asyncio.sleep(RECONNECT_S)


async def _listen(connection_parameters: dict[str, Any]) -> None:
    async with await psycopg.AsyncConnection.connect(**connection_parameters, autocommit=True) as listener:
        await listener.execute("; ".join(f"LISTEN {channel}" for channel in HEARD))
        for act in list(_sleepers.values()):  # word may have been missed
            act()
        while True:
            async for notify in listener.notifies(timeout=CHECK_S):
                HEARD[notify.channel](notify.payload)
            await listener.execute("SELECT 1")


def _look(turn_id: str) -> None:
    if act := _sleepers.get(turn_id):  # or it is another process's
        act()


HEARD: Final[dict[str, Callable[[str], None]]] = {CHANNEL: _look, gossip.CHANNEL: gossip.heard}

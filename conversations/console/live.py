"""What this web process's consoles have to hear, read for all of them at once.

While a console is open, one query ten times a second finds what has changed anywhere
(`conversations.announcing`).  Only of conversations that somebody looks at are the rows read too; all
consoles learn which others have changed.  Who looks and who writes comes from all processes
(`conversations.gossip`).

Consoles are told directly, not through a channel layer: the database is what processes share, and a layer in
memory costs each console a thread's turn and a walk over all others for each frame.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Final, Protocol

import structlog
from asgiref.sync import sync_to_async
from django.db import Error

from bots.database import release_connection
from conversations import announcing, gossip
from conversations.announcing import Change, Event, Reader
from conversations.console import masking, visits
from conversations.console.presence import BEAT_S, PROCESS, Presence
from conversations.console.visits import Visit

log = structlog.get_logger(__name__)

TICK_S: Final = 0.1
CHECK_S: Final = 2.0  # how long a console may outlive its user's session or rights
START_BEFORE: Final = 1000  # changes that may have been under way when the first console opened

type Frame = dict[str, Any]


class Told:
    """A frame as text, written once for all who hear it."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    @cached_property
    def plain(self) -> str:
        return json.dumps(self._frame)

    @cached_property
    def covered(self) -> str:
        """For who may not read personal data."""
        if "events" not in self._frame:
            return self.plain
        return json.dumps(self._frame | {"events": [masking.masked(each) for each in self._frame["events"]]})


class Console(Protocol):
    """An open console.  To tell it something never waits."""

    def hear(self, told: Told) -> None: ...

    def turn_away(self) -> None:
        """Its user has logged out, or may not read any more."""


class Hub:
    """The consoles of this process."""

    def __init__(self) -> None:
        self._open: dict[Console, Visit] = {}
        self._checked_at = 0.0
        self._watched: dict[Console, tuple[int, str]] = {}  # the conversation that it shows, and who looks
        self._watching: defaultdict[int, set[Console]] = defaultdict(set)  # the other way round
        self._told: dict[int, int] = {}  # up to which number a watched conversation's consoles were told
        self._reader: Reader | None = None
        self._task: asyncio.Task[None] | None = None
        self._presence = Presence()
        self._moved: set[int] = set()  # conversations where somebody came or went
        self._beat_at = 0.0
        self._typing: dict[tuple[int, str], None] = {}  # a set in order

    @property
    def cursor(self) -> int:
        """All changes up to this number were told; 0: it is not known yet."""
        return self._reader.cursor if self._reader else 0

    def join(self, console: Console, visit: Visit) -> None:
        self._open[console] = visit
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def leave(self, console: Console) -> None:
        self._unwatch(console)
        self._open.pop(console, None)

    def watch(self, console: Console, conversation_id: int, name: str) -> None:
        """Tell the console of this conversation from now on, and of no other."""
        self._unwatch(console)
        self._watched[console] = conversation_id, name
        self._watching[conversation_id].add(console)
        self._moved.add(conversation_id)
        console.hear(Told(presence(self._presence.names(conversation_id))))

    def types(self, console: Console) -> None:
        """Its operator writes where the console looks."""
        if console in self._watched:
            self._typing[self._watched[console]] = None

    def hear(self, word: gossip.Word) -> None:
        """What a process has told."""
        match word:
            case {"typing": name, "conversation": conversation_id}:
                self._tell(self._watchers(conversation_id), typing(conversation_id, name))
            case {"present": names, "conversation": conversation_id, "process": process}:
                if self._presence.note(conversation_id, process, names, time.monotonic()):
                    self._tell_presence(conversation_id)

    def _unwatch(self, console: Console) -> None:
        conversation_id, _ = self._watched.pop(console, (None, ""))
        if conversation_id is None:
            return
        self._watching[conversation_id].discard(console)
        if not self._watching[conversation_id]:
            del self._watching[conversation_id]
        self._moved.add(conversation_id)

    def _watchers(self, conversation_id: int) -> set[Console]:
        return self._watching.get(conversation_id, set())

    def _tell(self, consoles: Iterable[Console], frame: Frame) -> None:
        told = Told(frame)
        for console in list(consoles):  # who has fallen behind leaves
            console.hear(told)

    def _tell_presence(self, conversation_id: int) -> None:
        self._tell(self._watchers(conversation_id), presence(self._presence.names(conversation_id)))

    async def _run(self) -> None:
        """Tell what changes, as long as there is somebody to tell."""
        while self._open or self._moved:
            try:
                self._reader = self._reader or await in_thread(start_reader)
                await self._gossip(time.monotonic())
                await self._tick(self._reader)
                await self._check_visits(time.monotonic())
            except Error as error:
                log.warning("consoles are not told what changes", error=str(error))
                await asyncio.sleep(1)
            await asyncio.sleep(TICK_S)
        self._reader = None

    async def _gossip(self, now: float) -> None:
        """Let all processes know who looks and who writes here."""
        if now - self._beat_at >= BEAT_S:
            self._beat_at = now
            self._moved |= self._watching.keys()
            for conversation_id in self._presence.forget_silent(now):
                self._tell_presence(conversation_id)
        if not (self._moved or self._typing):
            return
        moved, self._moved = self._moved, set()
        written, self._typing = self._typing, {}
        words = [gossip.presence(each, PROCESS, self._names(each)) for each in moved]
        words += [gossip.typing(conversation_id, name) for conversation_id, name in written]
        try:
            await in_thread(lambda: gossip.tell(words))
        except Error:
            self._moved |= moved
            raise

    def _names(self, conversation_id: int) -> list[str]:
        return sorted({self._watched[console][1] for console in self._watchers(conversation_id)})

    async def _check_visits(self, now: float) -> None:
        if now - self._checked_at < CHECK_S:
            return
        self._checked_at = now
        ended = await in_thread(lambda: visits.ended(self._open.copy().values()))
        for console, visit in list(self._open.items()):
            if visit in ended:
                console.turn_away()

    async def _tick(self, reader: Reader) -> None:
        changes = await in_thread(lambda: reader.read(time.monotonic()))
        if not changes:
            return
        watched = set(self._watching)
        of_watched = [change for change in changes if change.conversation_id in watched]
        events = await in_thread(lambda: announcing.events_of(of_watched)) if of_watched else {}
        self._told = {each: told for each, told in self._told.items() if each in watched}
        for conversation_id, news in events.items():
            after = self._told.get(conversation_id, 0)
            self._told[conversation_id] = reader.cursor
            self._tell(self._watchers(conversation_id), changed(conversation_id, after, reader.cursor, news))
        self._tell(self._open, others_changed(changes))


async def in_thread(act: Any) -> Any:
    def run() -> Any:
        try:
            return act()
        finally:
            release_connection()

    return await sync_to_async(run, thread_sensitive=False)()


def start_reader() -> Reader:
    return Reader(last=max(0, announcing.newest_change() - START_BEFORE))


def hello(user_id: int) -> Frame:
    return {"type": "hello", "user": user_id}


def changed(conversation_id: int, after: int, cursor: int, events: list[Event]) -> Frame:
    """What has changed in a conversation behind `after`, up to `cursor`.  Who was told of less than
    `after` has missed something, and asks for it."""
    return {
        "type": "changed",
        "conversation": conversation_id,
        "after": after,
        "cursor": cursor,
        "events": events,
    }


def others_changed(changes: list[Change]) -> Frame:
    """Which conversations have changed, and in what: "message", "turn", "handoff", "note", "conversation"."""
    kinds: defaultdict[int, set[str]] = defaultdict(set)
    for change in changes:
        kinds[change.conversation_id].add(change.kind)
    return {"type": "inbox", "conversations": {str(pk): sorted(found) for pk, found in kinds.items()}}


def presence(names: list[str]) -> Frame:
    """Who looks at the conversation now."""
    return {"type": "presence", "names": names}


def typing(conversation_id: int, name: str) -> Frame:
    """An operator writes something in the conversation; without a name: its user does."""
    return {"type": "typing", "conversation": conversation_id, "name": name}


hub: Final = Hub()
gossip.listeners.append(hub.hear)

"""What this web process's consoles have to hear, read for all of them at once.

While a console is open, one query ten times a second finds what has changed anywhere
(`conversations.announcing`).  Only of conversations that somebody looks at are the rows read too; all
consoles learn which others have changed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from typing import Any, Final

import structlog
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import Error

from bots.database import release_connection
from conversations import announcing, user_typing
from conversations.announcing import Change, Event, Reader
from conversations.console import masking, visits
from conversations.console.visits import Visit

log = structlog.get_logger(__name__)

TICK_S: Final = 0.1
CHECK_S: Final = 2.0  # how long a console may outlive its user's session or rights
START_BEFORE: Final = 1000  # changes that may have been under way when the first console opened
EVERYBODY: Final = "console"

type Frame = dict[str, Any]


def group_of(conversation_id: int) -> str:
    return f"console.{conversation_id}"


class Hub:
    """The consoles of this process, by the name of their channel."""

    def __init__(self) -> None:
        self._open: dict[str, Visit] = {}
        self._checked_at = 0.0
        self._watched: dict[str, tuple[int, str]] = {}  # the conversation that it shows, and who looks
        self._told: dict[int, int] = {}  # up to which number a watched conversation's consoles were told
        self._reader: Reader | None = None
        self._task: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def cursor(self) -> int:
        """All changes up to this number were told; 0: it is not known yet."""
        return self._reader.cursor if self._reader else 0

    def join(self, channel: str, visit: Visit) -> None:
        self._open[channel] = visit
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def leave(self, channel: str) -> None:
        await self.unwatch(channel)
        self._open.pop(channel, None)
        if not self._open and self._task:
            self._task.cancel()
            self._task = self._reader = None

    async def watch(self, channel: str, conversation_id: int, name: str) -> None:
        await self.unwatch(channel)
        self._watched[channel] = conversation_id, name
        await self._tell_presence(conversation_id)

    async def unwatch(self, channel: str) -> None:
        conversation_id, _ = self._watched.pop(channel, (None, ""))
        if conversation_id is not None:
            await self._tell_presence(conversation_id)

    def user_types(self, conversation_id: int) -> None:
        """Tell those who look at the conversation.  In a running loop."""
        if any(watched == conversation_id for watched, _ in self._watched.values()):
            telling = asyncio.create_task(tell(group_of(conversation_id), typing(conversation_id, "")))
            self._telling.add(telling)  # or nobody would hold it
            telling.add_done_callback(self._telling.discard)

    async def _tell_presence(self, conversation_id: int) -> None:
        names = sorted({name for watched, name in self._watched.values() if watched == conversation_id})
        await tell(group_of(conversation_id), presence(names))

    async def _run(self) -> None:
        """Tell what changes, as long as there is somebody to tell."""
        while True:
            try:
                self._reader = self._reader or await in_thread(start_reader)
                await self._tick(self._reader)
                await self._check_visits(time.monotonic())
            except Error as error:
                log.warning("consoles are not told what changes", error=str(error))
                await asyncio.sleep(1)
            await asyncio.sleep(TICK_S)

    async def _check_visits(self, now: float) -> None:
        if now - self._checked_at < CHECK_S:
            return
        self._checked_at = now
        ended = await in_thread(lambda: visits.ended(self._open.copy().values()))
        for channel, visit in self._open.items():
            if visit in ended:
                await get_channel_layer().send(channel, {"type": "turn.away"})

    async def _tick(self, reader: Reader) -> None:
        changes = await in_thread(lambda: reader.read(time.monotonic()))
        if not changes:
            return
        watched = {conversation_id for conversation_id, _ in self._watched.values()}
        of_watched = [change for change in changes if change.conversation_id in watched]
        events = await in_thread(lambda: announcing.events_of(of_watched)) if of_watched else {}
        self._told = {each: told for each, told in self._told.items() if each in watched}
        for conversation_id, news in events.items():
            after = self._told.get(conversation_id, 0)
            self._told[conversation_id] = reader.cursor
            await tell(group_of(conversation_id), changed(conversation_id, after, reader.cursor, news))
        await tell(EVERYBODY, others_changed(changes))


async def tell(group: str, frame: Frame) -> None:
    await get_channel_layer().group_send(group, message_of(frame))


def message_of(frame: Frame) -> dict[str, Any]:
    """The frame as a console passes it on: for who may read personal data, and for who may not.  It is
    written once for all of them."""
    plain = covered = json.dumps(frame)
    if "events" in frame:
        events = [masking.masked(event) for event in frame["events"]]
        covered = json.dumps(frame | {"events": events})
    return {"type": "pass.on", "texts": (plain, covered)}


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
user_typing.listeners.append(hub.user_types)

"""The console's WebSocket.  It only relays: what operators do comes by HTTP (`views`)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from conversations import announcing
from conversations.console import live, rights
from conversations.console.live import Told, hub
from conversations.console.visits import Visit

FORBIDDEN: Final = 4403  # codes from 4000 on are an application's own
NOT_UNDERSTOOD: Final = 4400
FELL_BEHIND: Final = 4408
ROOM: Final = 200  # frames that a console may be behind: some ten seconds of a busy day


class Console(AsyncJsonWebsocketConsumer):
    """One console.

    It hears `hello`, then `inbox` of all conversations; once it has sent
    `{"type": "watch", "conversation": id, "after": cursor}` also `changed` and `presence` of that one.
    The first `changed` holds what it has missed since `after`.
    """

    _covers = True  # personal data
    _sending: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        user = self.scope["user"]
        if not await live.in_thread(lambda: rights.may_read(user)):
            await self.close(FORBIDDEN)
            return
        self._covers = not await live.in_thread(lambda: rights.may_read_personal(user))
        await self.accept()
        self._outbox: asyncio.Queue[Told | int] = asyncio.Queue(ROOM)  # frames, or why the connection ends
        self._sending = asyncio.create_task(self._send_all())
        self.hear(Told(live.hello(user.pk)))
        hub.join(self, Visit(user.pk, self.scope["session"].session_key))

    async def disconnect(self, code: int) -> None:
        hub.leave(self)
        if self._sending:
            self._sending.cancel()

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        match content:
            case {"type": "watch", "conversation": int(conversation_id), "after": int(cursor)}:
                await self._watch(conversation_id, cursor)
            case {"type": "typing"}:
                hub.types(self)
            case _:
                self._end(NOT_UNDERSTOOD)

    def hear(self, told: Told) -> None:
        if self._outbox.full():  # whoever does not read has to come back, and asks for what was missed
            self._end(FELL_BEHIND)
        else:
            self._outbox.put_nowait(told)

    def turn_away(self) -> None:
        self._end(FORBIDDEN)

    def _end(self, code: int) -> None:
        """Close the connection instead of sending what waits."""
        hub.leave(self)
        while not self._outbox.empty():
            self._outbox.get_nowait()
        self._outbox.put_nowait(code)

    async def _send_all(self) -> None:
        """Alone in writing to the socket, so that nothing follows its end."""
        with suppress(OSError):  # the browser is gone, which `disconnect` is told as well
            while isinstance(told := await self._outbox.get(), Told):
                await self.send(told.covered if self._covers else told.plain)
            await self.close(told)

    async def _watch(self, conversation_id: int, cursor: int) -> None:
        if not await live.in_thread(lambda: self._may_see(conversation_id)):
            self.turn_away()
            return
        hub.watch(self, conversation_id, str(self.scope["user"]))
        # Behind watching: what changes meanwhile is told twice rather than not at all.
        until = max(cursor, hub.cursor)
        events = await live.in_thread(lambda: announcing.events_since(conversation_id, cursor))
        self.hear(Told(live.changed(conversation_id, cursor, until, events)))

    def _may_see(self, conversation_id: int) -> bool:
        scope = rights.scope_of(self.scope["user"])
        return scope.conversations().filter(pk=conversation_id).exists()

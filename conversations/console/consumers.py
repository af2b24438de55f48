"""The console's WebSocket.  It only relays: what operators do comes by HTTP (`views`)."""

from __future__ import annotations

from typing import Any, Final

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from conversations import announcing
from conversations.console import live, rights
from conversations.console.live import hub
from conversations.console.visits import Visit

FORBIDDEN: Final = 4403  # codes from 4000 on are an application's own
NOT_UNDERSTOOD: Final = 4400


class Console(AsyncJsonWebsocketConsumer):
    """One console.

    It hears `hello`, then `inbox` of all conversations; once it has sent
    `{"type": "watch", "conversation": id, "after": cursor}` also `changed` and `presence` of that one.
    The first `changed` holds what it has missed since `after`.
    """

    _watched: int | None = None  # the conversation that it shows
    _covers = True  # personal data

    async def connect(self) -> None:
        user = self.scope["user"]
        if not await live.in_thread(lambda: rights.may_read(user)):
            await self.close(FORBIDDEN)
            return
        self._covers = not await live.in_thread(lambda: rights.may_read_personal(user))
        await self.accept()
        await self.channel_layer.group_add(live.EVERYBODY, self.channel_name)
        hub.join(self.channel_name, Visit(user.pk, self.scope["session"].session_key))
        await self.send_json(live.hello(user.pk))

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(live.EVERYBODY, self.channel_name)
        await self._leave_conversation()
        await hub.leave(self.channel_name)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        match content:
            case {"type": "watch", "conversation": int(conversation_id), "after": int(cursor)}:
                await self._watch(conversation_id, cursor)
            case {"type": "typing"} if self._watched is not None:
                name = str(self.scope["user"])
                await live.tell(live.group_of(self._watched), live.typing(self._watched, name))
            case _:
                await self.close(NOT_UNDERSTOOD)

    async def pass_on(self, event: dict[str, Any]) -> None:
        plain, covered = event["texts"]
        await self.send(covered if self._covers else plain)

    async def turn_away(self, event: dict[str, Any]) -> None:
        """The user has logged out, or may not read any more."""
        await self.close(FORBIDDEN)

    async def _watch(self, conversation_id: int, cursor: int) -> None:
        if not await live.in_thread(lambda: self._may_see(conversation_id)):
            await self.close(FORBIDDEN)
            return
        if self._watched != conversation_id:
            await self._leave_conversation()
            await self.channel_layer.group_add(live.group_of(conversation_id), self.channel_name)
            self._watched = conversation_id
            await hub.watch(self.channel_name, conversation_id, str(self.scope["user"]))
        # Behind joining the group: what changes meanwhile is told twice rather than not at all.
        until = max(cursor, hub.cursor)
        events = await live.in_thread(lambda: announcing.events_since(conversation_id, cursor))
        await self.pass_on(live.message_of(live.changed(conversation_id, cursor, until, events)))

    def _may_see(self, conversation_id: int) -> bool:
        scope = rights.scope_of(self.scope["user"])
        return scope.conversations().filter(pk=conversation_id).exists()

    async def _leave_conversation(self) -> None:
        if self._watched is not None:
            await self.channel_layer.group_discard(live.group_of(self._watched), self.channel_name)
            await hub.unwatch(self.channel_name)
            self._watched = None

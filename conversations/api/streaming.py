"""A reply as server-sent events, ahead of Django: a stream must not hold one of its threads.

A view that is asked for a stream answers as always and names in STREAM_HEADER the message and who reads
(`app` or `client`); what leaves instead is the stream of the reply to it, read from the database as it grows.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.serializers.json import DjangoJSONEncoder

from bots.database import release_connection
from conversations.models import Conversation, Message, Turn

STREAM_HEADER: Final = "X-Parley-Stream"
WANTED: Final = STREAM_HEADER.lower().encode()
CORS: Final = b"access-control-"
LOOK_S: Final = 0.15  # between two looks; frames leave once a second
KEEP_ALIVE_S: Final = 15.0
LONGEST_S: Final = 600.0

HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]

type Scope = dict[str, Any]
type Event = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far the reply to a message is."""

    question: Any  # as the API tells a message
    turn: Turn | None
    owner: str
    robot_is_enabled: bool
    said: list[tuple[int, str]]  # of the reply's messages: id, text
    last: Any  # the reply's last message as the API tells it, once it has ended


async def streamed(django: Any, scope: Scope, receive: Any, send: Any) -> None:
    """Pass on Django's answer, or the stream that it names."""
    headers: dict[bytes, bytes] = {}

    async def pass_on(event: Any) -> None:
        if event["type"] == "http.response.start":
            headers.update((name.lower(), value) for name, value in event["headers"])
        if WANTED not in headers:
            await send(event)

    await django(scope, receive, pass_on)
    if WANTED in headers:
        await stream(headers, receive, send)


async def stream(headers: dict[bytes, bytes], receive: Any, send: Any) -> None:
    """Send the events of the reply until it has ended, or the client hangs up."""
    # Without those of CORS, a page of another origin may not read what comes.
    kept = [each for each in headers.items() if each[0] == b"vary" or each[0].startswith(CORS)]
    message_id, reader = headers[WANTED].decode().split()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS + kept})
    sending = asyncio.create_task(_send_events(message_id, reader, send))
    hanging_up = asyncio.create_task(_wait_for_hang_up(receive))
    await asyncio.wait({sending, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
    hanging_up.cancel()
    if sending.done():
        sending.result()
        await send({"type": "http.response.body", "body": b""})
    else:
        sending.cancel()


async def _send_events(message_id: str, reader: str, send: Any) -> None:
    async for line in _lines(message_id, reader):
        await send({"type": "http.response.body", "body": line, "more_body": True})


async def _wait_for_hang_up(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lines(message_id: str, reader: str) -> AsyncIterator[bytes]:
    progress = Progress()
    ends_at, quiet_since = time.monotonic() + LONGEST_S, time.monotonic()
    while not progress.is_over:
        now = await sync_to_async(look, thread_sensitive=False)(message_id, reader)
        for name, data in progress.events(now):
            yield b"event: %s\ndata: %s\n\n" % (name.encode(), as_json(data))
            quiet_since = time.monotonic()
        if time.monotonic() - quiet_since > KEEP_ALIVE_S:
            yield b": still here\n\n"
            quiet_since = time.monotonic()
        if time.monotonic() > ends_at:
            return
        await asyncio.sleep(LOOK_S)


def as_json(data: Any) -> bytes:
    return json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False).encode()


class Progress:
    """What of a reply the client has heard."""

    def __init__(self) -> None:
        self.is_over = False
        self._has_begun = False
        self._heard: dict[int, str] = {}

    def events(self, now: Snapshot) -> Iterator[Event]:
        """What is new."""
        if not self._has_begun:
            self._has_begun = True
            yield "message", now.question
        for message_id, text in now.said:
            heard = self._heard.get(message_id, "")
            if len(text) > len(heard) and text.startswith(heard):
                yield "delta", {"text": text[len(heard) :]}
            self._heard[message_id] = text
        if end := ending(now):
            self.is_over = True
            yield end


def ending(now: Snapshot) -> Event | None:
    """The last event, once nothing follows."""
    if now.turn is None:
        if now.owner == Conversation.Owner.OPERATOR:
            return "error", error("with_operator", "People answer in this conversation now.")
        if not now.robot_is_enabled:
            return "error", error("robot_disabled", "The robot is disabled.")
        return None
    if now.turn.state in (Turn.State.WAITING, *Turn.RUNNING):
        return None
    if now.turn.state == Turn.State.FAILED:
        return "error", error("failed", now.said[-1][1] if now.said else "No answer could be given.")
    if now.last is None:
        return "error", error(now.turn.state, "The reply was ended before it began.")
    return "done", {"message": now.last}


def error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "fields": {}}}


def look(message_id: str, reader: str) -> Snapshot:
    """How far the reply is now.  Two or three queries."""
    from conversations.api.serializers import ClientsMessageOut, MessageOut
    from conversations.api.views import messages_of

    shape = ClientsMessageOut if reader == "client" else MessageOut
    try:
        question = Message.objects.select_related("conversation__robot", "turn").get(public_id=message_id)
        conversation, turn = question.conversation, question.turn
        replies = conversation.messages.filter(turn=turn, sender=Message.Sender.ROBOT) if turn else None
        said = list(replies.exclude(state__in=Message.GONE).order_by("id")) if replies is not None else []
        has_ended = turn is not None and turn.ended_at is not None
        last = messages_of(conversation).get(pk=said[-1].pk) if said and has_ended else None
        return Snapshot(
            question=shape(question).data,
            turn=turn,
            owner=conversation.owner,
            robot_is_enabled=conversation.robot.enabled,
            said=[(message.pk, message.text) for message in said],
            last=shape(last).data if last else None,
        )
    finally:
        release_connection()

"""Callbacks: checked, and read into events.

Pre-send: callback_presending.html.  Post-send: callback_postsending.html.  Signature: either of them.
Mentions: `em_at_list`, docs/document/android/push of easemob/easemob-doc.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from django.utils.crypto import constant_time_compare

from bots.errors import CallbackMalformed, CallbackRejected
from bots.events import (
    Address,
    Content,
    Custom,
    Event,
    File,
    Ignored,
    Image,
    MessageReceived,
    MessageSent,
    Text,
    Typing,
    Voice,
)
from bots.vendors.base import IncomingCallback
from bots.vendors.easemob.config import EasemobConfig
from bots.vendors.easemob.protocol import key_of
from bots.vendors.reading import Fields

# The signature covers neither body nor address, so it is good for a short while only …
FRESH_FOR: Final = timedelta(minutes=10)
# … unless it names the message: then a replay can but repeat it.  Easemob keeps failed callbacks for three
# days and sends them again when asked to (callback_postsending_exception_storage).
FRESH_IF_NAMED: Final = timedelta(days=3, hours=1)
LONGEST_ID: Final = 100
LONGEST_CALL_ID: Final = 300
LONGEST_DELIVERY_ID: Final = 200
PEER: Final = "chat"
OFFLINE: Final = "chat_offline"  # the same message again, for a receiver who is not online


def check(callback: IncomingCallback, config: EasemobConfig) -> None:
    """Raises CallbackRejected for what is not signed for this app, CallbackMalformed for a strange body."""
    body = Fields(callback.json)
    call_id = body.id("callId", longest=LONGEST_CALL_ID)
    timestamp = body.number("timestamp")
    # Either of the two would be missing from no callback, so they may be asked for ahead of the signature.
    expected = signature_of(call_id, config.callback_secret, timestamp)
    given = callback.json.get("security")
    if not isinstance(given, str) or not constant_time_compare(given.lower(), expected):
        raise CallbackRejected("the signature does not match")
    age = abs(callback.received_at - body.time("timestamp", per_second=1000))
    if age > (FRESH_IF_NAMED if _names_message(callback, call_id) else FRESH_FOR):
        raise CallbackRejected("timestamp is too far away from our clock")
    event_of(callback)


def signature_of(call_id: str, secret: str, timestamp: int) -> str:
    """MD5 is what Easemob uses."""
    return hashlib.md5(f"{call_id}{secret}{timestamp}".encode(), usedforsecurity=False).hexdigest()


def _names_message(callback: IncomingCallback, call_id: str) -> bool:
    """Newer callbacks have `{appkey}_{msg_id}` for callId, older ones a random id."""
    message_id = callback.json.get("msg_id")
    return isinstance(message_id, str) and bool(message_id) and call_id.endswith(f"_{message_id}")


def event_of(callback: IncomingCallback) -> str:
    """Easemob's name for the event.  Not all callbacks have the same field for it."""
    body = Fields(callback.json)
    names = [body.text(name, "", longest=LONGEST_ID) for name in ("eventType", "chat_type", "status")]
    return next(filter(None, names), "event without a name")


def delivery_id(callback: IncomingCallback) -> str:
    """Whether a repeat keeps its callId is not documented; if not, the message's id makes it harmless.

    The same callId may come with `chat` and with `chat_offline`.
    """
    readable = "|".join((event_of(callback), Fields(callback.json).text("callId")))
    if len(readable) <= LONGEST_DELIVERY_ID:
        return readable
    return hashlib.sha256(readable.encode()).hexdigest()


def read(callback: IncomingCallback) -> list[Event]:
    """Raises CallbackMalformed when a field that must be there is missing or has the wrong type."""
    if reason := _reason_to_ignore(callback):
        return [ignored(callback, reason)]
    if command_of(callback):
        return [read_typing(callback)]
    key = key_of(callback.json)
    return [read_message(callback) if key is None else read_sent(callback, key)]


def command_in(payload: Fields) -> str:
    """What a client tells another one, such as that its user is typing: nobody's words."""
    bodies = payload.source.get("bodies")
    body = bodies[0] if isinstance(bodies, list) and bodies else payload.source
    is_command = isinstance(body, dict) and body.get("type") == "cmd"
    return str(body.get("action") or "?") if is_command else ""


def _reason_to_ignore(callback: IncomingCallback) -> str:
    body = Fields(callback.json)
    event, kind = event_of(callback), body.text("chat_type", "")
    if event == OFFLINE:
        return f"{OFFLINE}: the message was told of already"
    if kind == ROOM or body.text("content_type", "").startswith(ROOM_CONTENT):
        return "written in a chat room"
    # A newer pre-send callback may have an eventType whose words are not documented, hence no more tests.
    if kind not in {PEER, *GROUPS}:
        return f"unknown event {event}"
    if kind == PEER and body.id("from").lower() == body.id("to").lower():
        return "written to oneself"
    action = command_of(callback)
    is_typing = kind == PEER and action == TYPING
    return f"a command of the client's ({action})" if action and not is_typing else ""


def command_of(callback: IncomingCallback) -> str:
    return command_in(Fields(callback.json).object("payload"))


def read_typing(callback: IncomingCallback) -> Typing:
    """What sample clients send every few seconds while their user writes (android/message_send_receive)."""
    body = Fields(callback.json)
    return Typing(
        event_id=delivery_id(callback),
        happened_at=_event_time(callback),
        raw=callback.json,
        robot_id=body.id("to").lower(),
        conversation=Address(kind="peer", id=body.id("from").lower()),
    )


def read_message(callback: IncomingCallback) -> MessageReceived:
    """Pre-send and post-send callbacks tell of a message in the same words, and with the same msg_id.

    Ids of people are folded to lower case by the vendor, though not necessarily in what it sends.
    """
    body = Fields(callback.json)
    sender_id, payload = body.id("from").lower(), body.object("payload")
    is_group = is_in_group(body)
    return MessageReceived(
        event_id=delivery_id(callback),
        happened_at=body.time("timestamp", per_second=1000),
        raw=callback.json,
        robot_id=None if is_group else body.id("to").lower(),
        conversation=group_of(body) if is_group else Address(kind="peer", id=sender_id),
        sender_id=sender_id,
        content=read_payload(payload),
        vendor_message_id=body.id("msg_id", longest=LONGEST_ID),
        mentions=mentions_in(payload) if is_group else (),
    )


def read_sent(callback: IncomingCallback, key: int) -> MessageSent:
    """A message of ours, which is told of where the rule has messages of REST too.

    No callback tells of streams.
    """
    body = Fields(callback.json)
    return MessageSent(
        event_id=delivery_id(callback),
        happened_at=body.time("timestamp", per_second=1000),
        raw=callback.json,
        robot_id=body.id("from").lower(),
        conversation=group_of(body) if is_in_group(body) else Address(kind="peer", id=body.id("to").lower()),
        vendor_message_id=body.id("msg_id", longest=LONGEST_ID),
        key=key,
        is_finished=True,
    )


def is_in_group(body: Fields) -> bool:
    return body.text("chat_type") in GROUPS


def group_of(body: Fields) -> Address:
    name = "group_id" if body.source.get("group_id") else "to"
    return Address(kind="group", id=body.any_id(name))


def mentions_in(payload: Fields) -> tuple[str, ...] | None:
    """The list that the client SDKs' push settings and the UIKits know; for everybody it is a text, "ALL".

    A client that has no such list may still have the name in the text.
    """
    mentioned = payload.object("ext", {}).source.get("em_at_list")
    if not isinstance(mentioned, list) or not mentioned:
        return None
    return tuple(user.lower() for user in mentioned if isinstance(user, str))


def ignored(callback: IncomingCallback, reason: str) -> Ignored:
    return Ignored(
        event_id=delivery_id(callback), happened_at=_event_time(callback), raw=callback.json, reason=reason
    )


def _event_time(callback: IncomingCallback) -> datetime:
    try:
        return Fields(callback.json).time("timestamp", per_second=1000)
    except CallbackMalformed:
        return callback.received_at


def read_payload(payload: Fields) -> Content:
    """Two shapes are documented: the content itself, or a list of them as `bodies`."""
    if payload.source.get("bodies") is None:
        return read_body(payload)
    bodies = payload.objects("bodies")
    if not bodies:
        raise payload.wrong("bodies", "is empty")
    return read_body(bodies[0])


def read_body(body: Fields) -> Content:
    if body.text("subType", "") == "sub_combine":  # its type says txt
        return read_combined(body)
    return BODIES.get(body.text("type"), read_other)(body)


def read_text(body: Fields) -> Text:
    return Text(text=body.text("msg"))


def read_image(body: Fields) -> Image:
    size = body.object("size", {})
    width, height = size.number("width", 0) or None, size.number("height", 0) or None
    return Image(url=body.text("url", ""), width=width, height=height)


def read_voice(body: Fields) -> Voice:
    return Voice(url=body.text("url", ""), seconds=body.number("length", 0) or None)


def read_file(body: Fields) -> File:
    return File(
        url=body.text("url", ""),
        name=body.text("filename", ""),
        size=body.number("file_length", 0) or None,
    )


def read_location(body: Fields) -> Custom:
    place = ", ".join(str(body.source.get(name, "?")) for name in ("lat", "lng"))
    return Custom(data=as_json(body), text=f"{body.text('addr', '')} ({place})".strip())


def read_custom(body: Fields) -> Custom:
    return Custom(data=as_json(body), text=body.text("customEvent", ""))


def read_combined(body: Fields) -> Custom:
    words = (body.text("title", ""), body.text("summary", ""))
    return Custom(data=as_json(body), text="\n".join(filter(None, words)))


def read_other(body: Fields) -> Custom:
    return Custom(data=as_json(body))


def as_json(body: Fields) -> str:
    return json.dumps(dict(body.source), ensure_ascii=False)


TYPING: Final = "TypingBegin"
GROUPS: Final = frozenset({"group", "groupchat"})  # rooms may come as `groupchat` too
ROOM: Final = "chatroom"
ROOM_CONTENT: Final = "chat:room:"

BODIES: Final[dict[str, Callable[[Fields], Content]]] = {
    "txt": read_text,
    "img": read_image,
    "audio": read_voice,
    "video": read_file,
    "file": read_file,
    "loc": read_location,
    "custom": read_custom,
}

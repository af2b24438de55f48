"""Callbacks: checked, and read into events.

Signature: /zim-server/callbacks/authenticating-server-to-server-callbacks.  `send_msg`:
/zim-server/callbacks/message-sent.  `bot_msg`: …/one-to-one-conversation-bot-message-sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote_to_bytes

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
    JSONDict,
    MessageReceived,
    MessageSent,
    Said,
    Text,
    Voice,
)
from bots.text import clean_json
from bots.vendors.base import IncomingCallback
from bots.vendors.reading import Fields
from bots.vendors.zego.config import ZegoConfig
from bots.vendors.zego.protocol import ROBOT_PREFIX, is_finished, key_in, message_id

# Callbacks are repeated for a good minute after the first failure, and it is not documented whether a repeat
# is signed anew: as long as ZEGO itself accepts signatures for.
FRESH_FOR: Final = timedelta(minutes=10)
LONGEST_EVENT: Final = 100
LONGEST_DELIVERY_ID: Final = 200
MILLISECONDS_FROM: Final = 10**11  # as seconds, this is in the year 5138

BEFORE_SEND: Final = "before_send_msg"
PEER, GROUP = 0, 2  # `conv_type`; 1 is a room, 3 a channel
FROM_SERVER: Final = 1  # `source`


def check(callback: IncomingCallback, config: ZegoConfig) -> None:
    """Raises CallbackRejected for what is not signed for this app, CallbackMalformed for a strange body.

    The signature stands in the body, so a body that is no JSON object has none to judge.
    """
    body = body_of(callback)
    check_signature(Fields(body, error=CallbackRejected), config, callback.received_at)
    event_of(callback)


def check_signature(body: Fields, config: ZegoConfig, received_at: datetime) -> None:
    """SHA-1 of secret, time and nonce, sorted as texts: it covers neither the event nor the message.

    Pairs of nonce and signature that were seen before are let in: a repeat may well bring the same, and
    has no effect, as it tells of the same message.
    """
    signed = [body.any_id("timestamp", longest=20), body.any_id("nonce", longest=200), config.callback_secret]
    expected = hashlib.sha1("".join(sorted(signed)).encode(), usedforsecurity=False).hexdigest()
    if not constant_time_compare(body.text("signature"), expected):
        raise CallbackRejected("the signature does not match")
    if abs(received_at - time_of(body, "timestamp")) > FRESH_FOR:
        raise CallbackRejected("timestamp is more than 10 minutes away from our clock")
    if body.any_id("appid") != str(config.app_id):
        raise CallbackRejected("appid is not that of this account")


def body_of(callback: IncomingCallback) -> JSONDict:
    """The body; the page on signatures has it URL-encoded, all samples have it as it is."""
    try:
        return callback.json
    except CallbackMalformed:
        if not callback.body.lstrip().startswith(b"%7"):  # `{` in either case of the second digit
            raise
    return replace(callback, body=url_decoded(callback.body)).json


def url_decoded(encoded: bytes) -> bytes:
    """Blanks come as `%20` or as `+`, depending on who encodes; where there is a `%20`, a plus is a plus."""
    return unquote_to_bytes(encoded if b"%20" in encoded else encoded.replace(b"+", b"%20"))


def event_of(callback: IncomingCallback) -> str:
    """The vendor's name of the event, such as `send_msg`."""
    return Fields(body_of(callback)).id("event", longest=LONGEST_EVENT)


def asks_permission(callback: IncomingCallback) -> bool:
    # Most callbacks ask nothing: they are not parsed for that.
    return BEFORE_SEND.encode() in callback.body and event_of(callback) == BEFORE_SEND


def delivery_id(callback: IncomingCallback) -> str:
    """Repeats may be signed anew, so what tells of a message is known by the message.

    An edit fires `send_msg` again (undocumented, presumably with the same msg_id): it counts as a repeat.
    """
    body, event = body_of(callback), event_of(callback)
    ids = [str(body.get(name) or "") for name in ("from_user_id", "conv_id", "msg_id")]
    if event in READERS and all(ids):
        readable = "|".join((event, *ids))
        if len(readable) <= LONGEST_DELIVERY_ID:
            return readable
    return f"{event}|{hashlib.sha256(callback.body).hexdigest()}"


def read(callback: IncomingCallback) -> list[Event]:
    """Raises CallbackMalformed when a field that must be there is missing or has the wrong type."""
    read_body = READERS.get(event_of(callback), read_other_event)
    return [read_body(callback)]


def read_message(callback: IncomingCallback) -> Said | Ignored:
    """`send_msg` and `bot_msg` tell of a message in the same words.

    When an app has both switched on, they come with the same msg_id.
    """
    body = Fields(body_of(callback))
    if reason := reason_to_ignore(body):
        return ignored(callback, reason)
    sender_id = body.id("from_user_id")
    if sender_id.startswith(ROBOT_PREFIX):
        return read_sent(callback, body)
    place, is_group = body.id("conv_id"), is_in_group(body)
    return MessageReceived(
        event_id=delivery_id(callback),
        happened_at=time_of(body, "msg_time"),
        raw=body_of(callback),
        robot_id=None if is_group else place,
        conversation=Address(kind="group", id=place) if is_group else Address(kind="peer", id=sender_id),
        sender_id=sender_id,
        content=read_content(body.number("msg_type"), body, "msg_body"),
        vendor_message_id=body.any_id("msg_id", longest=100),
        order=body.number("msg_seq", 0),  # not in ZEGO's sample
        mentions=None if is_group else (),  # clients send a list of them; callbacks do not have it
    )


def read_sent(callback: IncomingCallback, body: Fields) -> MessageSent:
    """A robot's message, or an edit of one, which is told of in the same words.

    Through the server API the receiver stands in `user_list` only.
    """
    receivers = body.objects("user_list", [])
    place = receivers[0].id("UserId") if receivers else body.id("conv_id")
    payload = body.text("payload", "")
    return MessageSent(
        event_id=delivery_id(callback),
        happened_at=time_of(body, "msg_time"),
        raw=body_of(callback),
        robot_id=body.id("from_user_id"),
        conversation=Address(kind="group" if is_in_group(body) else "peer", id=place),
        vendor_message_id=message_id(body.any_id("msg_id", longest=60), body.number("msg_seq")),
        key=key_in(payload),
        is_finished=is_finished(payload),
        order=body.number("msg_seq"),
    )


def is_in_group(body: Fields) -> bool:
    return body.number("conv_type") == GROUP


def reason_to_ignore(body: Fields) -> str | None:
    if body.id("from_user_id").startswith(ROBOT_PREFIX):
        return reason_to_ignore_robot(body)
    # `bot_msg` has no `source`; like all messages of the server API, its own has no `conv_id`.
    has_no_place = not body.text("conv_id", "") and "user_list" in body.source
    if body.number("source", 0) == FROM_SERVER or has_no_place:
        return "sent through the server API"
    if result := body.number("send_result", 0):
        return f"not delivered (send_result {result})"
    return reason_of_place(body.number("conv_type"), body.text("conv_id"))


def reason_to_ignore_robot(body: Fields) -> str | None:
    if result := body.number("send_result", 0):
        return f"not delivered (send_result {result})"
    if body.number("conv_type") not in (PEER, GROUP):
        return "written by a robot, neither one-to-one nor in a group"
    # Of a message to several users at once neither is told; we send none.
    if not body.source.get("msg_id") or body.source.get("msg_seq") is None:
        return "written by a robot, without its numbers"
    return None


def reason_of_place(conv_type: int, conv_id: str) -> str | None:
    if conv_type == GROUP:
        return None  # whether a robot may be in a group is not documented
    if conv_type != PEER:
        return f"neither one-to-one nor in a group (conv_type {conv_type})"
    if conv_id and not conv_id.startswith(ROBOT_PREFIX):
        return "written to a user"
    return None


def read_other_event(callback: IncomingCallback) -> Ignored:
    return ignored(callback, f"nothing to do on {event_of(callback)}")


def ignored(callback: IncomingCallback, reason: str) -> Ignored:
    return Ignored(
        event_id=delivery_id(callback),
        happened_at=_event_time(callback),
        raw=body_of(callback),
        reason=reason,
    )


def _event_time(callback: IncomingCallback) -> datetime:
    body = Fields(body_of(callback))
    for name in ("msg_time", "timestamp"):
        try:
            return time_of(body, name)
        except CallbackMalformed:
            continue
    return callback.received_at


def time_of(body: Fields, name: str) -> datetime:
    """Unix time in seconds or in milliseconds: texts and samples disagree, and events among themselves."""
    return body.time(name, per_second=1000 if body.number(name) >= MILLISECONDS_FROM else 1)


def read_content(msg_type: int, source: Fields, name: str) -> Content:
    """What a message of this type holds in that field."""
    if msg_type == TEXT_TYPE:
        return Text(text=source.text(name))
    if msg_type in MEDIA:
        return MEDIA[msg_type](read_object(source, name))
    return Custom(data=as_text(source, name))


def read_object(source: Fields, name: str) -> Fields:
    """A JSON object that comes as a text, URL-encoded or not, or as it is."""
    value = source.source.get(name)
    if isinstance(value, str):
        value = parsed(value) or parsed(url_decoded(value.encode()).decode(errors="replace"))
    if value is None:
        raise source.wrong(name, "is not a JSON object")
    return Fields({name: value}, path=source.path, error=source.error).object(name)


def parsed(text: str) -> JSONDict | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return clean_json(value) if isinstance(value, dict) else None


def as_text(source: Fields, name: str) -> str:
    value = source.source.get(name)
    if value is None:
        raise source.wrong(name, "is missing")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_image(media: Fields) -> Image:
    return Image(
        url=media.text("download_url", ""),
        width=media.number("origin_image_width", 0) or None,
        height=media.number("origin_image_height", 0) or None,
    )


def read_voice(media: Fields) -> Voice:
    return Voice(url=media.text("download_url", ""), seconds=media.number("media_duration", 0) or None)


def read_file(media: Fields) -> File:
    return File(
        url=media.text("download_url", ""),
        name=media.text("file_name", ""),
        size=media.number("file_size", 0) or None,
    )


def read_combined(media: Fields) -> Content:
    """The texts of all parts; without text, the first part that is not an app's own."""
    parts = [
        read_content(part.number("msg_type"), part, "callback_content") for part in media.objects("multi_msg")
    ]
    texts = [part.text for part in parts if isinstance(part, Text)]
    if texts:
        return Text(text="\n".join(texts))
    if not parts:
        raise media.wrong("multi_msg", "is empty")
    return next((part for part in parts if not isinstance(part, Custom)), parts[0])


def read_merged(media: Fields) -> Custom:
    """Messages of another conversation, handed on."""
    words = (media.text(name, "") for name in ("Title", "Summary"))
    data = json.dumps(dict(media.source), ensure_ascii=False)
    return Custom(data=data, text="\n".join(filter(None, words)))


TEXT_TYPE: Final = 1
MEDIA: Final[dict[int, Callable[[Fields], Content]]] = {
    10: read_combined,
    11: read_image,
    12: read_file,
    13: read_voice,
    14: read_file,  # a video
    100: read_merged,
}

READERS: Final[dict[str, Callable[[IncomingCallback], Said | Ignored]]] = {
    "send_msg": read_message,
    "bot_msg": read_message,
}

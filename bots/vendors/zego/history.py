"""A conversation as `QueryPeerMsg` and `QueryGroupMsg` tell it, in the words of callbacks
(/zim-server/conversation/query-the-message-list-of-one-on-one-chats; the same for a group)."""

from __future__ import annotations

import json
from typing import Any, Final

from bots.errors import CallbackMalformed
from bots.events import Address, Content, Custom, JSONDict, MessageReceived, MessageSent, Said
from bots.vendors.reading import Fields
from bots.vendors.zego import callbacks, protocol

# What media are made of where they are sent, and how callbacks call that.  It is not documented which of the
# two words the history has.
MEDIA_WORDS: Final = {
    "Url": "download_url",
    "FileName": "file_name",
    "Size": "file_size",
    "MediaDuration": "media_duration",
    "MultiMsg": "multi_msg",
}
PART_WORDS: Final = {"MsgType": "msg_type", "Msg": "callback_content"}


def read_record(record: Fields, robot_id: str, conversation: Address) -> Said | None:
    """None for an empty one: it was recalled or deleted."""
    if record.number("IsEmpty", 0):
        return None
    if record.id("Sender") == robot_id:
        return read_sent(record, robot_id, conversation)
    return read_received(record, robot_id, conversation)


def read_received(record: Fields, robot_id: str, conversation: Address) -> MessageReceived:
    is_group, message_id = conversation.kind == "group", record.any_id("MsgId", longest=100)
    return MessageReceived(
        event_id=f"history|{message_id}",
        happened_at=record.time("MsgTime", per_second=1000),
        raw=dict(record.source),
        robot_id=None if is_group else robot_id,
        conversation=conversation,
        sender_id=record.id("Sender"),
        content=read_content(record),
        vendor_message_id=message_id,
        order=record.number("MsgSeq", 0),
        mentions=None if is_group else (),
    )


def read_sent(record: Fields, robot_id: str, conversation: Address) -> MessageSent:
    number, payload = record.number("MsgSeq"), record.text("Payload", "")
    message_id = protocol.message_id(record.any_id("MsgId", longest=60), number)
    return MessageSent(
        event_id=f"history|{message_id}",
        happened_at=record.time("MsgTime", per_second=1000),
        raw=dict(record.source),
        robot_id=robot_id,
        conversation=conversation,
        vendor_message_id=message_id,
        key=protocol.key_in(payload),
        is_finished=protocol.is_finished(payload),
        order=number,
    )


def read_content(record: Fields) -> Content:
    """What cannot be understood is kept as it is: it was said all the same."""
    kind, body = record.number("MsgType"), dict(record.source)
    if kind in callbacks.MEDIA:
        body["MsgBody"] = as_told(body.get("MsgBody"))
    try:
        return callbacks.read_content(kind, Fields(body), "MsgBody")
    except CallbackMalformed:
        return Custom(data=callbacks.as_text(record, "MsgBody"))


def as_told(body: Any) -> Any:
    """A media message in the words of callbacks."""
    media = callbacks.parsed(body) if isinstance(body, str) else body
    if not isinstance(media, dict):
        return body
    told = {MEDIA_WORDS.get(name, name): value for name, value in media.items()}
    if isinstance(origin := told.pop("Origin", None), dict):
        told |= image_words(origin)
    if isinstance(parts := told.get("multi_msg"), list):
        told["multi_msg"] = [part_words(part) for part in parts if isinstance(part, dict)]
    return told


def image_words(origin: JSONDict) -> JSONDict:
    return {
        "download_url": origin.get("Url"),
        "origin_image_width": origin.get("Width"),
        "origin_image_height": origin.get("Height"),
    }


def part_words(part: JSONDict) -> JSONDict:
    told = {PART_WORDS.get(name, name): value for name, value in part.items()}
    content = told.get("callback_content")
    if told.get("msg_type") in callbacks.MEDIA:
        told["callback_content"] = json.dumps(as_told(content), ensure_ascii=False)
    return told

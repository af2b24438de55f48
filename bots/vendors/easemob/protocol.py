"""What we send: neutral messages in Easemob's words.

Plain messages: message_single.html, message_group.md.  Streams: message_stream_send_single.html,
message_stream_send_group.html.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from bots.errors import Unsupported
from bots.events import Address, ConversationKind, Image, JSONDict, OutgoingMessage
from bots.keys import key_given_back
from bots.text import clean_text

# 5 KB for body and ext together; what counts is not documented, so bytes of JSON with room for ext.
MAX_BODY_BYTES: Final = 4000
MAX_STREAM_BYTES: Final = 96 * 1024  # of 128 KB
MARK: Final = "parley"  # our entry in `ext`
BLANK: Final = " "

# The calls, by where the message is.
type Calls = dict[ConversationKind, str]
PLAIN: Final[Calls] = {"peer": "messages/users", "group": "messages/chatgroups"}
STREAM: Final[Calls] = {"peer": "stream_message/user", "group": "stream_message/chatgroup"}
HISTORY: Final[Calls] = {"peer": "roaming/chat", "group": "roaming/group"}
CHAT_TYPES: Final[Calls] = {"peer": "chat", "group": "groupchat"}


def plain_request(message: OutgoingMessage) -> JSONDict:
    """The body of PLAIN."""
    return {
        "from": message.robot_id,
        "to": [message.conversation.id],
        **content_of(message),
        **message.extra,
        "ext": ext_of(message),
    }


def content_of(message: OutgoingMessage) -> JSONDict:
    """Its type and body.  That a picture may lie anywhere is guessed: pages show addresses of uploads."""
    attachment = message.attachment
    if attachment is None:
        return {"type": "txt", "body": {"msg": clean_text(message.text)}}
    if not isinstance(attachment, Image):
        raise Unsupported("how a server sends files is not documented", party="easemob")
    size = {"width": attachment.width or 0, "height": attachment.height or 0}
    return {"type": "img", "body": {"url": attachment.url, "filename": attachment.name, "size": size}}


def first_chunk(message: OutgoingMessage) -> JSONDict:
    """The body of STREAM that begins a stream.  `to` is one text there."""
    return {
        "from": message.robot_id,
        "to": message.conversation.id,
        "body": {"msg": clean_text(message.text), "seq": 0, "type": "markdown"},
        "ext": ext_of(message),
    }


def next_chunk(message: OutgoingMessage, increment: str) -> JSONDict:
    """The body of STREAM that goes on with it: numbers follow one another without a gap."""
    body: JSONDict = {"msgId": message.vendor_message_id, "msg": increment, "seq": message.frame}
    if message.is_finished:
        body |= {"finish": True, "finishReason": 0}
    return {"from": message.robot_id, "to": message.conversation.id, "body": body}


def typing_request(robot_id: str, conversation: Address) -> JSONDict:
    """A command that sample clients know as "is typing", for those online (android/message_send_receive)."""
    return {
        "from": robot_id,
        "to": [conversation.id],
        "type": "cmd",
        "body": {"action": "TypingBegin"},
        "routetype": "ROUTE_ONLINE",
    }


def rewrite_request(message: OutgoingMessage) -> JSONDict:
    """The body of `messages/rewrite` (message_modify.html); what `ext` holds stays."""
    return {"user": message.robot_id, "new_msg": {"type": "txt", "msg": clean_text(message.text)}}


def recall_request(message: OutgoingMessage) -> JSONDict:
    """The body of `messages/msg_recall`; `force`: however long ago it was (message_recall_single)."""
    return {
        "msg_id": message.vendor_message_id,
        "from": message.robot_id,
        "to": message.conversation.id,
        "chat_type": CHAT_TYPES[message.conversation.kind],
        "force": True,
        "sync_device": True,
    }


def ext_of(message: OutgoingMessage) -> JSONDict:
    """With our key, as text: it has more digits than numbers keep in JavaScript."""
    return {**message.extra.get("ext", {}), MARK: {"key": str(message.key)}}


def fits(text: str, *, is_stream: bool) -> bool:
    cleaned = clean_text(text)
    if is_stream:
        return len(cleaned.encode()) <= MAX_STREAM_BYTES
    return len(json.dumps({"msg": cleaned}, ensure_ascii=False).encode()) <= MAX_BODY_BYTES


def records_in(value: Any) -> Iterator[JSONDict]:
    """The messages of a page of history.  The name of the list is not documented: all lists count."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from records_in(inner)
    elif isinstance(value, list):
        yield from (record for record in value if isinstance(record, dict))


def has_list(value: Any) -> bool:
    """Whether a page is one that we can read at all."""
    return isinstance(value, list) or (isinstance(value, dict) and any(map(has_list, value.values())))


def key_of(record: JSONDict) -> int | None:
    """Our key in a message of the history or of a callback; None in messages of others."""
    for place in (record, payload_of(record)):
        ext = place.get("ext")
        mark = ext.get(MARK) if isinstance(ext, dict) else None
        if isinstance(mark, dict):
            return key_given_back(mark.get("key"))
    return None


def payload_of(record: JSONDict) -> JSONDict:
    """A message's content, which comes as an object or as its text."""
    payload = record.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            payload = None
    return payload if isinstance(payload, dict) else {}

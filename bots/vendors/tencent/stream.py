"""Answers as native stream elements (`TIMStreamElem`): increments of Markdown under one StreamMsgID.

One to one 269/128596, groups 269/128597.  Clients show them from SDK 8.9.7511 on, older ones CompatibleText.
Not documented: the answers but for StreamMsgID, the error codes of streams that have ended, and whether a
chunk in the middle may be empty, as the first and the last may.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bots.events import JSONDict, OutgoingMessage
from bots.text import clean_text
from bots.vendors.base import increment_of
from bots.vendors.reading import Fields
from bots.vendors.tencent import protocol

SEND: Final[protocol.Commands] = {
    "peer": "stream_msg/send_c2c_stream_msg",
    "group": "stream_msg/send_group_stream_msg",
}
ELEMENT: Final = "TIMStreamElem"
INTERVAL_S: Final = 0.25  # five calls a second for each stream
LONGEST_GAP_S: Final = 15.0  # then a stream ends by itself
MAX_TEXT_BYTES: Final = 96 * 1024  # of 128 KB
LONGEST_COMPATIBLE: Final = 1000  # characters of CompatibleText, which each call carries anew

PREFIX: Final = "stream/"
LONGEST_STREAM_ID: Final = 60
LONGEST_KEY: Final = 32  # MsgKey is three numbers of 32 bits


class StreamId(NamedTuple):
    """A sent stream's two names, kept as one id."""

    stream: str  # for more of it; "": not known, so there can be no more
    message: str  # MsgKey, in groups MsgSeq, for the recall; "": not known

    def __str__(self) -> str:
        return f"{PREFIX}{self.message}/{self.stream}"

    @classmethod
    def read(cls, id_: str) -> StreamId:
        message, _, stream = id_.removeprefix(PREFIX).partition("/")
        return cls(stream, message)


def is_stream(vendor_message_id: str | None) -> bool:
    return (vendor_message_id or "").startswith(PREFIX)


def request(message: OutgoingMessage) -> JSONDict:
    """The body of SEND, which begins a stream or adds to it."""
    return {**envelope(message), "MsgBody": [element(message)], **message.extra}


def envelope(message: OutgoingMessage) -> JSONDict:
    """Each frame has a random number of its own, the same in a repeat: whether Tencent takes two calls of
    one number for a repeat is not documented."""
    numbers = protocol.numbers_of(message)
    random = (numbers["MsgRandom"] + message.frame) % 2**32
    if protocol.is_in_group(message):
        # The page's sample says MsgRandom, Tencent's own plugin Random.
        place = {"GroupId": message.conversation.id, "Random": random}
    else:
        place = {"SyncOtherMachine": protocol.RECEIVER_ONLY, "To_Account": message.conversation.id}
    return {"From_Account": message.robot_id, **place, **numbers, "MsgRandom": random}


def element(message: OutgoingMessage) -> JSONDict:
    chunk = {
        "EventType": "data",
        "Index": message.frame + 1,
        "Markdown": clean_text(increment_of(message, party="tencent")),
        "IsLast": message.is_finished,
    }
    content = {"CompatibleText": clean_text(message.text)[:LONGEST_COMPATIBLE], "Chunks": [chunk]}
    if message.vendor_message_id is not None:
        content["StreamMsgID"] = StreamId.read(message.vendor_message_id).stream
    return {"MsgType": ELEMENT, "MsgContent": content}


def id_in(answer: Fields) -> StreamId:
    """The id of a stream that was begun."""
    return StreamId(answer.id("StreamMsgID", longest=LONGEST_STREAM_ID), name_in(answer))


def id_in_history(sent: Fields) -> StreamId:
    """Whether the history names streams is not documented."""
    stream = ""
    for each in sent.objects("MsgBody", []):
        if each.text("MsgType", "") == ELEMENT:
            stream = each.object("MsgContent", {}).text("StreamMsgID", "")
    return StreamId(stream if len(stream) <= LONGEST_STREAM_ID else "", name_in(sent))


def is_in(elements: list[Fields]) -> bool:
    """Whether the message is a stream."""
    return any(element.text("MsgType", "") == ELEMENT for element in elements)


def name_in(source: Fields) -> str:
    """By which a message is recalled, where it is told."""
    key = source.text("MsgKey", "") or str(source.number("MsgSeq", 0) or "")
    return key if len(key) <= LONGEST_KEY and "/" not in key else ""


def fits(text: str) -> bool:
    return len(clean_text(text).encode()) <= MAX_TEXT_BYTES

"""A conversation as `admin_getroammsg` tells it (1047/35478), in the words of callbacks."""

from __future__ import annotations

from typing import Final

from bots.events import Address, MessageReceived, MessageSent, Said
from bots.vendors.reading import Fields
from bots.vendors.tencent import callbacks, protocol

RECALLED: Final = 8  # a bit of `MsgFlagBits`


def read_record(record: Fields, robot_id: str) -> Said | None:
    """None for what was recalled, and for a client's signals: it is too late for them."""
    if record.number("MsgFlagBits", 0) & RECALLED:
        return None
    if record.id("From_Account") == robot_id:
        return read_sent(record, robot_id, user_id=record.id("To_Account"), time_field="MsgTimeStamp")
    return read_received(record, robot_id)


def read_received(record: Fields, robot_id: str) -> MessageReceived | None:
    elements = record.objects("MsgBody")
    if callbacks.signal_in(elements):
        return None
    user_id, key = record.id("From_Account"), record.id("MsgKey", longest=100)
    return MessageReceived(
        event_id=f"history|{key}",
        happened_at=record.time("MsgTimeStamp"),
        raw=dict(record.source),
        robot_id=robot_id,
        conversation=Address(kind="peer", id=user_id),
        sender_id=user_id,
        content=callbacks.read_content(record, elements),
        vendor_message_id=key,
        order=record.number("MsgSeq"),
    )


def read_sent(record: Fields, robot_id: str, *, user_id: str, time_field: str) -> MessageSent:
    key = record.id("MsgKey", longest=100)
    return MessageSent(
        event_id=f"history|{key}",
        happened_at=record.time(time_field),
        raw=dict(record.source),
        robot_id=robot_id,
        conversation=Address(kind="peer", id=user_id),
        vendor_message_id=key,
        key=protocol.key_of(record.number("MsgSeq"), record.number("MsgRandom")),
        is_finished=all(map(callbacks.is_finished, record.objects("MsgBody"))),
    )

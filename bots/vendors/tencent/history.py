"""A conversation as `admin_getroammsg` tells it (1047/35478), in the words of callbacks."""

from __future__ import annotations

from typing import Final

from bots.events import Address, MessageReceived, Said
from bots.vendors.reading import Fields
from bots.vendors.tencent import callbacks

RECALLED: Final = 8  # a bit of `MsgFlagBits`


def read_record(record: Fields, robot_id: str) -> Said | None:
    """None for what was recalled, and for a client's signals: it is too late for them."""
    if record.number("MsgFlagBits", 0) & RECALLED:
        return None
    if record.id("From_Account") == robot_id:
        event_id = f"history|{record.id('MsgKey', longest=100)}"
        return callbacks.read_sent(record, event_id, time_field="MsgTimeStamp")
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

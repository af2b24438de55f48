"""A conversation as `admin_getroammsg` tells it (1047/35478), or a group as `group_msg_get_simple`, in the
words of callbacks."""

from __future__ import annotations

from typing import Final

from bots.events import Address, MessageReceived, MessageSent, Said
from bots.vendors.reading import Fields
from bots.vendors.tencent import callbacks, stream

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


def read_group_record(record: Fields, robot_id: str, conversation: Address) -> Said | None:
    """None for what was deleted, which leaves an empty place, and for what the group itself says.

    Whom a message mentions is not told here.
    """
    number = record.number("MsgSeq")
    if record.number("IsPlaceMsg", 0) or record.number("IsSystemMsg", 0):
        return None
    if record.id("From_Account") == robot_id:
        return read_group_sent(record, robot_id, conversation)
    elements = record.objects("MsgBody")
    if callbacks.signal_in(elements):
        return None
    return MessageReceived(
        event_id=f"history|{conversation.id}|{number}",
        happened_at=record.time("MsgTimeStamp"),
        raw=dict(record.source),
        robot_id=None,
        conversation=conversation,
        sender_id=record.id("From_Account"),
        content=callbacks.read_content(record, elements),
        vendor_message_id=str(number),
        order=number,
        mentions=None,
    )


def read_group_sent(record: Fields, robot_id: str, conversation: Address) -> MessageSent:
    """Its random number is not all of our key, so it is known by its place in the group only."""
    number, elements = record.number("MsgSeq"), record.objects("MsgBody")
    name = str(stream.id_in_history(record)) if stream.is_in(elements) else str(number)
    return MessageSent(
        event_id=f"history|{conversation.id}|{number}",
        happened_at=record.time("MsgTimeStamp"),
        raw=dict(record.source),
        robot_id=robot_id,
        conversation=conversation,
        vendor_message_id=name,
        key=None,
        is_finished=all(map(callbacks.is_finished, elements)),
    )

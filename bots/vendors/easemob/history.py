"""A conversation as `roaming/chat` and `roaming/group` tell it (message_roam_single_obtain.html,
message_roam_group_obtain.html), in the words of callbacks.

The pages were seen in part only, so records are taken to have the fields of the hourly files
(message_historical.md); what has other ones cannot be read.
"""

from __future__ import annotations

from typing import Final

from bots.events import Address, MessageReceived, MessageSent, Said
from bots.vendors.easemob import callbacks, protocol
from bots.vendors.reading import Fields

ID_NAMES: Final = ("msg_id", "msgId", "id")


def read_record(record: Fields, robot_id: str, conversation: Address) -> Said | None:
    """None for a client's commands, which are nobody's words, and between two for what a third one says."""
    payload = Fields({**protocol.payload_of(dict(record.source))}, path="payload.")
    sender_id = (payload.text("from", "") or record.id("from")).lower()  # the outer one may be internal
    if sender_id == robot_id:
        return read_sent(record, robot_id, conversation)
    is_group = conversation.kind == "group"
    if callbacks.command_in(payload) or not (is_group or sender_id == conversation.id):
        return None
    message_id = id_of(record)
    return MessageReceived(
        event_id=f"history|{message_id}",
        happened_at=record.time("timestamp", per_second=1000),
        raw=dict(record.source),
        robot_id=None if is_group else robot_id,
        conversation=conversation,
        sender_id=sender_id,
        content=callbacks.read_payload(payload),
        vendor_message_id=message_id,
        mentions=callbacks.mentions_in(payload) if is_group else (),
    )


def read_sent(record: Fields, robot_id: str, conversation: Address) -> MessageSent:
    message_id = id_of(record)
    return MessageSent(
        event_id=f"history|{message_id}",
        happened_at=record.time("timestamp", per_second=1000),
        raw=dict(record.source),
        robot_id=robot_id,
        conversation=conversation,
        vendor_message_id=message_id,
        key=protocol.key_of(dict(record.source)),
        is_finished=False,  # how a stream stands here is not documented
    )


def id_of(record: Fields) -> str:
    name = next((name for name in ID_NAMES if record.source.get(name)), ID_NAMES[0])
    return record.any_id(name, longest=100)

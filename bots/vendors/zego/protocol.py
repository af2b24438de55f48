"""What we send: neutral messages in ZEGO's words.

`SendPeerMessage` /zim-server/messaging/send-a-one-to-one-message, `EditC2cMsgBody` …/edit-a-message,
`RevokePeerMessage` …/recall-a-one-to-one-message; in groups `SendGroupMessage`, `EditGroupMsgBody` and
`RevokeGroupMessage`.  No call of the server's mentions anybody.  There is no API for growing answers and
none for "is typing": an answer grows by edits.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bots.events import Attachment, ConversationKind, Image, JSONDict, OutgoingMessage
from bots.keys import key_given_back
from bots.text import clean_text

ROBOT_PREFIX: Final = "@RBT#"
TEXT, IMAGE, FILE = 1, 11, 12  # `MessageType`
MEDIUM: Final = 2  # `Priority`, as in the sample
EDIT_TEXT, EDIT_EXTENSION = 1, 2  # bits of `EditType`
# "2 KB" for the text, unless ZEGO has raised it for the project: the smaller of the two kilobytes.
MAX_TEXT_BYTES: Final = 2000
PLACEHOLDER: Final = "…"  # for an answer without words yet: ZEGO takes no empty text

# The actions, by where the message is.
type Actions = dict[ConversationKind, str]
SEND: Final[Actions] = {"peer": "SendPeerMessage", "group": "SendGroupMessage"}
EDIT: Final[Actions] = {"peer": "EditC2cMsgBody", "group": "EditGroupMsgBody"}
RECALL: Final[Actions] = {"peer": "RevokePeerMessage", "group": "RevokeGroupMessage"}
HISTORY: Final[Actions] = {"peer": "QueryPeerMsg", "group": "QueryGroupMsg"}

EXTENSION: Final = "parley"  # our object's name within ExtendedData


def send_request(message: OutgoingMessage) -> JSONDict:
    """The body of SEND.

    ZEGO knows no repeat by itself, so our key goes along, by which the history knows the message.
    """
    return {
        "FromUserId": message.robot_id,
        **({"GroupId": place_of(message)} if is_in_group(message) else {"ToUserId": [place_of(message)]}),
        "MessageType": type_of(message.attachment),
        "Priority": MEDIUM,
        "MessageBody": message_body(message),
        **message.extra,
    }


def edit_request(message: OutgoingMessage) -> JSONDict:
    """The body of EDIT."""
    return {
        "FromUserId": message.robot_id,
        "SenderId": message.robot_id,
        "ConvId": place_of(message),
        "MsgType": TEXT,
        "ConvMsgSeq": sequence_of(message),
        "EditType": EDIT_TEXT | EDIT_EXTENSION,
        "MessageBody": message_body(message),
    }


def recall_request(message: OutgoingMessage) -> JSONDict:
    """The body of RECALL."""
    return {
        "FromUserId": message.robot_id,
        "GroupId" if is_in_group(message) else "ToUserId": place_of(message),
        "MsgSeq": sequence_of(message),
    }


def is_in_group(message: OutgoingMessage) -> bool:
    return message.conversation.kind == "group"


def place_of(message: OutgoingMessage) -> str:
    return message.conversation.id


def message_body(message: OutgoingMessage) -> JSONDict:
    """The text, and in ExtendedData (up to 1 KB; clients show it nowhere by themselves) which message this
    is and whether more of it comes."""
    extension = {"key": str(message.key), "is_finished": message.is_finished}
    attachment = message.attachment
    said = media_of(attachment, message.key) if attachment else clean_text(message.text)
    return {
        "Message": said or PLACEHOLDER,
        "ExtendedData": json.dumps({EXTENSION: extension}),
    }


def type_of(attachment: Attachment | None) -> int:
    if attachment is None:
        return TEXT
    return IMAGE if isinstance(attachment, Image) else FILE


def media_of(attachment: Attachment, key: int) -> str:
    """A picture or a file, which stand in `Message` as the text of a JSON object (of up to 2 KB; the address
    up to 500 bytes, the name up to 150).

    That the smaller sizes of a picture are told like the original one is guessed.
    """
    media: JSONDict = {"Uid": str(key), "FileName": attachment.name, "Size": attachment.size or 0}
    if isinstance(attachment, Image):
        size = {"Url": attachment.url, "Width": attachment.width or 0, "Height": attachment.height or 0}
        media |= {"Origin": size, "LargeImage": size, "Thumbnail": size}
    else:
        media["Url"] = attachment.url
    return json.dumps(media, ensure_ascii=False)


def message_id(msg_id: str, msg_seq: int) -> str:
    """A sent message's id.  MsgId names it in callbacks and in the history, MsgSeq is what edits and
    recalls ask for: both are needed."""
    return f"{msg_id}/{msg_seq}"


def sequence_of(message: OutgoingMessage) -> int:
    """The MsgSeq in a sent message's id."""
    if message.vendor_message_id is None:
        raise ValueError("the message has not been sent")
    return int(message.vendor_message_id.rpartition("/")[2])


def key_in(payload: str) -> int | None:
    """The key that one of our messages carries; None in messages of others."""
    return key_given_back(_extension_in(payload).get("key"))


def is_finished(payload: str) -> bool:
    """Whether nothing is added any more to the message that carries this."""
    return _extension_in(payload).get("is_finished", True) is True


def _extension_in(payload: str) -> JSONDict:
    try:
        data: Any = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    extension = data.get(EXTENSION) if isinstance(data, dict) else None
    return extension if isinstance(extension, dict) else {}


def fits(text: str) -> bool:
    return len(clean_text(text).encode()) <= MAX_TEXT_BYTES

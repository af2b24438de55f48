"""What we send: neutral messages in Tencent's words.

`sendmsg` 269/2282, `modify_c2c_msg` 269/74740, `send_group_msg` 269/1629, `modify_group_msg` 269/74741,
`group_msg_recall` trtc.io/document/35015, message elements 269/2720.  Growing answers follow the
chatbot protocol of UIKit 8.6 (269/122035, 269/122036): a custom element whose text is replaced.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Final

from bots.events import Attachment, ConversationKind, File, Image, JSONDict, OutgoingMessage
from bots.keys import RANDOM_BITS
from bots.text import clean_text, shorten

ROBOT_PREFIX: Final = "@RBT#"
CHATBOT_PLUGIN: Final = 2  # the protocol's version; clients compare it with the number
STREAM: Final = 2  # `src`: an answer that grows
INTERRUPT: Final = 22  # `src`: a user stops it
FAILURE: Final = 23  # `src`: no answer can be given

# Tencent takes 12 KB and does not say of what; its own bot plugin stops at this.
MAX_BODY_BYTES: Final = 11 * 1024
SURELY_FITS: Final = 1500  # characters; a control character takes most, seven bytes as JSON within JSON
LONGEST_SUMMARY: Final = 80  # characters in a list of conversations and in a push
PLACEHOLDER: Final = "…"  # for an answer without words yet: without a text there is no push at all
RECEIVER_ONLY: Final = 2  # `SyncOtherMachine`: the message is kept in the receiver's history only
PUSH: Final = 0  # `PushFlag`
# Of pictures.  Which number means what is not on the page of elements: the formats are those of Tencent's
# desktop SDK (comm.qq.com/en_doc_site, ImageElem), the sizes those of pictures that clients send.
IMAGE_FORMATS: Final = {".jpg": 1, ".gif": 2, ".png": 3}
OTHER_FORMAT: Final = 255
IMAGE_SIZES: Final = (1, 2, 3)  # original, large, thumbnail
BY_ADDRESS: Final = 2  # `Download_Flag`, as in files that clients send
MOST_MENTIONS: Final = 30  # of a message (error 10053)

# The commands, by where the message is.
type Commands = dict[ConversationKind, str]
SEND: Final[Commands] = {"peer": "openim/sendmsg", "group": "group_open_http_svc/send_group_msg"}
EDIT: Final[Commands] = {"peer": "openim/modify_c2c_msg", "group": "openim/modify_group_msg"}
RECALL: Final[Commands] = {
    "peer": "openim/admin_msgwithdraw",
    "group": "group_open_http_svc/group_msg_recall",
}


def send_request(message: OutgoingMessage) -> JSONDict:
    """The body of SEND: the same each time, so that Tencent knows a repeat (120 s, in groups 5 minutes).

    No `NoLastMsg`, ever: Android's UIKit would hide the message.
    """
    return {
        **(group_envelope(message) if is_in_group(message) else peer_envelope(message)),
        "MsgBody": message_body(message),
        "OfflinePushInfo": {"PushFlag": PUSH, "Desc": summary_of(message.text or name_of(message))},
        **message.extra,
    }


def peer_envelope(message: OutgoingMessage) -> JSONDict:
    seq, random = sequence_of(message.key)
    return {
        "SyncOtherMachine": RECEIVER_ONLY,
        "From_Account": message.robot_id,
        "To_Account": message.conversation.id,
        "MsgSeq": seq,
        "MsgRandom": random,
    }


def group_envelope(message: OutgoingMessage) -> JSONDict:
    """Clients tell those who are mentioned, whether or not the text names them."""
    mentions = [{"GroupAtAllFlag": 0, "GroupAt_Account": user} for user in message.mentions[:MOST_MENTIONS]]
    return {
        "GroupId": message.conversation.id,
        "From_Account": message.robot_id,
        "Random": random_of(message.key),
        **({"GroupAtInfo": mentions} if mentions else {}),
    }


def edit_request(message: OutgoingMessage) -> JSONDict:
    """The body of EDIT; of `extra` it takes what this call can change."""
    changeable = {name: message.extra[name] for name in ("CloudCustomData",) if name in message.extra}
    reference = group_reference(message) if is_in_group(message) else peer_reference(message)
    return {**reference, "MsgBody": message_body(message), **changeable}


def recall_request(message: OutgoingMessage) -> JSONDict:
    """The body of RECALL."""
    if not is_in_group(message):
        return peer_reference(message)
    reference = group_reference(message)
    return {"GroupId": reference["GroupId"], "MsgSeqList": [{"MsgSeq": reference["MsgSeq"]}]}


def peer_reference(message: OutgoingMessage) -> JSONDict:
    """A message that was sent: its two ends as they were, and its MsgKey."""
    return {
        "From_Account": message.robot_id,
        "To_Account": message.conversation.id,
        "MsgKey": sent_id(message),
    }


def group_reference(message: OutgoingMessage) -> JSONDict:
    return {"GroupId": message.conversation.id, "MsgSeq": int(sent_id(message))}


def sent_id(message: OutgoingMessage) -> str:
    if message.vendor_message_id is None:
        raise ValueError("the message has not been sent")
    return message.vendor_message_id


def is_in_group(message: OutgoingMessage) -> bool:
    return message.conversation.kind == "group"


def sequence_of(key: int) -> tuple[int, int]:
    """A key as MsgSeq and MsgRandom: 32 bits each, and no two keys come to the same pair.

    Clients order messages by second and then by MsgSeq, so that takes the time's lower 31 bits, in
    milliseconds: it rises within a conversation, but for a wrap every 24.8 days that only matters
    to two messages of that one second.  Its highest bit is set, to stand behind the user's message of
    the same second, whose MsgSeq is small (guessed from the samples of 269/90407).
    """
    milliseconds, chance = key >> RANDOM_BITS, key & (1 << RANDOM_BITS) - 1
    seq = 1 << 31 | milliseconds & (1 << 31) - 1
    return seq, milliseconds >> 31 << RANDOM_BITS | chance


def key_of(seq: int, random: int) -> int | None:
    """The key behind MsgSeq and MsgRandom; None where `sequence_of` has not made them."""
    if not seq >> 31:
        return None
    milliseconds = random >> RANDOM_BITS << 31 | seq & (1 << 31) - 1
    return milliseconds << RANDOM_BITS | random & (1 << RANDOM_BITS) - 1


def random_of(key: int) -> int:
    """A key as the Random of a message in a group, which Tencent numbers itself."""
    return key & (1 << 32) - 1


def numbers_of(message: OutgoingMessage) -> dict[str, int]:
    """By which the history knows a message of ours."""
    if is_in_group(message):
        return {"MsgRandom": random_of(message.key)}
    seq, random = sequence_of(message.key)
    return {"MsgSeq": seq, "MsgRandom": random}


def message_body(message: OutgoingMessage) -> list[JSONDict]:
    """`MsgBody` of the message as it should stand."""
    text = clean_text(message.text)
    if message.attachment:
        return [element_of(message.attachment, uuid=str(message.key))]
    if not message.is_stream:
        return text_body(text)
    if message.is_error:
        return failure_body(text)
    return stream_body(text, is_finished=message.is_finished)


def text_body(text: str) -> list[JSONDict]:
    return [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}]


def element_of(attachment: Attachment, *, uuid: str) -> JSONDict:
    if isinstance(attachment, Image):
        return {"MsgType": "TIMImageElem", "MsgContent": image_content(attachment, uuid)}
    return {"MsgType": "TIMFileElem", "MsgContent": file_content(attachment, uuid)}


def image_content(image: Image, uuid: str) -> JSONDict:
    """Clients show one of three sizes; here all are the same picture."""
    size = {"Size": image.size or 0, "Width": image.width or 0, "Height": image.height or 0, "URL": image.url}
    return {
        "UUID": uuid,
        "ImageFormat": IMAGE_FORMATS.get(PurePath(image.name).suffix, OTHER_FORMAT),
        "ImageInfoArray": [{"Type": kind, **size} for kind in IMAGE_SIZES],
    }


def file_content(file: File, uuid: str) -> JSONDict:
    return {
        "Url": file.url,
        "UUID": uuid,
        "FileSize": file.size or 0,
        "FileName": file.name,
        "Download_Flag": BY_ADDRESS,
    }


def name_of(message: OutgoingMessage) -> str:
    return message.attachment.name if message.attachment else ""


def stream_body(text: str, *, is_finished: bool) -> list[JSONDict]:
    # iOS appends the chunks unseen, so each has to be a text; the web shows what is new at the end only.
    chunks = [text] if text else []
    return _plugin_body(text, {"src": STREAM, "chunks": chunks, "isFinished": int(is_finished)})


def failure_body(text: str) -> list[JSONDict]:
    # isFinished is Tencent's plugin's addition: the web looks at it to end its spinner.
    return _plugin_body(text, {"src": FAILURE, "errorInfo": text, "isFinished": 1})


def _plugin_body(text: str, fields: JSONDict) -> list[JSONDict]:
    data = {"chatbotPlugin": CHATBOT_PLUGIN, **fields}
    return [
        {
            "MsgType": "TIMCustomElem",
            "MsgContent": {"Data": as_json(data), "Desc": summary_of(text)},
        }
    ]


def summary_of(text: str) -> str:
    return shorten(text, LONGEST_SUMMARY) or PLACEHOLDER


def fits(text: str, *, is_stream: bool) -> bool:
    """Escapes count: a stream's text is JSON within JSON."""
    if len(text) <= SURELY_FITS:
        return True
    cleaned = clean_text(text)
    body = stream_body(cleaned, is_finished=True) if is_stream else text_body(cleaned)
    return len(as_json(body).encode()) <= MAX_BODY_BYTES


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

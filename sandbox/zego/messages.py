"""Messages of the simulated ZEGO cloud: what clients send, show and the cloud tells of.

A message's body here: `{MessageType, Message, ExtendedData}`, as in `SendPeerMessage`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.vendor import BadRequest
from sandbox.world import JSONDict, Message, Rendered

TEXT, COMBINED, IMAGE, FILE, AUDIO, VIDEO, CUSTOM = 1, 10, 11, 12, 13, 14, 200
PEER, GROUP = 0, 2  # `conv_type`
KINDS = {IMAGE: "image", FILE: "file", AUDIO: "voice", VIDEO: "video"}

type Violation = tuple[str, str]  # rule, detail


def render(body: JSONDict) -> Rendered:
    """What a client shows that knows Parley's word in ExtendedData, so that it tells a growing answer."""
    kind, content = body["MessageType"], body["Message"]
    if kind == TEXT:
        extension = extension_in(body)
        if extension is None:
            return Rendered(kind="text", text=content)
        return Rendered(kind="text", text=content, is_finished=bool(extension.get("is_finished", True)))
    if kind in KINDS:
        media = json.loads(content)
        return Rendered(
            kind=KINDS[kind], url=address_in(media), name=media.get("file_name", media.get("FileName"))
        )
    return Rendered(kind="custom", text=content)


def address_in(media: JSONDict) -> str:
    """In the words of clients, or in those of `SendPeerMessage`."""
    sent = media.get("Origin", media)
    return str(media.get("download_url") or sent["Url"])


def is_media(kind: int, content: str) -> bool:
    """Whether it is what `SendPeerMessage` asks of a picture or a file."""
    try:
        media = json.loads(content)
        url, name = address_in(media), media["FileName"]
        has_size = isinstance(media["Size"], int) and isinstance(media["Uid"], str)
        has_measures = kind != IMAGE or {"Url", "Width", "Height"} <= media["Origin"].keys()
    except (ValueError, TypeError, KeyError, AttributeError):
        return False
    return has_size and has_measures and len(url.encode()) <= 500 and len(name.encode()) <= 150


def extension_in(body: JSONDict) -> JSONDict | None:
    try:
        data = json.loads(body["ExtendedData"])
    except (ValueError, TypeError):
        return None
    extension = data.get("parley") if isinstance(data, dict) else None
    return extension if isinstance(extension, dict) else None


def violations_of_edit(message: Message, body: JSONDict) -> Iterator[Violation]:
    if body == message.body:
        return  # the repeat of a frame whose answer was lost: no client sees a difference
    if message.shown.is_finished:
        yield "frame_after_finish", "the message was finished"
    shown, is_placeholder = message.shown.text, len(message.frames) == 1
    if not is_placeholder and not render(body).text.startswith(shown):
        yield "not_append_only", "the text does not begin with what was shown"


def callback_body(event: str, message: Message) -> JSONDict:
    """/zim-server/callbacks/message-sent, …/one-to-one-conversation-bot-message-sent"""
    is_from_server = message.extra["is_from_server"]
    body = {
        "appid": message.app,
        "event": event,
        "from_user_id": message.sender,
        "conv_type": GROUP if message.is_in_group else PEER,
        "conv_id": "" if is_from_server and not message.is_in_group else message.recipient,
        "msg_type": message.body["MessageType"],
        "sub_msg_type": 0,
        "msg_body": message.body["Message"],
        "msg_id": message.key,
        "msg_seq": message.extra["MsgSeq"],
        "payload": message.body["ExtendedData"],
        "msg_time": int(message.sent_at * 1000),
        "send_result": 0,
    }
    if event == "send_msg":
        body["source"] = int(is_from_server)
    if is_from_server and not message.is_in_group:
        body["user_list"] = [
            {"UserId": message.recipient, "MsgId": message.key, "MsgSeq": message.extra["MsgSeq"]}
        ]
    return body


def question_body(message: Message) -> JSONDict:
    """`before_send_msg`: no number nor time yet."""
    unknown = {"msg_seq", "msg_time", "send_result", "source"}
    body = {
        name: value
        for name, value in callback_body("before_send_msg", message).items()
        if name not in unknown
    }
    return {**body, "request_id": f"request-{message.key}"}


def history_entry(message: Message) -> JSONDict:
    """/zim-server/conversation/query-the-message-list-of-one-on-one-chats: here MsgId is a number."""
    return {
        "Sender": message.sender,
        "MsgType": message.body["MessageType"],
        "SubMsgType": 0,
        "MsgBody": message.body["Message"],
        "MsgId": int(message.key),
        "MsgSeq": message.extra["MsgSeq"],
        "Payload": message.body["ExtendedData"],
        "MsgTime": int(message.sent_at * 1000),
        "IsEmpty": int(message.recalled_at is not None),
    }


def user_body(content: JSONDict) -> JSONDict:
    """What a client sends for `{text | image | voice | file | custom}`.  Raises BadRequest."""
    for name, (kind, build) in USER_CONTENT.items():
        if name in content:
            if not isinstance(content[name], str) or not content[name]:
                raise BadRequest(f"{name} is a string with something in it")
            extension = content.get("extended_data", "")
            return {"MessageType": kind, "Message": build(content), "ExtendedData": extension}
    raise BadRequest(f"nothing to send: one of {', '.join(USER_CONTENT)} is needed")


def _image(content: JSONDict) -> str:
    url = content["image"]
    sizes = {
        f"{size}_{name}": value
        for size, width in (("large_image", 720), ("thumbnail", 198))
        for name, value in (("download_url", url), ("width", width), ("height", width))
    }
    origin = {"origin_image_width": 1024, "origin_image_height": 1024}
    return _media(content, url, **origin, **sizes)


def _voice(content: JSONDict) -> str:
    return _media(content, content["voice"], media_duration=content.get("seconds", 1))


def _file(content: JSONDict) -> str:
    return _media(content, content["file"])


def _media(content: JSONDict, url: str, **fields: Any) -> str:
    name = content.get("name", url.rsplit("/", 1)[-1])
    media = {"md5": "", "file_name": name, "file_size": content.get("size", 0), "download_url": url}
    return json.dumps({**media, "media_duration": 0, **fields}, ensure_ascii=False)


USER_CONTENT: dict[str, tuple[int, Callable[[JSONDict], str]]] = {
    "text": (TEXT, lambda content: str(content["text"])),
    "image": (IMAGE, _image),
    "voice": (AUDIO, _voice),
    "file": (FILE, _file),
    "custom": (CUSTOM, lambda content: str(content["custom"])),
}

"""Messages of the simulated Easemob cloud: what clients send, show and the cloud tells of.

A message's body here is one of `bodies`, or `{type: "stream", msg, finish}`.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.vendor import BadRequest
from sandbox.world import JSONDict, Message, Rendered

STREAM = "stream"
KINDS = {"img": "image", "audio": "voice", "video": "video", "file": "file"}


def render(body: JSONDict) -> Rendered:
    """What a client shows that knows stream messages (4.19 and later)."""
    kind = body["type"]
    if kind == STREAM:
        return Rendered(kind="reply", text=body["msg"], is_finished=body["finish"])
    if kind == "txt":
        return Rendered(kind="text", text=body["msg"])
    if kind in KINDS:
        return Rendered(kind=KINDS[kind], url=body.get("url", ""), name=body.get("filename", ""))
    return Rendered(kind="custom", text=body.get("customEvent", "[custom message]"))


def user_body(content: JSONDict) -> JSONDict:
    """What a client makes of `{text | image | voice | file | command | custom}`.  Raises BadRequest."""
    for name, build in USER_BODIES.items():
        if name in content:
            if not isinstance(content[name], str) or not content[name]:
                raise BadRequest(f"{name} is a string with something in it")
            return build(content)
    raise BadRequest(f"nothing to send: one of {', '.join(USER_BODIES)} is needed")


USER_BODIES: dict[str, Callable[[JSONDict], JSONDict]] = {
    "text": lambda content: {"type": "txt", "msg": content["text"]},
    "image": lambda content: {
        "type": "img",
        "url": content["image"],
        "filename": content["image"].rsplit("/", 1)[-1],
        "size": {"width": 480, "height": 720},
    },
    "voice": lambda content: {"type": "audio", "url": content["voice"], "length": content.get("seconds", 1)},
    "file": lambda content: {
        "type": "file",
        "url": content["file"],
        "filename": content.get("name", content["file"].rsplit("/", 1)[-1]),
        "file_length": content.get("size", 0),
    },
    "command": lambda content: {"type": "cmd", "action": content["command"]},
    "custom": lambda content: {"type": "custom", "customEvent": content["custom"], "v2:customExts": {}},
}


def callback_body(message: Message, *, event: str, is_flat: bool = False) -> JSONDict:
    """callback_presending.html, callback_postsending.html"""
    kind = "groupchat" if message.is_in_group else "chat"
    wrapped = {
        "bodies": [message.body],
        "ext": message.extra["ext"],
        "from": message.sender,
        "to": message.recipient,
        "type": kind,
        "meta": {},
    }
    told = {"eventType": event} if event else {}
    if message.is_in_group:
        told |= {"group_id": message.recipient, "content_type": "chat:group:text"}
    flat = {**message.body, "ext": message.extra["ext"]}
    return {
        **told,
        "chat_type": kind,
        "from": message.sender,
        "to": message.recipient,
        "msg_id": message.key,
        "payload": flat if is_flat else wrapped,
    }


def history_entry(message: Message) -> JSONDict:
    """message_roam_single_obtain.html; the fields within are those of the hourly files."""
    body = message.body
    if body["type"] == STREAM:
        body = {"type": "txt", "msg": body["msg"]}
    return {
        "msg_id": message.key,
        "timestamp": int(message.sent_at * 1000),
        "from": message.sender,
        "to": message.recipient,
        "chat_type": "groupchat" if message.is_in_group else "chat",
        "payload": {"bodies": [body], "ext": message.extra["ext"]},
    }

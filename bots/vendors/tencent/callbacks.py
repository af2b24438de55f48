"""Callbacks: checked, and read into events.

Transport and signature: trtc.io/document/34354, 269/32431.  `Bot.OnC2CMessage`: 269/90407.
`C2C.CallbackAfterSendMsg`: 269/2716.  `Bot.OnGroupMessage`: 269/89994, trtc.io/document/68953.
Message elements: 269/2720.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils.crypto import constant_time_compare

from bots.errors import CallbackMalformed, CallbackRejected
from bots.events import (
    Address,
    Content,
    Custom,
    Event,
    File,
    Ignored,
    Image,
    Interrupted,
    MessageReceived,
    MessageSent,
    Said,
    Text,
    Voice,
)
from bots.text import clean_json
from bots.vendors.base import IncomingCallback
from bots.vendors.reading import Fields
from bots.vendors.tencent import stream
from bots.vendors.tencent.config import TencentConfig
from bots.vendors.tencent.protocol import CHATBOT_PLUGIN, INTERRUPT, ROBOT_PREFIX, STREAM, key_of

FRESH_FOR: Final = timedelta(seconds=60)  # 269/32431
LONGEST_COMMAND: Final = 100
LONGEST_DELIVERY_ID: Final = 200
LONGEST_MESSAGE_ID: Final = 100
SIGNAL: Final = "signal of a chatbot plugin"


def check(callback: IncomingCallback, config: TencentConfig) -> None:
    """Raises CallbackRejected for what is not signed for this app, CallbackMalformed for a strange body."""
    if callback.query.get("SdkAppid") != str(config.sdk_app_id):
        raise CallbackRejected("SdkAppid is not that of this account")
    if config.callback_token:
        check_signature(callback, config.callback_token)
    command = command_of(callback)
    if callback.query.get("CallbackCommand", command) != command:
        raise CallbackMalformed("CallbackCommand is not the same in address and body")


def check_signature(callback: IncomingCallback, token: str) -> None:
    """The signature covers the time only, neither body nor address: hence the narrow window."""
    request_time = callback.query.get("RequestTime", "")
    if not re.fullmatch("[0-9]{1,11}", request_time):
        raise CallbackRejected("RequestTime is missing or not a time")
    expected = hashlib.sha256(f"{token}{request_time}".encode()).hexdigest()
    if not constant_time_compare(callback.query.get("Sign", ""), expected):
        raise CallbackRejected("the signature does not match")
    age_s = callback.received_at.timestamp() - int(request_time)
    if abs(age_s) > FRESH_FOR.total_seconds():
        raise CallbackRejected("RequestTime is more than 60 seconds away from our clock")


def command_of(callback: IncomingCallback) -> str:
    """The vendor's name of the event, such as `Bot.OnC2CMessage`."""
    return Fields(callback.json).id("CallbackCommand", longest=LONGEST_COMMAND)


def delivery_id(callback: IncomingCallback) -> str:
    """A repeat carries the same message, though not always the same bytes (EventTime may differ)."""
    command = command_of(callback)
    values = [callback.json.get(name) for name in NAMED_BY.get(command, ())]
    ids = [str(value) for value in values if value and isinstance(value, str | int)]
    readable = "|".join((command, *ids))
    is_named = ids and len(ids) == len(values) and not callback.json.get("TopicId")  # numbers of its own
    if is_named and len(readable) <= LONGEST_DELIVERY_ID:
        return readable
    return f"{command}|{hashlib.sha256(callback.body).hexdigest()}"


def read(callback: IncomingCallback) -> list[Event]:
    """Raises CallbackMalformed when a field that must be there is missing or has the wrong type."""
    read_body = READERS.get(command_of(callback), read_unknown)
    return [read_body(callback)]


def read_message(callback: IncomingCallback) -> Said | Interrupted | Ignored:
    """Both commands tell of a message that was sent, in the same words.

    When an app has both switched on, they come with the same MsgKey.  Which accounts besides `@RBT#…`
    are robots is not known here: `robot_id` is whoever was written to.
    """
    body = Fields(callback.json)
    sender_id, receiver_id = body.id("From_Account"), body.id("To_Account")
    if sender_id == receiver_id:
        return ignored(callback, "written to oneself")
    if result := body.number("SendMsgResult", 0):
        return ignored(callback, f"not delivered (SendMsgResult {result})")
    if sender_id.startswith(ROBOT_PREFIX):
        return read_sent(body, delivery_id(callback), time_field="MsgTime")
    elements = body.objects("MsgBody")
    if signal := signal_in(elements):
        return read_signal(callback, signal)
    return MessageReceived(
        event_id=delivery_id(callback),
        happened_at=body.time("MsgTime"),
        raw=callback.json,
        robot_id=receiver_id,
        conversation=Address(kind="peer", id=sender_id),
        sender_id=sender_id,
        content=read_content(body, elements),
        vendor_message_id=body.id("MsgKey", longest=LONGEST_MESSAGE_ID),
        order=body.number("MsgSeq"),
    )


def read_group_message(callback: IncomingCallback) -> MessageReceived | Ignored:
    """`Bot.OnGroupMessage` tells of messages that mention a robot, the after-send callback of all of a group.

    The fields of the latter are guessed to be the same.  The number in its group is what names a message.
    """
    body = Fields(callback.json)
    sender_id = body.id("From_Account")
    if sender_id.startswith(ROBOT_PREFIX):
        return ignored(callback, "written by a robot")
    if body.text("TopicId", ""):
        return ignored(callback, "written in a topic of a community")
    elements = body.objects("MsgBody")
    if signal_in(elements):  # clients stop answers in one-to-one chats only
        return ignored(callback, SIGNAL)
    number = body.number("MsgSeq")
    return MessageReceived(
        event_id=delivery_id(callback),
        happened_at=body.time("MsgTime"),
        raw=callback.json,
        robot_id=None,
        conversation=Address(kind="group", id=body.id("GroupId")),
        sender_id=sender_id,
        content=read_content(body, elements),
        vendor_message_id=str(number),
        order=number,
        mentions=tuple(body.texts("AtRobots_Account", [])),  # @all mentions no robot
    )


def read_sent(message: Fields, event_id: str, *, time_field: str) -> MessageSent:
    """A robot's message, as a callback or the history tells it."""
    elements = message.objects("MsgBody")
    name = str(stream.id_in_history(message)) if stream.is_in(elements) else message.id("MsgKey", longest=100)
    return MessageSent(
        event_id=event_id,
        happened_at=message.time(time_field),
        raw=dict(message.source),
        robot_id=message.id("From_Account"),
        conversation=Address(kind="peer", id=message.id("To_Account")),
        vendor_message_id=name,
        key=key_of(message.number("MsgSeq"), message.number("MsgRandom")),
        is_finished=all(map(is_finished, elements)),
    )


def read_unknown(callback: IncomingCallback) -> Ignored:
    return ignored(callback, f"unknown command {command_of(callback)}")


def ignored(callback: IncomingCallback, reason: str) -> Ignored:
    return Ignored(
        event_id=delivery_id(callback),
        happened_at=_event_time(callback),
        raw=callback.json,
        reason=reason,
    )


def _event_time(callback: IncomingCallback) -> datetime:
    try:
        # In milliseconds; not every command has it.
        return Fields(callback.json).time("EventTime", callback.received_at, per_second=1000)
    except CallbackMalformed:
        return callback.received_at


def signal_in(elements: list[Fields]) -> Mapping[str, Any] | None:
    """What a client's chatbot plugin says, when the message is its own and not the user's words."""
    for element in elements:
        data = _custom_data(element)
        # UIKits compare strictly or not at all, so other clients may well send numbers as text.
        if str(data.get("chatbotPlugin")) in {"1", str(CHATBOT_PLUGIN)}:
            return data
    return None


def is_finished(element: Fields) -> bool:
    """Whether it is not an answer that grows on."""
    if element.text("MsgType") == stream.ELEMENT:
        return False  # how an ended one looks is not documented
    data = _custom_data(element)
    return data.get("src") != STREAM or "chatbotPlugin" not in data or data.get("isFinished") == 1


def read_signal(callback: IncomingCallback, signal: Mapping[str, Any]) -> Interrupted | Ignored:
    """An interrupt comes stored (web) or online-only (Android, iOS), as UIKit sends it."""
    if str(signal.get("src")) != str(INTERRUPT):
        return ignored(callback, SIGNAL)
    body = Fields(callback.json)
    return Interrupted(
        event_id=delivery_id(callback),
        happened_at=body.time("MsgTime"),
        raw=callback.json,
        robot_id=body.id("To_Account"),
        conversation=Address(kind="peer", id=body.id("From_Account")),
        vendor_message_id=_message_id(signal.get("msgKey")),
    )


def _message_id(key: object) -> str | None:
    """The MsgKey that a client put together from our message's fields."""
    return key if isinstance(key, str) and 0 < len(key) <= LONGEST_MESSAGE_ID else None


def _custom_data(element: Fields) -> Mapping[str, Any]:
    """What an app's own element holds, where that is a JSON object."""
    if element.text("MsgType") != "TIMCustomElem":
        return {}
    try:
        data = json.loads(element.object("MsgContent").text("Data", ""))
    except (ValueError, RecursionError):
        return {}
    return clean_json(data) if isinstance(data, dict) else {}


def read_content(body: Fields, elements: list[Fields]) -> Content:
    """The texts of all elements; without text, the first element that is not an app's own."""
    if not elements:
        raise body.wrong("MsgBody", "is empty")
    contents = [read_element(element) for element in elements]
    texts = [content.text for content in contents if isinstance(content, Text)]
    if texts:
        return Text(text="\n".join(texts))
    return next((content for content in contents if not isinstance(content, Custom)), contents[0])


def read_element(element: Fields) -> Content:
    read_one = ELEMENTS.get(element.text("MsgType"), read_other)
    return read_one(element.object("MsgContent"))


def read_text(content: Fields) -> Text:
    return Text(text=content.text("Text"))


def read_image(content: Fields) -> Image:
    """The largest of the sizes that the picture comes in."""
    sizes = content.objects("ImageInfoArray", [])
    if not sizes:
        return Image(url="")
    largest = max(sizes, key=lambda size: size.number("Width", 0) * size.number("Height", 0))
    return Image(
        url=largest.text("URL", ""),
        width=largest.number("Width", 0) or None,
        height=largest.number("Height", 0) or None,
    )


def read_voice(content: Fields) -> Voice:
    return Voice(url=content.text("Url", ""), seconds=content.number("Second", 0) or None)


def read_file(content: Fields) -> File:
    return File(
        url=content.text("Url", ""),
        name=content.text("FileName", ""),
        size=content.number("FileSize", 0) or None,
    )


def read_video(content: Fields) -> File:
    return File(
        url=content.text("VideoUrl", ""),
        name=".".join(filter(None, ("video", content.text("VideoFormat", "")))),
        size=content.number("VideoSize", 0) or None,
    )


def read_custom(content: Fields) -> Custom:
    return Custom(data=content.text("Data", ""), text=content.text("Desc", ""))


def read_location(content: Fields) -> Custom:
    place = ", ".join(str(content.source.get(name, "?")) for name in ("Latitude", "Longitude"))
    return Custom(data=as_json(content), text=f"{content.text('Desc', '')} ({place})".strip())


def read_face(content: Fields) -> Custom:
    """`Data` names the picture, as in `[smile]`; its form is up to the app."""
    return Custom(data=as_json(content), text=content.text("Data", ""))


def read_other(content: Fields) -> Custom:
    """Merged forwards, stream elements and whatever Tencent may add."""
    return Custom(data=as_json(content), text=content.text("CompatibleText", ""))


def as_json(content: Fields) -> str:
    return json.dumps(dict(content.source), ensure_ascii=False)


ELEMENTS: Final[dict[str, Callable[[Fields], Content]]] = {
    "TIMTextElem": read_text,
    "TIMImageElem": read_image,
    "TIMSoundElem": read_voice,
    "TIMFileElem": read_file,
    "TIMVideoFileElem": read_video,
    "TIMCustomElem": read_custom,
    "TIMLocationElem": read_location,
    "TIMFaceElem": read_face,
}

READERS: Final[dict[str, Callable[[IncomingCallback], Event]]] = {
    "Bot.OnC2CMessage": read_message,
    "C2C.CallbackAfterSendMsg": read_message,
    "Bot.OnGroupMessage": read_group_message,
    "Group.CallbackAfterSendMsg": read_group_message,
}

# The fields that name the message of a callback.
NAMED_BY: Final = {
    **dict.fromkeys(
        ("Bot.OnC2CMessage", "C2C.CallbackAfterSendMsg"), ("From_Account", "To_Account", "MsgKey")
    ),
    **dict.fromkeys(("Bot.OnGroupMessage", "Group.CallbackAfterSendMsg"), ("GroupId", "MsgSeq")),
}

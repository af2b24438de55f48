from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bots.errors import CallbackMalformed, CallbackRejected
from bots.events import (
    Address,
    Content,
    Custom,
    File,
    Ignored,
    Image,
    MessageReceived,
    MessageSent,
    Text,
    Typing,
    Voice,
)
from bots.vendors.base import Vendor
from bots.vendors.config import read_config
from bots.vendors.easemob import Easemob, EasemobConfig
from tests.bots.vendors.cases import NOW
from tests.bots.vendors.easemob.case import CASE

MESSAGES: dict[str, Content] = {
    **dict.fromkeys((CASE.message, *CASE.same_message), Text(text="hello")),
    "image": Image(url="https://em.example/i", width=480, height=720),
    "voice": Voice(url="https://em.example/v", seconds=3),
    "video": File(url="https://em.example/m", name="m.mp4", size=99),
    "file": File(url="https://em.example/f", name="bill.pdf", size=173),
    "location": Custom(
        data='{"type": "loc", "lat": 31.2397, "lng": 121.4998, "addr": "The Bund"}',
        text="The Bund (31.2397, 121.4998)",
    ),
    "custom": Custom(
        data='{"type": "custom", "customEvent": "order", "v2:customExts": {"id": "4711"}}', text="order"
    ),
    "combined": Custom(
        data=(
            '{"type": "txt", "subType": "sub_combine", "title": "Chat history", "summary": "a: hi", '
            '"url": "https://em.example/c"}'
        ),
        text="Chat history\na: hi",
    ),
}

# In a group: who is mentioned; None: the text has to be searched.
GROUP_MESSAGES: dict[str, tuple[Content, tuple[str, ...] | None]] = {
    "group": (Text(text="hello"), None),
    "group__mention": (Text(text="@Ada hello"), ("ada", "bob")),
    "group__mention_of_all": (Text(text="@All hello"), None),
    "group__pre_send": (Text(text="hello"), None),
    "group__pre_send_flat": (Text(text="@Ada hello"), ("ada",)),
    "group__without_group_id": (Text(text="hello"), None),
}

IGNORED = {
    "room": "written in a chat room",
    "room__pre_send": "written in a chat room",
    "group__command": "a command of the client's (TypingBegin)",
    "offline": "chat_offline: the message was told of already",
    "to_oneself": "written to oneself",
    "read_ack": "unknown event read_ack",
    "recall": "unknown event recall",
    "edit": "unknown event edit",
    "login": "unknown event online",
}

SENT = {
    "own_reply": Address(kind="peer", id="user1"),
    "group__own_reply": Address(kind="group", id="16934809238921545"),
}

MALFORMED = {
    "malformed__ext_is_text": "payload.ext is not an object",
    "malformed__without_id": "msg_id is missing",
    "malformed__without_sender": "from is missing",
    "malformed__text_is_number": "payload.bodies[0].msg is not a text",
    "malformed__no_bodies": "payload.bodies is empty",
    "malformed__payload_is_text": "payload is not an object",
    "malformed__without_type": "payload.bodies[0].type is missing",
}


@pytest.fixture
def easemob() -> Vendor:
    return Easemob(read_config(EasemobConfig, CASE.settings))


def test_every_recorded_body_is_tried() -> None:
    recorded = {path.stem for path in CASE.folder.glob("*.json")}

    assert recorded == {*MESSAGES, *GROUP_MESSAGES, *SENT, *IGNORED, *MALFORMED, "command"}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(easemob: Vendor, name: str) -> None:
    [event] = easemob.read(CASE.callback(name))

    assert isinstance(event, MessageReceived)
    assert (event.content, event.robot_id, event.sender_id) == (MESSAGES[name], "ada", "user1")
    assert (event.vendor_message_id, event.happened_at) == ("1499696395467098072", NOW)


@pytest.mark.parametrize("name", SENT)
def test_message_of_ours(easemob: Vendor, name: str) -> None:
    callback = CASE.callback(name)

    assert easemob.read(callback) == [
        MessageSent(
            event_id=easemob.delivery_id(callback),
            happened_at=NOW,
            raw=callback.json,
            robot_id="ada",
            conversation=SENT[name],
            vendor_message_id="1499696395467098073",
            key=4611686018427387904,
            is_finished=True,
        )
    ]


@pytest.mark.parametrize("name", GROUP_MESSAGES)
def test_message_in_a_group(easemob: Vendor, name: str) -> None:
    [event] = easemob.read(CASE.callback(name))

    assert isinstance(event, MessageReceived)
    assert (event.content, event.mentions) == GROUP_MESSAGES[name]
    assert event.conversation == Address(kind="group", id="16934809238921545")
    assert (event.robot_id, event.sender_id) == (None, "user1")
    assert event.vendor_message_id == "1499696395467098072"


def test_a_user_who_is_typing(easemob: Vendor) -> None:
    callback = CASE.callback("command")

    assert easemob.read(callback) == [
        Typing(
            event_id=easemob.delivery_id(callback),
            happened_at=NOW,
            raw=callback.json,
            robot_id="ada",
            conversation=Address(kind="peer", id="user1"),
        )
    ]


def test_other_commands_are_the_clients_own(easemob: Vendor) -> None:
    body = CASE.recorded("command").replace(b"TypingBegin", b"Ring")

    [event] = easemob.read(CASE.callback(body=body))

    assert isinstance(event, Ignored)
    assert event.reason == "a command of the client's (Ring)"


@pytest.mark.parametrize("name", IGNORED)
def test_ignored(easemob: Vendor, name: str) -> None:
    [event] = easemob.read(CASE.callback(name))

    assert isinstance(event, Ignored)
    assert event.reason == IGNORED[name]


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(easemob: Vendor, name: str) -> None:
    with pytest.raises(CallbackMalformed) as caught:
        easemob.read(CASE.callback(name))
    assert str(caught.value) == MALFORMED[name]


def test_signature_may_come_in_capitals(easemob: Vendor) -> None:
    signed = CASE.callback()
    body = {**signed.json, "security": signed.json["security"].upper()}

    easemob.check(replace(signed, body=json.dumps(body).encode()))


@pytest.mark.parametrize("age, is_taken", [(timedelta(days=3), True), (timedelta(days=4), False)])
def test_stored_callback_is_taken_late_if_the_signature_names_the_message(
    easemob: Vendor, age: timedelta, is_taken: bool
) -> None:
    late = CASE.callback("text__named_by_call_id", signed_at=NOW - age)

    if is_taken:
        easemob.check(late)
    else:
        with pytest.raises(CallbackRejected, match="timestamp"):
            easemob.check(late)


def test_other_message_under_an_old_signature_is_rejected(easemob: Vendor) -> None:
    body = {**json.loads(CASE.recorded("text__named_by_call_id")), "msg_id": "1"}
    late = CASE.callback(body=json.dumps(body).encode(), signed_at=NOW - timedelta(days=1))

    with pytest.raises(CallbackRejected, match="timestamp"):
        easemob.check(late)


def test_offline_callback_does_not_hide_the_message(easemob: Vendor) -> None:
    deliveries = {easemob.delivery_id(CASE.callback(name)) for name in ("text", "offline")}

    assert len(deliveries) == 2


@pytest.mark.parametrize("mode, valid", [("pass", True), ("intercept", False)])
def test_answers(mode: str, valid: bool) -> None:
    easemob = Easemob(read_config(EasemobConfig, {**CASE.settings, "pre_send": mode}))

    assert easemob.intercepts is not valid
    assert easemob.answer(CASE.callback()).body == {"valid": True}
    assert easemob.answer_for_robot(CASE.callback()).body == {"valid": valid}


def test_time_of_a_message(easemob: Vendor) -> None:
    [event] = easemob.read(CASE.callback(signed_at=datetime(2026, 11, 1, 12, 0, 0, 123000, tzinfo=UTC)))

    assert event.happened_at.microsecond == 123000

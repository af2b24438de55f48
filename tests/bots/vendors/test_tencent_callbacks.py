from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bots.errors import CallbackMalformed, CallbackRejected
from bots.events import (
    Address,
    Content,
    Custom,
    File,
    Ignored,
    Image,
    Interrupted,
    MessageReceived,
    MessageSent,
    Text,
    Voice,
)
from bots.keys import new_key
from bots.vendors.base import IncomingCallback
from bots.vendors.tencent import Tencent, TencentConfig
from bots.vendors.tencent.protocol import sequence_of
from tests.bots.vendors.cases import NOW
from tests.bots.vendors.tencent.case import CASE, SDK_APP_ID

SIGNED_AT = 1669872112  # the published example …
SIGN = "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"  # … for the token xxxxyyyy
SENT_AT = datetime(2019, 5, 10, 9, 38, 46, tzinfo=UTC)
TOLD_AT = datetime(2022, 12, 9, 8, 26, 54, 123000, tzinfo=UTC)
KEY = "48374_2837546_1557481126"

MESSAGES: dict[str, Content] = {
    "text": Text(text="hello"),
    "text__repeated": Text(text="hello"),
    "text__after_send": Text(text="hello"),
    "text__event_time_as_text": Text(text="hello"),
    "text__older_fields": Text(text="hello"),
    "text__online_only": Text(text="hello"),
    "text__several_elements": Text(text="look at this\nwhat is it?"),
    "text__unstorable_characters": Text(text="ab \N{REPLACEMENT CHARACTER} c 😀"),
    "image": Image(url="https://cos.example/original.jpg", width=2448, height=3264),
    "image__without_sizes": Image(url=""),
    "voice": Voice(url="https://cos.example/v.m4a", seconds=3),
    "file": File(url="https://cos.example/f.pdf", name="bill.pdf", size=1773552),
    "video": File(url="https://cos.example/v.mp4", name="video.mp4", size=1194603),
    "custom": Custom(data='{"order": 4711}', text="An order"),
    "custom__not_json": Custom(data="order=4711"),
    "location": Custom(
        data='{"Desc": "The Bund", "Latitude": 31.2397, "Longitude": 121.4998}',
        text="The Bund (31.2397, 121.4998)",
    ),
    "face": Custom(data='{"Index": 6, "Data": "[smile]"}', text="[smile]"),
    "relay": Custom(data='{"Title": "Chat history", "AbstractList": ["a: hi"]}'),
    "unknown_element": Custom(data='{"Url": "https://cos.example/h"}'),
}

# In a group: what is said, and who is mentioned.
GROUP_MESSAGES: dict[str, tuple[Content, tuple[str, ...]]] = {
    "group": (Text(text="@@RBT#001 hello"), ("@RBT#001", "@RBT#002")),
    "group__repeated": (Text(text="@@RBT#001 hello"), ("@RBT#001", "@RBT#002")),
    "group__numbers_as_text": (Text(text="@@RBT#001 hello"), ("@RBT#001", "@RBT#002")),
    "group__after_send": (Text(text="@@RBT#001 hello"), ()),
    "group__image": (
        Image(url="https://cos.example/a.jpg", width=10, height=20),
        ("@RBT#001", "@RBT#002"),
    ),
}

IGNORED = {
    "group__own_reply": "written by a robot",
    "group__by_robot": "written by a robot",
    "group__topic": "written in a topic of a community",
    "group__interrupt": "signal of a chatbot plugin",
    "to_oneself": "written to oneself",
    "after_send__failed": "not delivered (SendMsgResult 20006)",
    "custom__welcome_request": "signal of a chatbot plugin",
    "unknown_command": "unknown command C2C.CallbackAfterMsgWithDraw",
}

INTERRUPTS = ["custom__interrupt", "custom__interrupt_as_text", "custom__interrupt_stored"]

SENT = {  # and by which robot to whom
    "after_send__own_reply": ("@RBT#001", "user1"),
    "other_robot": ("@RBT#002", "@RBT#001"),
}

MALFORMED = {
    "malformed__group_without_number": "MsgSeq is missing",
    "malformed__group_without_id": "GroupId is missing",
    "malformed__mentions_are_text": "AtRobots_Account is not a list of texts",
    "malformed__without_sender": "From_Account is missing",
    "malformed__empty_receiver": "To_Account is empty",
    "malformed__long_sender": "From_Account is longer than 64 characters",
    "malformed__without_key": "MsgKey is missing",
    "malformed__key_is_number": "MsgKey is not a text",
    "malformed__time_is_words": "MsgTime is not a whole number",
    "malformed__time_is_too_far": "MsgTime is not a time",
    "malformed__without_sequence": "MsgSeq is missing",
    "malformed__body_is_text": "MsgBody is not a list",
    "malformed__body_is_empty": "MsgBody is empty",
    "malformed__element_is_text": "MsgBody[0] is not an object",
    "malformed__element_without_content": "MsgBody[0].MsgContent is missing",
    "malformed__text_is_number": "MsgBody[0].MsgContent.Text is not a text",
}


def vendor(**settings: Any) -> Tencent:
    config = {"sdk_app_id": SDK_APP_ID, "secret_key": "k", "callback_token": "xxxxyyyy", **settings}
    return Tencent(TencentConfig(**config))


def callback(body: object = None, *, received_at: datetime = NOW, **query: str) -> IncomingCallback:
    body = {"CallbackCommand": "Bot.OnC2CMessage"} if body is None else body
    return IncomingCallback(
        query={"SdkAppid": str(SDK_APP_ID), **query},
        headers={},
        body=json.dumps(body).encode(),
        received_at=received_at,
    )


def changed(name: str, **fields: object) -> IncomingCallback:
    return callback({**json.loads(CASE.recorded(name)), **fields})


@pytest.mark.parametrize("name", INTERRUPTS)
def test_interrupt(name: str) -> None:
    incoming = CASE.callback(name)

    assert vendor().read(incoming) == [
        Interrupted(
            event_id=vendor().delivery_id(incoming),
            happened_at=SENT_AT,
            raw=incoming.json,
            robot_id="@RBT#001",
            conversation=Address(kind="peer", id="user1"),
            vendor_message_id="3221225472_1_1557481100",
        )
    ]


@pytest.mark.parametrize("name", SENT)
def test_message_of_a_robot(name: str) -> None:
    robot_id, user_id = SENT[name]
    incoming = CASE.callback(name)

    assert vendor().read(incoming) == [
        MessageSent(
            event_id=vendor().delivery_id(incoming),
            happened_at=SENT_AT,
            raw=incoming.json,
            robot_id=robot_id,
            conversation=Address(kind="peer", id=user_id),
            vendor_message_id=KEY,
            key=None,
            is_finished=True,
        )
    ]


@pytest.mark.parametrize("key", [None, "", 7, ["1_2_3"], "1" * 101])
def test_interrupt_without_a_usable_key_is_for_whatever_grows(key: object) -> None:
    data = json.dumps({"chatbotPlugin": 2, "src": 22, "msgKey": key})
    element = {"MsgType": "TIMCustomElem", "MsgContent": {"Data": data}}

    [event] = vendor().read(changed("custom__interrupt", MsgBody=[element]))

    assert isinstance(event, Interrupted)
    assert event.vendor_message_id is None


def test_message_of_ours_is_known_by_its_key() -> None:
    key = new_key()
    seq, random = sequence_of(key)
    (event,) = vendor().read(changed("after_send__own_reply", MsgSeq=seq, MsgRandom=random))

    assert isinstance(event, MessageSent)
    assert event.key == key


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    incoming = CASE.callback(name)

    assert vendor().read(incoming) == [
        MessageReceived(
            event_id=vendor().delivery_id(incoming),
            happened_at=SENT_AT,
            raw=incoming.json,
            robot_id="@RBT#001",
            conversation=Address(kind="peer", id="user1"),
            sender_id="user1",
            content=MESSAGES[name],
            vendor_message_id=KEY,
            order=48374,
        )
    ]


@pytest.mark.parametrize("name", GROUP_MESSAGES)
def test_message_in_a_group(name: str) -> None:
    incoming = CASE.callback(name)
    content, mentions = GROUP_MESSAGES[name]

    assert vendor().read(incoming) == [
        MessageReceived(
            event_id=vendor().delivery_id(incoming),
            happened_at=SENT_AT,
            raw=incoming.json,
            robot_id=None,
            conversation=Address(kind="group", id="@TGS#2J4SZEAEL"),
            sender_id="user1",
            content=content,
            vendor_message_id="123",
            order=123,
            mentions=mentions,
        )
    ]


def test_deliveries_of_a_group_are_named_by_their_message() -> None:
    ids = {name: vendor().delivery_id(CASE.callback(name)) for name in ("group", "group__repeated")}
    topics = {vendor().delivery_id(changed("group__topic", TopicId=f"t{number}")) for number in range(2)}

    assert set(ids.values()) == {"Bot.OnGroupMessage|@TGS#2J4SZEAEL|123"}
    assert len(topics) == 2


@pytest.mark.parametrize("name", IGNORED)
def test_nothing_to_act_on(name: str) -> None:
    incoming = CASE.callback(name)

    assert vendor().read(incoming) == [
        Ignored(
            event_id=vendor().delivery_id(incoming),
            happened_at=TOLD_AT,
            raw=incoming.json,
            reason=IGNORED[name],
        )
    ]


@pytest.mark.parametrize("name", MALFORMED)
def test_what_cannot_be_read_says_why(name: str) -> None:
    with pytest.raises(CallbackMalformed) as caught:
        vendor().read(CASE.callback(name))
    assert str(caught.value) == MALFORMED[name]


def test_every_recorded_body_is_tried() -> None:
    recorded = {path.stem for path in CASE.folder.glob("*.json")}
    with_tests_of_their_own = {"after_send__between_users", "unknown_command__without_time"}

    assert recorded == {
        *MESSAGES,
        *GROUP_MESSAGES,
        *INTERRUPTS,
        *SENT,
        *IGNORED,
        *MALFORMED,
        *with_tests_of_their_own,
    }


def test_message_between_users_names_whom_it_was_written_to() -> None:
    (event,) = vendor().read(CASE.callback("after_send__between_users"))

    assert isinstance(event, MessageReceived)
    assert (event.sender_id, event.robot_id) == ("user1", "user2")


def test_event_without_a_time_happened_when_it_came() -> None:
    (event,) = vendor().read(CASE.callback("unknown_command__without_time"))

    assert event.happened_at == NOW


def test_event_time_that_is_none_does_not_matter() -> None:
    (event,) = vendor().read(changed("unknown_command", EventTime="soon"))

    assert event.happened_at == NOW


def test_delivery_id_names_the_message() -> None:
    assert vendor().delivery_id(CASE.callback("text")) == f"Bot.OnC2CMessage|user1|@RBT#001|{KEY}"


@pytest.mark.parametrize(
    "name", ["text__after_send", "other_robot", "unknown_command", "malformed__without_key"]
)
def test_other_delivery_has_another_id(name: str) -> None:
    assert vendor().delivery_id(CASE.callback(name)) != vendor().delivery_id(CASE.callback("text"))


def test_delivery_id_of_endless_names_is_a_digest() -> None:
    first, second = (changed("text", From_Account="u" * 500 + end) for end in "ab")

    assert len(vendor().delivery_id(first)) < 200
    assert vendor().delivery_id(first) != vendor().delivery_id(second)


def test_answer_is_what_tencent_wants_to_hear() -> None:
    answer = vendor().answer(callback())

    assert (answer.status, answer.body) == (200, {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""})


# At the door


def signed(*, received_at: datetime, **query: str) -> IncomingCallback:
    return callback(received_at=received_at, **{"RequestTime": str(SIGNED_AT), "Sign": SIGN, **query})


def at(offset_s: float) -> datetime:
    return datetime.fromtimestamp(SIGNED_AT, UTC) + timedelta(seconds=offset_s)


@pytest.mark.parametrize("offset_s", [-60, 0, 60])
def test_published_signature(offset_s: float) -> None:
    vendor().check(signed(received_at=at(offset_s)))


@pytest.mark.parametrize("offset_s", [-60.1, 60.1, 86400])
def test_published_signature_when_stale(offset_s: float) -> None:
    with pytest.raises(CallbackRejected, match="60 seconds"):
        vendor().check(signed(received_at=at(offset_s)))


@pytest.mark.parametrize(
    "request_time",
    ["", "soon", "-1", "1_669872112", "１６６９８７２１１２", " 1669872112", "1" * 5000, "1e9", "\ud800"],
)
def test_request_time_that_is_none(request_time: str) -> None:
    with pytest.raises(CallbackRejected, match="RequestTime"):
        vendor().check(signed(received_at=at(0), RequestTime=request_time))


@pytest.mark.parametrize("sign", ["", SIGN.upper(), SIGN[:-1], "é" * 64])
def test_sign_that_differs(sign: str) -> None:
    with pytest.raises(CallbackRejected, match="signature"):
        vendor().check(signed(received_at=at(0), Sign=sign))


@pytest.mark.parametrize("app_id", ["", "0", "1400000001", "01400000000"])
def test_other_app(app_id: str) -> None:
    with pytest.raises(CallbackRejected, match="SdkAppid"):
        vendor().check(signed(received_at=at(0), SdkAppid=app_id))


def test_without_a_token_only_the_app_is_checked() -> None:
    unsigned = vendor(callback_token="")
    unsigned.check(callback())

    with pytest.raises(CallbackRejected, match="SdkAppid"):
        unsigned.check(callback(SdkAppid="1400000001"))


def test_command_in_the_address_has_to_agree() -> None:
    unsigned = vendor(callback_token="")
    unsigned.check(callback(CallbackCommand="Bot.OnC2CMessage"))

    with pytest.raises(CallbackMalformed, match="address and body"):
        unsigned.check(callback(CallbackCommand="C2C.CallbackAfterSendMsg"))


@pytest.mark.parametrize("command", [None, 5, "", "x" * 101, ["Bot.OnC2CMessage"]])
def test_command_in_the_body_has_to_be_one(command: object) -> None:
    with pytest.raises(CallbackMalformed, match="CallbackCommand"):
        vendor(callback_token="").check(callback({"CallbackCommand": command}))


@pytest.mark.parametrize("told, id_", [({"StreamMsgID": "s-1"}, f"stream/{KEY}/s-1"), ({}, f"stream/{KEY}/")])
def test_echo_of_a_stream_names_it_as_we_do_and_does_not_end_it(told: dict[str, str], id_: str) -> None:
    element = {"MsgType": "TIMStreamElem", "MsgContent": {"CompatibleText": "Hel", **told}}

    [event] = vendor().read(changed("after_send__own_reply", MsgKey=KEY, MsgBody=[element]))

    assert isinstance(event, MessageSent)
    assert (event.vendor_message_id, event.is_finished) == (id_, False)

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

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
    Voice,
)
from bots.vendors.base import IncomingCallback
from bots.vendors.zego import Zego, ZegoConfig
from tests.bots.vendors.cases import NOW
from tests.bots.vendors.zego.case import APP_ID, CASE, NONCE, signature

SENT_AT = datetime(2025, 11, 1, 12, 0, 0, 123000, tzinfo=UTC)
MESSAGE_ID = "1152921504606846977"  # beyond 2^53
SUN = "https://example.com/a%20b/sun.png"

MESSAGES: dict[str, Content] = {
    "text": Text(text="hello"),
    "text__repeated": Text(text="hello"),
    "text__edited": Text(text="hello again"),
    "text__source_client": Text(text="hello"),
    "text__numbers_as_text": Text(text="hello"),
    "bot_msg": Text(text="hello"),
    "image": Image(url=SUN, width=320, height=200),
    "image__url_encoded": Image(url=SUN, width=320, height=200),
    "voice": Voice(url="https://example.com/hi.mp3", seconds=3),
    "file": File(url="https://example.com/notes.txt", name="notes.txt", size=4096),
    "video": File(url="https://example.com/cat.mp4", name="cat.mp4", size=4096),
    "combined": Text(text="What is this?"),
    "combined__without_text": Image(url=SUN, width=320, height=200),
    "merged": Custom(
        data='{"Title": "Chat of Alice and Bo", "Summary": "Alice: hi"}',
        text="Chat of Alice and Bo\nAlice: hi",
    ),
    "custom": Custom(data='{"order": 17}'),
    "unknown_type": Custom(data="?"),
}

GROUP_MESSAGES: dict[str, Content] = {
    "group": Text(text="@Ada hello"),
    "group__image": Image(url=SUN, width=320, height=200),
}

IGNORED = {
    "group__through_server": "sent through the server API",
    "through_server": "sent through the server API",
    "bot_msg__through_server": "sent through the server API",
    "failed": "not delivered (send_result 660500004)",
    "between_users": "written to a user",
    "room": "neither one-to-one nor in a group (conv_type 1)",
    "before_send": "nothing to do on before_send_msg",
    "unknown_event": "nothing to do on user_action",
    "unknown_event__milliseconds": "nothing to do on group_create",
}

# Of robots' messages: where they are, and their ids.
SENT = {
    "own_reply": (Address(kind="peer", id="user1"), "1152921504606847000/8"),
    "bot_msg__by_robot": (Address(kind="peer", id="user1"), "1152921504606846977/7"),
    "group__own_reply": (Address(kind="group", id="group1"), "1152921504606846977/7"),
}

MALFORMED = {
    "malformed__group_without_id": "conv_id is empty",
    "malformed__without_id": "msg_id is missing",
    "malformed__without_time": "msg_time is missing",
    "malformed__without_place": "conv_id is missing",
    "malformed__without_text": "msg_body is missing",
    "malformed__empty_sender": "from_user_id is empty",
    "malformed__long_sender": "from_user_id is longer than 64 characters",
    "malformed__text_is_number": "msg_body is not a text",
    "malformed__image_is_words": "msg_body is not a JSON object",
    "malformed__combined_is_empty": "msg_body.multi_msg is empty",
    "malformed__time_is_words": "msg_time is not a whole number",
}


def vendor(**settings: Any) -> Zego:
    config = {"app_id": APP_ID, "server_secret": "s", "callback_secret": CASE.callback_secret, **settings}
    return Zego(ZegoConfig(**config))


def incoming(body: bytes, *, received_at: datetime = NOW) -> IncomingCallback:
    return IncomingCallback(query={}, headers={}, body=body, received_at=received_at)


def changed(name: str, **fields: object) -> IncomingCallback:
    """A recorded body, signed, with fields that are not as they should be."""
    return incoming(json.dumps({**CASE.callback(name).json, **fields}).encode())


@pytest.mark.parametrize("name", SENT)
def test_message_of_a_robot(name: str) -> None:
    callback = CASE.callback(name)

    assert vendor().read(callback) == [
        MessageSent(
            event_id=vendor().delivery_id(callback),
            happened_at=SENT_AT,
            raw=callback.json,
            robot_id="@RBT#001",
            conversation=SENT[name][0],
            vendor_message_id=SENT[name][1],
            key=None,
            is_finished=True,
            order=callback.json["msg_seq"],
        )
    ]


@pytest.mark.parametrize("is_finished", [True, False])
def test_message_of_ours_is_known_by_its_key(is_finished: bool) -> None:
    payload = json.dumps({"parley": {"key": "7", "is_finished": is_finished}})
    (event,) = vendor().read(changed("own_reply", payload=payload))

    assert isinstance(event, MessageSent)
    assert (event.key, event.is_finished) == (7, is_finished)


@pytest.mark.parametrize("fields, reason", [
    ({"send_result": 660500004}, "not delivered (send_result 660500004)"),
    ({"conv_type": 1}, "written by a robot, neither one-to-one nor in a group"),
    ({"msg_id": "", "user_list": []}, "written by a robot, without its numbers"),
    ({"msg_seq": None}, "written by a robot, without its numbers"),
])  # fmt: skip
def test_message_of_a_robot_that_confirms_nothing(fields: dict[str, object], reason: str) -> None:
    (event,) = vendor().read(changed("own_reply", **fields))

    assert isinstance(event, Ignored)
    assert event.reason == reason


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    callback = CASE.callback(name)

    assert vendor().read(callback) == [
        MessageReceived(
            event_id=vendor().delivery_id(callback),
            happened_at=SENT_AT,
            raw=callback.json,
            robot_id="@RBT#001",
            conversation=Address(kind="peer", id="user1"),
            sender_id="user1",
            content=MESSAGES[name],
            vendor_message_id=MESSAGE_ID,
            order=7,
        )
    ]


@pytest.mark.parametrize("name", GROUP_MESSAGES)
def test_message_in_a_group_leaves_it_to_the_text_whom_it_mentions(name: str) -> None:
    callback = CASE.callback(name)

    assert vendor().read(callback) == [
        MessageReceived(
            event_id=vendor().delivery_id(callback),
            happened_at=SENT_AT,
            raw=callback.json,
            robot_id=None,
            conversation=Address(kind="group", id="group1"),
            sender_id="user1",
            content=GROUP_MESSAGES[name],
            vendor_message_id=MESSAGE_ID,
            order=7,
            mentions=None,
        )
    ]


@pytest.mark.parametrize("name", IGNORED)
def test_nothing_to_act_on(name: str) -> None:
    (event,) = vendor().read(CASE.callback(name))

    assert isinstance(event, Ignored)
    assert event.reason == IGNORED[name]


@pytest.mark.parametrize("name", MALFORMED)
def test_what_cannot_be_read_says_why(name: str) -> None:
    with pytest.raises(CallbackMalformed) as caught:
        vendor().read(CASE.callback(name))
    assert str(caught.value) == MALFORMED[name]


def test_every_recorded_body_is_tried() -> None:
    recorded = {path.stem for path in CASE.folder.glob("*.json")}

    assert recorded == {*MESSAGES, *GROUP_MESSAGES, *SENT, *IGNORED, *MALFORMED, "text__without_sequence"}


def test_sequence_may_be_missing() -> None:
    (event,) = vendor().read(CASE.callback("text__without_sequence"))

    assert isinstance(event, MessageReceived)
    assert event.order == 0


@pytest.mark.parametrize("timestamp", [1761998400, "1761998400", 1761998400000])
def test_event_without_a_message_happened_when_it_was_signed(timestamp: object) -> None:
    (event,) = vendor().read(changed("unknown_event", timestamp=timestamp))

    assert event.happened_at == datetime(2025, 11, 1, 12, tzinfo=UTC)


def test_delivery_id_names_the_message() -> None:
    assert vendor().delivery_id(CASE.callback()) == f"send_msg|user1|@RBT#001|{MESSAGE_ID}"


def test_edit_is_a_repeat() -> None:
    assert vendor().delivery_id(CASE.callback("text__edited")) == vendor().delivery_id(CASE.callback())


def test_delivery_id_of_endless_names_is_a_digest() -> None:
    first, second = (changed("text", from_user_id="u" * 500 + end) for end in "ab")

    assert len(vendor().delivery_id(first)) < 200
    assert vendor().delivery_id(first) != vendor().delivery_id(second)


@pytest.mark.parametrize(
    "encode", [quote, quote_plus, lambda text: quote(text, safe="+")], ids=["percent", "plus", "bare plus"]
)
def test_body_that_is_url_encoded(encode: Any) -> None:
    body = CASE.callback(body=CASE.recorded("text").replace(b"hello", "1 + 1 & 世界".encode())).body
    callback = incoming(encode(body.decode()).encode())
    vendor().check(callback)
    (event,) = vendor().read(callback)

    assert isinstance(event, MessageReceived)
    assert event.content == Text(text="1 + 1 & 世界")


def test_url_encoded_nonsense_is_malformed() -> None:
    with pytest.raises(CallbackMalformed):
        vendor().check(incoming(b"%7Bnonsense"))


# Whether a message may be sent


def test_question_is_answered_neutrally() -> None:
    answer = vendor().verdict(CASE.callback("before_send"))

    assert answer is not None
    assert (answer.status, answer.body) == (200, {"result": 0})


def test_message_with_the_words_of_a_question_is_none() -> None:
    assert vendor().verdict(changed("text", msg_body="before_send_msg")) is None


# At the door


def check(timestamp: int | str, nonce: str | int, sign: str, *, received_at: datetime, secret: str) -> None:
    fields = {"appid": str(APP_ID), "event": "x", "timestamp": timestamp, "nonce": nonce, "signature": sign}
    callback = incoming(json.dumps(fields).encode(), received_at=received_at)
    vendor(callback_secret=secret).check(callback)


def test_published_signature() -> None:
    check(
        1470820198,
        "123412",
        "5bd59fd62953a8059fb7eaba95720f66d19e4517",
        received_at=datetime.fromtimestamp(1470820198, UTC),
        secret="secret",
    )


@pytest.mark.parametrize("timestamp", [1761998400, "1761998400", 1761998400123])
@pytest.mark.parametrize("nonce", ["350176", "099", 350176, "zebra"])
@pytest.mark.parametrize("secret", ["0first", "9last", "secret"])
def test_secret_time_and_nonce_are_sorted_as_texts(
    timestamp: int | str, nonce: str | int, secret: str
) -> None:
    sign = signature(secret, int(timestamp), str(nonce))

    check(timestamp, nonce, sign, received_at=datetime(2025, 11, 1, 12, 5, tzinfo=UTC), secret=secret)


@pytest.mark.parametrize("timestamp", ["", "soon", -1, None, 1.5, True, "１７６１９９８４００", 10**25, [1]])
def test_timestamp_that_is_none(timestamp: object) -> None:
    with pytest.raises(CallbackRejected):
        vendor().check(changed("text", timestamp=timestamp))


@pytest.mark.parametrize("sign", ["", 7, None, "é" * 40, "0" * 40])
def test_signature_that_differs(sign: object) -> None:
    with pytest.raises(CallbackRejected):
        vendor().check(changed("text", signature=sign))


@pytest.mark.parametrize("app_id", ["", "0", None, "01234567890", 12345])
def test_other_app(app_id: object) -> None:
    with pytest.raises(CallbackRejected, match="appid"):
        vendor().check(changed("text", appid=app_id))


def test_app_id_as_a_number() -> None:
    vendor().check(changed("text", appid=APP_ID))


def test_milliseconds_go_stale_too() -> None:
    signed_at = NOW - timedelta(minutes=11)
    timestamp = int(signed_at.timestamp() * 1000)

    with pytest.raises(CallbackRejected, match="10 minutes"):
        vendor().check(
            changed("text", timestamp=timestamp, signature=signature(CASE.callback_secret, timestamp, NONCE))
        )


@pytest.mark.parametrize("event", [None, 5, "", "x" * 101, ["send_msg"]])
def test_event_has_to_be_one(event: object) -> None:
    with pytest.raises(CallbackMalformed, match="event"):
        vendor().check(changed("text", event=event))

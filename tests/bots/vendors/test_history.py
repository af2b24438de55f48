"""What a vendor's history tells is what its callbacks have told, in the same words and under the same ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import pytest

from bots.errors import Unsupported
from bots.events import (
    Address,
    Custom,
    File,
    Image,
    JSONDict,
    MessageReceived,
    MessageSent,
    OutgoingMessage,
    RobotProfile,
    Said,
    Text,
)
from bots.keys import key_given_back, new_key
from bots.vendors import vendor_class
from bots.vendors.base import IncomingCallback, Vendor
from bots.vendors.config import read_config
from bots.vendors.tencent.protocol import key_of, sequence_of
from sandbox.driver import App, EasemobApp, Sandbox, TencentApp, ZegoApp
from tests.bots.vendors.cases import case_of, closing
from tests.bots.vendors.cloud import Cloud
from tests.support.processes import eventually

ALICE: Final = Address(kind="peer", id="alice")
NOBODY: Final = "http://127.0.0.1:1/"  # callbacks that are sent here are lost, and logged
AGES_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=[TencentApp, ZegoApp, EasemobApp], ids=lambda kind: kind.vendor)
def app(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[App]:
    yield sandbox.register_app_of(request.param, callback_url=NOBODY, callback_retries=0)
    sandbox.set_clock(0)


@pytest.fixture
def ada(app: App) -> str:
    """A robot's id."""
    return "ada" if app.vendor == "easemob" else "@RBT#ada"


@pytest.fixture
def vendor(app: App, ada: str) -> Iterator[Vendor]:
    cls = vendor_class(app.vendor)
    with closing(cls(read_config(cls.Config, app.config()))) as vendor:
        vendor.register(RobotProfile(user_id=ada, nickname="Ada"))
        yield vendor


def history(vendor: Vendor, robot_id: str, since: datetime = AGES_AGO) -> list[Said]:
    """Oldest first."""
    pages = vendor.history(robot_id=robot_id, conversation=ALICE, since=since)
    said = list(chain.from_iterable(pages))
    return sorted(said, key=lambda event: (event.happened_at, getattr(event, "order", 0)))


def told(vendor: Vendor, sandbox: Sandbox, app: App, *, count: int) -> dict[str, MessageReceived]:
    """What callbacks have told of users' messages, by the message's id."""

    def heard() -> dict[str, MessageReceived]:
        bodies = [json.dumps(each["body"]).encode() for each in sandbox.callbacks(app=app.id)]
        events = chain.from_iterable(
            vendor.read(IncomingCallback(query={}, headers={}, body=body, received_at=datetime.now(UTC)))
            for body in bodies
        )
        return {event.vendor_message_id: event for event in events if isinstance(event, MessageReceived)}

    return eventually(lambda: found if len(found := heard()) == count else None)


def without_occasion(event: MessageReceived, **changes: Any) -> MessageReceived:
    return replace(event, event_id="", raw={}, happened_at=AGES_AGO, **changes)


def outgoing(robot_id: str, text: str, **fields: Any) -> OutgoingMessage:
    return OutgoingMessage(robot_id=robot_id, conversation=ALICE, text=text, key=new_key(), **fields)


CONTENTS: Final[list[JSONDict]] = [
    {"text": "Hello, 世界 😀"},
    {"image": "https://example.org/cat.png"},
    {"voice": "https://example.org/a.mp3", "seconds": 3},
    {"file": "https://example.org/a.pdf", "name": "a.pdf", "size": 7},
    {"custom": "order"},
]


def test_messages_are_told_as_by_callbacks(app: App, vendor: Vendor, ada: str, sandbox: Sandbox) -> None:
    for content in CONTENTS:
        app.send("alice", ada, **content)
    by_callback = told(vendor, sandbox, app, count=len(CONTENTS))
    by_history = [each for each in history(vendor, ada) if isinstance(each, MessageReceived)]

    assert len(by_callback) == len(by_history) == len(CONTENTS)
    for event in by_history:
        callback = by_callback[event.vendor_message_id]
        slack = timedelta(seconds=2)  # Easemob's callbacks tell the time at which they are sent
        assert abs(event.happened_at - callback.happened_at) < slack
        assert without_occasion(event) == without_occasion(callback)


def test_our_own_message_is_known_by_its_key(app: App, vendor: Vendor, ada: str) -> None:
    app.send("alice", ada, "hello")
    message = outgoing(ada, "Hello, Alice")
    receipt = vendor.send(message)
    sent = [event for event in history(vendor, ada) if isinstance(event, MessageSent)]

    assert [(event.vendor_message_id, event.key) for event in sent] == [
        (receipt.vendor_message_id, message.key)
    ]
    assert (sent[0].robot_id, sent[0].conversation) == (ada, ALICE)


def test_growing_message_is_not_finished(app: App, vendor: Vendor, ada: str) -> None:
    app.send("alice", ada, "hello")
    vendor.send(outgoing(ada, "Hel", is_stream=True, is_finished=False))
    sent = [event for event in history(vendor, ada) if isinstance(event, MessageSent)]

    assert [event.is_finished for event in sent] == [False]


def test_only_what_was_said_since_is_told(app: App, vendor: Vendor, ada: str, sandbox: Sandbox) -> None:
    sandbox.set_clock(-3600)
    app.send("alice", ada, "an hour ago")
    sandbox.set_clock(0)
    app.send("alice", ada, "now")

    said = history(vendor, ada, since=datetime.now(UTC) - timedelta(minutes=1))

    assert [event.content for event in said if isinstance(event, MessageReceived)] == [Text(text="now")]


def test_long_history_is_told_whole_and_once(app: App, vendor: Vendor, ada: str) -> None:
    keys = [app.send("alice", ada, f"message {number} {'x' * 200}") for number in range(120)]
    calls: list[None] = []
    pages = list(
        vendor.history(
            robot_id=ada, conversation=ALICE, since=AGES_AGO, before_call=lambda: calls.append(None)
        )
    )

    assert len(pages) == len(calls) > 1
    assert sorted(event.vendor_message_id for page in pages for event in page) == sorted(keys)


def test_group_is_told_as_by_callbacks(app: App, vendor: Vendor, ada: str, sandbox: Sandbox) -> None:
    app.change(callbacks=[name for name in app.group_callbacks if name != "Bot.OnGroupMessage"])
    group = app.group("alice", "bob", ada)
    place = Address(kind="group", id=group.id)
    group.send("alice", "Good morning")
    group.send("bob", "Hello, all")
    receipt = vendor.send(replace(outgoing(ada, "Hello, Bob"), conversation=place))
    by_callback = told(vendor, sandbox, app, count=2)
    pages = vendor.history(robot_id=ada, conversation=place, since=AGES_AGO)
    said = list(chain.from_iterable(pages))
    by_history = [event for event in said if isinstance(event, MessageReceived)]

    # A history does not always say who is mentioned.
    assert sorted(event.vendor_message_id for event in by_history) == sorted(by_callback)
    for event in by_history:
        callback = by_callback[event.vendor_message_id]
        assert without_occasion(event, mentions=()) == without_occasion(callback, mentions=())
    [ours] = [event for event in said if isinstance(event, MessageSent)]
    assert (ours.vendor_message_id, ours.conversation) == (receipt.vendor_message_id, place)


def test_history_of_a_group_passes_over_what_is_gone(app: App, vendor: Vendor, ada: str) -> None:
    group = app.group("alice", "bob", ada)
    place = Address(kind="group", id=group.id)
    group.send("alice", "before")
    regretted = replace(outgoing(ada, "oops"), conversation=place)
    receipt = vendor.send(regretted)
    vendor.recall(replace(regretted, vendor_message_id=receipt.vendor_message_id))
    group.send("bob", "behind")

    pages = vendor.history(robot_id=ada, conversation=place, since=AGES_AGO)

    assert sorted(getattr(event, "sender_id", "ours") for event in chain.from_iterable(pages)) == [
        "alice",
        "bob",
    ]


# Records that the simulated clouds do not make


def read(vendor_name: str, cloud: Cloud, answer: JSONDict) -> list[Said]:
    case = case_of(vendor_name)
    with closing(case.vendor(url=cloud.url)) as vendor:
        cloud.will_answer(answer)
        pages = vendor.history(
            robot_id=case.robot_id, conversation=Address(kind="peer", id="user1"), since=AGES_AGO
        )
        return list(chain.from_iterable(pages))


def tencent_record(**fields: Any) -> JSONDict:
    body = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}]
    record = {"From_Account": "user1", "To_Account": "@RBT#001", "MsgSeq": 7, "MsgRandom": 8}
    times = {"MsgTimeStamp": 1761998400, "MsgFlagBits": 0, "MsgKey": "7_8_1761998400", "MsgBody": body}
    return {**record, **times, **fields}


def tencent_answer(*records: JSONDict) -> JSONDict:
    return {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "Complete": 1, "MsgList": list(records)}


def custom_element(data: JSONDict) -> list[JSONDict]:
    return [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": json.dumps(data), "Desc": ""}}]


def test_tencent_tells_nothing_recalled_nor_of_signals_nor_unreadable(cloud: Cloud) -> None:
    interrupt = custom_element({"chatbotPlugin": 2, "src": 22, "msgKey": "1_2_3"})
    broken = tencent_record(MsgKey="broken")
    del broken["MsgBody"]

    said = read(
        "tencent",
        cloud,
        tencent_answer(
            tencent_record(MsgFlagBits=8, MsgKey="recalled"),
            tencent_record(MsgBody=interrupt, MsgKey="signal"),
            broken,
            tencent_record(),
        ),
    )

    assert [event.vendor_message_id for event in said] == ["7_8_1761998400"]


@pytest.mark.parametrize("data, is_finished", [
    ({"chatbotPlugin": 2, "src": 2, "chunks": ["Hi"], "isFinished": 0}, False),
    ({"chatbotPlugin": 2, "src": 2, "chunks": ["Hi"]}, False),
    ({"chatbotPlugin": 2, "src": 2, "chunks": ["Hi"], "isFinished": 1}, True),
    ({"chatbotPlugin": 2, "src": 23, "errorInfo": "Sorry"}, True),
    ({"order": 1, "src": 2}, True),
])  # fmt: skip
def test_tencent_tells_whether_an_answer_still_grows(cloud: Cloud, data: JSONDict, is_finished: bool) -> None:
    record = tencent_record(From_Account="@RBT#001", To_Account="user1", MsgBody=custom_element(data))
    (event,) = read("tencent", cloud, tencent_answer(record))

    assert isinstance(event, MessageSent)
    assert (event.is_finished, event.key) == (is_finished, None)


def test_tencents_streams_go_by_both_their_names(cloud: Cloud) -> None:
    body = [{"MsgType": "TIMStreamElem", "MsgContent": {"StreamMsgID": "s1", "CompatibleText": "Hi"}}]
    record = tencent_record(From_Account="@RBT#001", To_Account="user1", MsgBody=body)
    (event,) = read("tencent", cloud, tencent_answer(record))

    assert isinstance(event, MessageSent)
    assert (event.vendor_message_id, event.is_finished) == ("stream/7_8_1761998400/s1", False)


def test_tencents_numbers_give_the_key_back() -> None:
    key = new_key()

    assert key_of(*sequence_of(key)) == key
    assert key_of(48374, 2837546) is None


def zego_record(**fields: Any) -> JSONDict:
    record = {"Sender": "user1", "MsgType": 1, "MsgBody": "hello", "MsgId": 2**60 + 1, "MsgSeq": 7}
    return {**record, "Payload": "", "MsgTime": 1761998400123, "IsEmpty": 0, **fields}


def zego_answer(*records: JSONDict) -> JSONDict:
    return {"Code": 0, "Message": "", "RequestId": "1", "List": list(records), "Next": 0}


def test_zegos_ids_keep_all_their_digits_and_empty_messages_are_left_out(cloud: Cloud) -> None:
    said = read("zego", cloud, zego_answer(zego_record(IsEmpty=1), zego_record(IsEmpty=2), zego_record()))

    assert [event.vendor_message_id for event in said] == ["1152921504606846977"]


@pytest.mark.parametrize("kind, body, content", [
    (
        11,
        {"Uid": "1", "Origin": {"Url": "https://a.example/c.png", "Width": 3, "Height": 4}, "Size": 9},
        Image(url="https://a.example/c.png", width=3, height=4),
    ),
    (
        12,
        {"Uid": "1", "Url": "https://a.example/a.pdf", "FileName": "a.pdf", "Size": 7},
        File(url="https://a.example/a.pdf", name="a.pdf", size=7),
    ),
    (10, {"MultiMsg": [{"MsgType": 1, "Msg": "one"}, {"MsgType": 1, "Msg": "two"}]}, Text(text="one\ntwo")),
    (
        10,
        {"MultiMsg": [{"MsgType": 12, "Msg": '{"Url": "https://a.example/a"}'}]},
        File(url="https://a.example/a"),
    ),
    (12, "not media", Custom(data="not media")),
])  # fmt: skip
def test_zegos_media_are_read_in_the_words_in_which_they_are_sent(
    cloud: Cloud, kind: int, body: Any, content: object
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    (event,) = read("zego", cloud, zego_answer(zego_record(MsgType=kind, MsgBody=text)))

    assert isinstance(event, MessageReceived)
    assert event.content == content


def easemob_answer(*records: JSONDict) -> JSONDict:
    return {"data": {"messages": list(records), "pagination": {"cursor": ""}}}


def easemob_record(**payload: Any) -> JSONDict:
    content = {"bodies": [{"type": "txt", "msg": "hello"}], "from": "user1", "to": "ada", **payload}
    record = {"msg_id": "1499696395467098072", "timestamp": 1761998400123, "from": "internal", "to": "x"}
    return {**record, "payload": content}


def test_easemob_is_read_by_the_inner_names(cloud: Cloud) -> None:
    as_text = easemob_record()
    as_text |= {"msg_id": "2", "payload": json.dumps(as_text["payload"])}
    command = easemob_record(bodies=[{"type": "cmd", "action": "TypingBegin"}])
    stranger = easemob_record(**{"from": "somebody"})

    said = read("easemob", cloud, easemob_answer(easemob_record(), as_text, command, stranger))

    assert [event.vendor_message_id for event in said] == ["1499696395467098072", "2"]
    assert {getattr(event, "sender_id", None) for event in said} == {"user1"}


def test_easemobs_answer_of_unknown_form_is_not_taken_for_an_empty_history(cloud: Cloud) -> None:
    with pytest.raises(Unsupported, match="form is unknown"):
        read("easemob", cloud, {"data": {"text": "?"}})


@pytest.mark.parametrize("given, key", [
    ("7", 7), (7, 7), ("", None), ("x", None), (None, None), (0, None), (-7, None), (2**63, None), ([], None),
])  # fmt: skip
def test_key_that_a_vendor_gives_back(given: object, key: int | None) -> None:
    assert key_given_back(given) == key


def test_tencents_groups_have_places_of_what_is_gone(cloud: Cloud) -> None:
    group = Address(kind="group", id="g")
    records = [
        {"MsgSeq": 4, "IsPlaceMsg": 2, "MsgBody": {}},
        tencent_record(MsgSeq=3, IsSystemMsg=1),
        tencent_record(MsgSeq=2),
        tencent_record(MsgSeq=1, From_Account="@RBT#001"),
    ]
    with closing(case_of("tencent").vendor(url=cloud.url)) as vendor:
        cloud.will_answer({**tencent_answer(), "IsFinished": 1, "RspMsgList": records})
        pages = vendor.history(robot_id="@RBT#001", conversation=group, since=AGES_AGO)
        said = list(chain.from_iterable(pages))

    assert [(type(event), event.vendor_message_id) for event in said] == [
        (MessageReceived, "2"),
        (MessageSent, "1"),
    ]

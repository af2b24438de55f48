"""Answers as Tencent's native stream messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bots.errors import MessageEnded, Unsupported, VendorUnreachable
from bots.events import Address, JSONDict, OutgoingMessage, Receipt
from bots.vendors.tencent import Tencent, TencentConfig, stream
from bots.vendors.tencent.protocol import sequence_of
from tests.bots.vendors.cases import closing
from tests.bots.vendors.cloud import Cloud
from tests.bots.vendors.tencent.case import CASE, SDK_APP_ID, SENT_AT, fail, ok

NOW = 1761998400.25
KEY = (1761998400123 << 20) | 654321
SEQ, RANDOM = sequence_of(KEY)
MSG_KEY = f"{SEQ}_{RANDOM}_{SENT_AT}"
ID = f"stream/{MSG_KEY}/s-1"


@pytest.fixture
def tencent(cloud: Cloud) -> Iterator[Tencent]:
    config = TencentConfig(sdk_app_id=SDK_APP_ID, secret_key="k", api_base=cloud.url, transport="stream")
    with closing(Tencent(config, now=lambda: NOW)) as vendor:
        cloud.will_answer(ok(StreamMsgID="s-1", MsgKey=MSG_KEY, MsgTime=SENT_AT))
        yield vendor


def message(text: str = "Hello", **fields: Any) -> OutgoingMessage:
    return CASE.outgoing(text, **{"key": KEY, "is_stream": True, "is_finished": False, **fields})


def growing(text: str, **fields: Any) -> OutgoingMessage:
    """The second frame of a message of which "Hello" was taken."""
    return message(text, **{"vendor_message_id": ID, "shown": "Hello", "frame": 1, **fields})


def content(cloud: Cloud) -> JSONDict:
    (element,) = cloud.request.json["MsgBody"]
    assert element["MsgType"] == "TIMStreamElem"
    body: JSONDict = element["MsgContent"]
    return body


def chunk(index: int, text: str, *, is_last: bool = False) -> JSONDict:
    return {"EventType": "data", "Index": index, "Markdown": text, "IsLast": is_last}


def test_beginning(tencent: Tencent, cloud: Cloud) -> None:
    receipt = tencent.send(message())

    assert receipt == Receipt(vendor_message_id=ID, sent_at=datetime.fromtimestamp(SENT_AT, UTC))
    assert cloud.request.path == "/v4/stream_msg/send_c2c_stream_msg"
    assert cloud.request.json == {
        "SyncOtherMachine": 2,
        "From_Account": "@RBT#001",
        "To_Account": "user1",
        "MsgSeq": SEQ,
        "MsgRandom": RANDOM,
        "MsgBody": [
            {
                "MsgType": "TIMStreamElem",
                "MsgContent": {"CompatibleText": "Hello", "Chunks": [chunk(1, "Hello")]},
            }
        ],
    }


def test_beginning_whose_answer_says_little(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(ok(StreamMsgID="s-2"))

    receipt = tencent.send(message())

    assert receipt == Receipt(vendor_message_id="stream//s-2", sent_at=datetime.fromtimestamp(NOW, UTC))


def test_answer_without_the_streams_id_leaves_open_whether_it_began(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(ok(MsgKey=MSG_KEY))

    with pytest.raises(VendorUnreachable, match="StreamMsgID is missing"):
        tencent.send(message())


def test_increment(tencent: Tencent, cloud: Cloud) -> None:
    tencent.edit(growing("Hello, 世界"))

    assert cloud.request.path == "/v4/stream_msg/send_c2c_stream_msg"
    assert content(cloud) == {
        "CompatibleText": "Hello, 世界",
        "StreamMsgID": "s-1",
        "Chunks": [chunk(2, ", 世界")],
    }
    assert (cloud.request.json["MsgSeq"], cloud.request.json["MsgRandom"]) == (SEQ, RANDOM + 1)


def test_end_without_anything_new(tencent: Tencent, cloud: Cloud) -> None:
    tencent.edit(growing("Hello", is_finished=True, frame=7))

    assert content(cloud)["Chunks"] == [chunk(8, "", is_last=True)]


def test_repeat_is_the_same_to_the_byte(tencent: Tencent, cloud: Cloud) -> None:
    for is_repeat in (False, True):
        tencent.edit(growing("Hello you", is_repeat=is_repeat))

    first, second = cloud.requests[-2:]
    assert first.content == second.content


def test_text_for_old_clients_is_limited(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message("词" * 5000))

    assert content(cloud)["CompatibleText"] == "词" * 1000
    assert content(cloud)["Chunks"] == [chunk(1, "词" * 5000)]


def test_stream_in_a_group(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(ok(StreamMsgID="s-1", MsgSeq=12))

    receipt = tencent.send(message(conversation=Address(kind="group", id="@TGS#1")))

    body = cloud.request.json
    assert receipt.vendor_message_id == "stream/12/s-1"
    assert cloud.request.path == "/v4/stream_msg/send_group_stream_msg"
    assert (body["GroupId"], body["From_Account"]) == ("@TGS#1", "@RBT#001")
    assert body["Random"] == body["MsgRandom"] == KEY % 2**32


@pytest.mark.parametrize("code", [10004, 20022, 80001, 99999])
def test_whatever_is_refused_in_the_middle_the_answer_goes_on_elsewhere(
    tencent: Tencent, cloud: Cloud, code: int
) -> None:
    cloud.will_answer(fail(code))

    with pytest.raises(MessageEnded) as caught:
        tencent.edit(growing("Hello you"))
    assert caught.value.code == str(code)


def test_what_was_shown_cannot_be_changed(tencent: Tencent) -> None:
    with pytest.raises(Unsupported, match="only be added to"):
        tencent.edit(growing("Good day"))


def test_failure_and_plain_messages_are_texts(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(CASE.sent)

    for each in (message("Sorry.", is_error=True), message("Hi.", is_stream=False, is_finished=True)):
        tencent.send(each)

        assert cloud.requests[-1].path == "/v4/openim/sendmsg"
        [element] = cloud.requests[-1].json["MsgBody"]
        assert element == {"MsgType": "TIMTextElem", "MsgContent": {"Text": each.text}}


def test_recall_names_the_message(tencent: Tencent, cloud: Cloud) -> None:
    tencent.recall(growing("Hello"))

    assert cloud.request.path == "/v4/openim/admin_msgwithdraw"
    assert cloud.request.json["MsgKey"] == MSG_KEY


def test_stream_without_a_key_cannot_be_recalled(tencent: Tencent) -> None:
    with pytest.raises(Unsupported, match="MsgKey"):
        tencent.recall(growing("Hello", vendor_message_id="stream//s-1"))


@pytest.mark.parametrize("told, id_", [({"StreamMsgID": "s-1"}, ID), ({}, f"stream/{MSG_KEY}/")])
def test_beginning_whose_answer_was_lost_is_found(
    tencent: Tencent, cloud: Cloud, told: JSONDict, id_: str
) -> None:
    entry = {
        "From_Account": "@RBT#001",
        "MsgSeq": SEQ,
        "MsgRandom": RANDOM,
        "MsgTimeStamp": SENT_AT,
        "MsgKey": MSG_KEY,
        "MsgBody": [{"MsgType": "TIMStreamElem", "MsgContent": told}],
    }
    cloud.will_answer(ok(Complete=1, MsgCnt=1, MsgList=[entry]))

    receipt = tencent.find_sent(message())

    assert receipt == Receipt(vendor_message_id=id_, sent_at=datetime.fromtimestamp(SENT_AT, UTC))


def test_stream_whose_id_is_not_known_takes_nothing_more(tencent: Tencent, cloud: Cloud) -> None:
    with pytest.raises(MessageEnded):
        tencent.edit(growing("Hello you", vendor_message_id=f"stream/{MSG_KEY}/"))
    assert cloud.requests == []


def test_message_begun_before_the_choice_was_changed_grows_on_as_it_began(
    tencent: Tencent, cloud: Cloud
) -> None:
    tencent.edit(replace(growing("Hello you"), vendor_message_id=MSG_KEY))

    assert cloud.request.path == "/v4/openim/modify_c2c_msg"
    assert not tencent.takes_increments(MSG_KEY)
    assert tencent.takes_increments(ID)


def test_rules_of_the_account(tencent: Tencent) -> None:
    assert not tencent.starts_empty
    assert tencent.edit_interval_s * 5 > 1
    assert tencent.longest_gap_s == 15
    assert Tencent(TencentConfig(sdk_app_id=1, secret_key="k")).starts_empty


def test_longest_text(tencent: Tencent) -> None:
    longest = "词" * (stream.MAX_TEXT_BYTES // 3)

    assert tencent.fits(longest, is_stream=True)
    assert not tencent.fits(longest + "词", is_stream=True)
    assert not tencent.fits(longest, is_stream=False)

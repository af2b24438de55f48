from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bots.errors import (
    EditingUnavailable,
    MessageGone,
    VendorBusy,
    VendorRefused,
    VendorUnreachable,
)
from bots.events import Address, File, Image, JSONDict, OutgoingMessage, Receipt, RobotProfile
from bots.keys import KeyMaker
from bots.text import split_at
from bots.vendors.zego import Zego, ZegoConfig
from bots.vendors.zego.client import signature_of
from tests.bots.vendors.cases import closing
from tests.bots.vendors.cloud import HANG_UP, Cloud, Reply
from tests.bots.vendors.zego.case import APP_ID, CASE, fail, ok

NOW = 1761998400.25
SECRET = "9193cc662a4c0ec135ec71fb57194b38"  # made up: not a secret
KEY = (1761998400123 << 20) | 654321
EXISTS = [{"UserId": "@RBT#001", "SubCode": 660700002, "SubMessage": "exists"}]


@pytest.fixture
def zego(cloud: Cloud) -> Iterator[Zego]:
    config = ZegoConfig(
        app_id=APP_ID, server_secret=SECRET, callback_secret="c", zim_api_base=f"{cloud.url}/"
    )
    with closing(Zego(config, now=lambda: NOW)) as vendor:
        cloud.will_answer(CASE.sent)
        yield vendor


def message(text: str = "Hello", **fields: Any) -> OutgoingMessage:
    return CASE.outgoing(text, **{"key": KEY, "is_stream": True, "is_finished": False, **fields})


def sent_message(text: str = "Hello", **fields: Any) -> OutgoingMessage:
    return message(text, vendor_message_id=CASE.sent_id, **fields)


def extension(*, is_finished: bool) -> str:
    return json.dumps({"parley": {"key": str(KEY), "is_finished": is_finished}})


# Any call


def test_published_signature() -> None:
    signature = signature_of(12345, "4fd24687296dd9f3", SECRET, 1615186943)

    assert signature == "43e5cfcca828314675f91b001390566a"


def test_address_of_a_call(zego: Zego, cloud: Cloud) -> None:
    zego.send(message())
    query = cloud.request.query
    nonce, signature = query.pop("SignatureNonce"), query.pop("Signature")

    assert cloud.request.path == "/"
    assert query == {
        "Action": "SendPeerMessage",
        "AppId": str(APP_ID),
        "Timestamp": str(int(NOW)),
        "SignatureVersion": "2.0",
    }
    assert len(bytes.fromhex(nonce)) == 8
    assert signature == signature_of(APP_ID, nonce, SECRET, int(NOW))
    assert cloud.request.headers["content-type"] == "application/json"


def test_each_call_is_signed_anew(zego: Zego, cloud: Cloud) -> None:
    zego.send(message())
    zego.send(message())

    assert len({request.query["SignatureNonce"] for request in cloud.requests}) == 2
    assert cloud.requests[0].content == cloud.requests[1].content


def test_expired_signature_is_replaced_once(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(fail(100000004), CASE.sent)

    assert zego.send(message()).vendor_message_id == CASE.sent_id


def test_clock_that_is_off_is_named(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(fail(100000004))

    with pytest.raises(VendorRefused, match="clock"):
        zego.send(message())
    assert len(cloud.requests) == 2


@pytest.mark.parametrize(
    "code, error",
    [
        (1, VendorBusy),
        (7, VendorBusy),
        (660300005, VendorBusy),
        (660300006, VendorBusy),
        (660700001, VendorBusy),
        (100000015, VendorUnreachable),
        (660000001, VendorUnreachable),
        (100000005, VendorRefused),
        (660400001, VendorRefused),
        (660500002, VendorRefused),
        (999, VendorRefused),
    ],
)
def test_code(zego: Zego, cloud: Cloud, code: int, error: type[Exception]) -> None:
    cloud.will_answer(fail(code, "because"))

    with pytest.raises(error, match="because") as caught:
        zego.send(message())
    assert type(caught.value) is error
    assert getattr(caught.value, "code", None) == str(code)


@pytest.mark.parametrize("errors", [[], None, [{}], ["x"], {"a": 1}, [{"SubCode": "x"}]])
def test_code_of_a_call_whose_errors_are_strange(zego: Zego, cloud: Cloud, errors: object) -> None:
    cloud.will_answer(fail(660300005, ErrorList=errors))

    with pytest.raises(VendorBusy):
        zego.send(message())


# Messages


def test_first_frame(zego: Zego, cloud: Cloud) -> None:
    receipt = zego.send(message(""))

    assert cloud.request.json == {
        "FromUserId": "@RBT#001",
        "ToUserId": ["user1"],
        "MessageType": 1,
        "Priority": 2,
        "MessageBody": {"Message": "…", "ExtendedData": extension(is_finished=False)},
    }
    assert receipt == Receipt(
        vendor_message_id="1152921504606847000/8", sent_at=datetime.fromtimestamp(NOW, UTC), order=8
    )


def test_extra_goes_along(zego: Zego, cloud: Cloud) -> None:
    zego.send(message(extra={"SendMsgOptions": {"NoUnread": True}}))

    assert cloud.request.json["SendMsgOptions"] == {"NoUnread": True}


@pytest.mark.parametrize(
    "receipts",
    [None, [], [{}], [{"MsgId": "1"}], [{"MsgId": "", "MsgSeq": 1}], [{"MsgId": "1", "MsgSeq": "x"}]],
)
def test_answer_without_a_receipt_is_none(zego: Zego, cloud: Cloud, receipts: object) -> None:
    cloud.will_answer(ok(SuccList=receipts))

    with pytest.raises(VendorUnreachable, match="answer"):
        zego.send(message())


def test_user_who_gets_nothing_is_a_refusal_though_the_call_succeeded(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(ErrorList=[{"UserId": "user1", "SubCode": 660800045}], SuccList=[]))

    with pytest.raises(VendorRefused, match="blocked the robot"):
        zego.send(message())


GROUP = Address(kind="group", id="group1")


def test_picture(zego: Zego, cloud: Cloud) -> None:
    picture = Image(url="https://parley.example/files/a", width=640, height=480, name="a.png", size=900)
    zego.send(message("", is_finished=True, attachment=picture))

    size = {"Url": "https://parley.example/files/a", "Width": 640, "Height": 480}
    body = cloud.request.json["MessageBody"]
    assert cloud.request.json["MessageType"] == 11
    assert json.loads(body["Message"]) == {
        "Uid": str(KEY),
        "Origin": size,
        "LargeImage": size,
        "Thumbnail": size,
        "FileName": "a.png",
        "Size": 900,
    }
    assert body["ExtendedData"] == extension(is_finished=True)


def test_file(zego: Zego, cloud: Cloud) -> None:
    file = File(url="https://parley.example/files/b", name="Bill.pdf", size=1000)
    zego.send(message("", is_finished=True, attachment=file))

    assert cloud.request.json["MessageType"] == 12
    assert json.loads(cloud.request.json["MessageBody"]["Message"]) == {
        "Uid": str(KEY),
        "Url": "https://parley.example/files/b",
        "FileName": "Bill.pdf",
        "Size": 1000,
    }


def test_message_to_a_group(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(MsgId=1152921504606847000, MsgSeq=8, AuditInfos=[]))

    receipt = zego.send(message(conversation=GROUP, mentions=("user1",)))

    assert receipt.vendor_message_id == "1152921504606847000/8"
    assert cloud.request.query["Action"] == "SendGroupMessage"
    assert cloud.request.json == {
        "FromUserId": "@RBT#001",
        "GroupId": "group1",
        "MessageType": 1,
        "Priority": 2,
        "MessageBody": {"Message": "Hello", "ExtendedData": extension(is_finished=False)},
    }


def test_frame_in_a_group(zego: Zego, cloud: Cloud) -> None:
    zego.edit(sent_message("Hello", conversation=GROUP))

    assert cloud.request.query["Action"] == "EditGroupMsgBody"
    assert (cloud.request.json["ConvId"], cloud.request.json["ConvMsgSeq"]) == ("group1", 8)


def test_recall_in_a_group(zego: Zego, cloud: Cloud) -> None:
    zego.recall(sent_message("Hello", conversation=GROUP))

    assert cloud.request.query["Action"] == "RevokeGroupMessage"
    assert cloud.request.json == {"FromUserId": "@RBT#001", "GroupId": "group1", "MsgSeq": 8}


def test_send_to_a_group_whose_answer_was_lost_is_looked_for_there(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(List=[], Next=0))

    assert zego.find_sent(message(conversation=GROUP)) is None
    assert cloud.request.query["Action"] == "QueryGroupMsg"
    assert (cloud.request.json["GroupId"], "ToUserId" in cloud.request.json) == ("group1", False)


def test_plan_without_editing_has_none_in_groups_either(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(fail(660000028))

    with pytest.raises(EditingUnavailable) as caught:
        zego.edit(sent_message("Hello", conversation=GROUP))
    assert caught.value.place is None


def test_last_frame(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(StateMsgSeq=1, EditMsgSeq=1, LatestEditTime=1))
    zego.edit(sent_message("Hello, 世界", is_finished=True))

    assert cloud.request.query["Action"] == "EditC2cMsgBody"
    assert cloud.request.json == {
        "FromUserId": "@RBT#001",
        "SenderId": "@RBT#001",
        "ConvId": "user1",
        "MsgType": 1,
        "ConvMsgSeq": 8,
        "EditType": 3,
        "MessageBody": {"Message": "Hello, 世界", "ExtendedData": extension(is_finished=True)},
    }


@pytest.mark.parametrize("code", [660000028, 100000007, 100000017])
def test_plan_without_editing(zego: Zego, cloud: Cloud, code: int) -> None:
    cloud.will_answer(fail(code))

    with pytest.raises(EditingUnavailable):
        zego.edit(sent_message())


def test_plan_without_sending_is_something_else(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(fail(660000028))

    with pytest.raises(VendorRefused) as caught:
        zego.send(message())
    assert not isinstance(caught.value, EditingUnavailable)


@pytest.mark.parametrize("code", [660000022, 660000023])
def test_edit_of_a_message_that_is_gone(zego: Zego, cloud: Cloud, code: int) -> None:
    cloud.will_answer(fail(code))

    with pytest.raises(MessageGone):
        zego.edit(sent_message())


def test_recall(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok())
    zego.recall(sent_message())

    assert cloud.request.query["Action"] == "RevokePeerMessage"
    assert cloud.request.json == {"FromUserId": "@RBT#001", "ToUserId": "user1", "MsgSeq": 8}


def test_recall_twice(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(fail(660000023))

    zego.recall(sent_message())


def test_recall_too_late(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(fail(660000024))

    with pytest.raises(VendorRefused, match="too late"):
        zego.recall(sent_message())


# History


def entry(**fields: Any) -> JSONDict:
    return {
        "Sender": "@RBT#001",
        "MsgType": 1,
        "SubMsgType": 0,
        "MsgBody": "Hello",
        "MsgId": 1152921504606847000,
        "MsgSeq": 8,
        "Payload": extension(is_finished=False),
        "MsgTime": 1761998400125,
        "IsEmpty": 0,
        **fields,
    }


OTHERS = [
    entry(Sender="user1", MsgSeq=12),
    entry(Payload="", MsgSeq=11),
    entry(Payload="[1]", MsgSeq=10),
    entry(Payload='{"parley": {"key": "1"}}', MsgSeq=9),
]


def test_sent_message_is_found_by_its_key(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(List=[*OTHERS, entry()], Next=0))

    assert zego.find_sent(message()) == Receipt(
        vendor_message_id="1152921504606847000/8",
        sent_at=datetime.fromtimestamp(1761998400.125, UTC),
        order=8,
    )
    assert cloud.request.json == {"FromUserId": "@RBT#001", "ToUserId": "user1", "Limit": 100, "Next": 0}


def test_history_is_read_page_by_page(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(List=OTHERS, Next=2**60), ok(List=[entry()], Next=0))

    assert zego.find_sent(message()) is not None
    assert [request.json["Next"] for request in cloud.requests] == [0, 2**60]


def test_history_is_read_back_to_the_message_only(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(List=[*OTHERS, entry(Payload="", MsgTime=1761998000000)], Next=7))

    assert zego.find_sent(message()) is None
    assert len(cloud.requests) == 1


def test_empty_history(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(List=[], Next=0))

    assert zego.find_sent(message()) is None


def test_history_without_an_end_is_not_believed(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(List=OTHERS, Next=1))

    with pytest.raises(VendorUnreachable, match="does not end"):
        zego.find_sent(message())


# Robots


def test_robot_is_created(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(ok(ErrorList=[]))
    zego.register(RobotProfile(user_id="@RBT#001", nickname="Ada", avatar_url="https://example.org/a.png"))

    assert cloud.request.query["Action"] == "RobotRegister"
    assert cloud.request.json == {
        "UserInfo": [{"UserId": "@RBT#001", "UserName": "Ada", "UserAvatar": "https://example.org/a.png"}]
    }


@pytest.mark.parametrize("answer", [ok(ErrorList=EXISTS), fail(660000003, ErrorList=EXISTS)])
@pytest.mark.parametrize("change", [ok(ErrorList=[]), fail(660700015)])
def test_robot_that_exists(zego: Zego, cloud: Cloud, answer: JSONDict, change: JSONDict) -> None:
    cloud.will_answer(answer, change)
    zego.register(RobotProfile(user_id="@RBT#001", nickname="Ada"))

    assert [request.query["Action"] for request in cloud.requests] == ["RobotRegister", "ModifyUserInfo"]
    assert cloud.requests[1].json == {"UserInfo": [{"UserId": "@RBT#001", "UserName": "Ada"}]}


@pytest.mark.parametrize(
    "answer, error",
    [
        (fail(660000003, ErrorList=[{"UserId": "@RBT#001", "SubCode": 660700006}]), VendorRefused),
        (ok(ErrorList=[{"UserId": "@RBT#001", "SubCode": 660000001}]), VendorUnreachable),
        (fail(660000002, "bad", ErrorList=[]), VendorRefused),
    ],
)
def test_robot_that_is_refused(zego: Zego, cloud: Cloud, answer: JSONDict, error: type[Exception]) -> None:
    cloud.will_answer(answer)

    with pytest.raises(error):
        zego.register(RobotProfile(user_id="@RBT#001", nickname="Ada"))


def test_profile_that_may_be_unchanged_is_tried_again(zego: Zego, cloud: Cloud) -> None:
    cloud.will_answer(Reply(fail(660000003, ErrorList=EXISTS)), HANG_UP)

    with pytest.raises(VendorUnreachable):
        zego.register(RobotProfile(user_id="@RBT#001", nickname="Ada"))


# Size


@pytest.mark.parametrize("text", ["中" * 5000, "👩‍👩‍👧‍👦" * 500, "é" * 5000, 'a"\\' * 2000])
def test_text_is_cut_below_two_kilobytes_and_never_inside_a_character(zego: Zego, text: str) -> None:
    head, tail = split_at(text, lambda part: zego.fits(part, is_stream=True))

    assert 1900 < len(head.encode()) <= 2000
    assert head + tail == text
    assert not tail.startswith("\N{ZERO WIDTH JOINER}")


def test_keys_of_one_process_are_found_apart(zego: Zego, cloud: Cloud) -> None:
    keys = KeyMaker(lambda: NOW)
    cloud.will_answer(ok(List=[entry()], Next=0))

    assert zego.find_sent(message(key=keys.new_key())) is None

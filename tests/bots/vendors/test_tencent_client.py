from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bots.errors import EditingUnavailable, MessageGone, VendorBusy, VendorRefused, VendorUnreachable
from bots.events import Address, File, Image, JSONDict, OutgoingMessage, Receipt, RobotProfile
from bots.keys import KeyMaker
from bots.text import split_at
from bots.vendors.tencent import Tencent, TencentConfig
from bots.vendors.tencent.errors import MEANINGS, RENEWABLE
from bots.vendors.tencent.protocol import MAX_BODY_BYTES, sequence_of
from tests.bots.vendors.cases import closing
from tests.bots.vendors.cloud import HANG_UP, Cloud, Reply
from tests.bots.vendors.tencent.case import CASE, SDK_APP_ID, SENT_AT, fail, ok
from tests.bots.vendors.test_usersig import K1, decoded

NOW = 1761998400.25
KEY = (1761998400123 << 20) | 654321
SEQ, RANDOM = sequence_of(KEY)
SENT = ok(MsgTime=SENT_AT, MsgKey=CASE.sent_id)


@pytest.fixture
def tencent(cloud: Cloud) -> Iterator[Tencent]:
    config = TencentConfig(sdk_app_id=SDK_APP_ID, secret_key=K1, api_base=f"{cloud.url}/")
    with closing(Tencent(config, now=lambda: NOW)) as vendor:
        cloud.will_answer(SENT)
        yield vendor


def message(text: str = "Hello", **fields: Any) -> OutgoingMessage:
    return CASE.outgoing(text, **{"key": KEY, "is_stream": True, "is_finished": False, **fields})


def stream_body(data: str, desc: str) -> list[JSONDict]:
    return [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": data, "Desc": desc}}]


def plugin_data(cloud: Cloud) -> Any:
    (element,) = cloud.request.json["MsgBody"]
    return json.loads(element["MsgContent"]["Data"])


# Any call


def test_address_of_a_call(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message())
    query = cloud.request.query
    ticket = decoded(query.pop("usersig"))

    assert cloud.request.path == "/v4/openim/sendmsg"
    assert 0 <= int(query.pop("random")) < 2**32
    assert query == {"sdkappid": str(SDK_APP_ID), "identifier": "administrator", "contenttype": "json"}
    assert (ticket["TLS.identifier"], ticket["TLS.time"]) == ("administrator", int(NOW))
    assert cloud.request.headers["content-type"] == "application/json"


def test_admin_with_strange_characters_arrives_whole(cloud: Cloud) -> None:
    cloud.will_answer(SENT)
    config = TencentConfig(sdk_app_id=1, secret_key=K1, api_base=cloud.url, admin_user_id="a&b=c #1+张")
    with closing(Tencent(config)) as vendor:
        vendor.send(message())

    assert cloud.request.query["identifier"] == "a&b=c #1+张"


def test_chinese_is_sent_as_it_is(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message("你好", is_stream=False))

    assert "你好".encode() in cloud.request.content


@pytest.mark.parametrize("code", sorted(RENEWABLE))
def test_refused_user_sig_is_minted_anew_once(cloud: Cloud, code: int) -> None:
    clock = iter(range(1761998400, 1761999400, 10))
    config = TencentConfig(sdk_app_id=SDK_APP_ID, secret_key=K1, api_base=cloud.url)
    cloud.will_answer(fail(code), SENT)
    with closing(Tencent(config, now=lambda: float(next(clock)))) as vendor:
        vendor.send(message())

    first, second = (request.query["usersig"] for request in cloud.requests)
    assert first != second
    assert cloud.requests[0].content == cloud.requests[1].content


def test_user_sig_that_stays_refused_is_a_matter_of_settings(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(fail(70003, "decode usersig failed"))

    with pytest.raises(VendorRefused, match="check sdk_app_id and secret_key") as caught:
        tencent.send(message())
    assert len(cloud.requests) == 2
    assert caught.value.code == "70003"


def test_user_sig_is_used_again(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message())
    tencent.edit(message(vendor_message_id="m"))

    first, second = cloud.requests
    assert first.query["usersig"] == second.query["usersig"]


@pytest.mark.parametrize("reply", [Reply(status=500), Reply(body=b"<html>"), HANG_UP])
def test_unreachable_does_not_give_the_user_sig_away(tencent: Tencent, cloud: Cloud, reply: Reply) -> None:
    cloud.will_answer(reply)

    with pytest.raises(VendorUnreachable) as caught:
        tencent.send(message())
    told = "".join(traceback.format_exception(caught.value))
    assert cloud.request.query["usersig"] not in told
    assert K1 not in told


def test_user_sig_in_their_words_is_left_out(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message())
    sig = cloud.request.query["usersig"]
    cloud.will_answer(fail(60002, f"cannot serve /v4/x?usersig={sig}&random=1"))

    with pytest.raises(VendorRefused, match=r"usersig=…&random=1") as caught:
        tencent.send(message())
    assert sig not in str(caught.value)


# What each code comes to


@pytest.mark.parametrize("code", [60007, 60011, 60018, 60019, 10006, 10023, 20027, 20028, 70050, 80003])
def test_busy(tencent: Tencent, cloud: Cloud, code: int) -> None:
    cloud.will_answer(fail(code))

    with pytest.raises(VendorBusy) as caught:
        tencent.send(message())
    assert caught.value.retry_after
    assert caught.value.retry_after <= 60


@pytest.mark.parametrize(
    "code", [60008, 70169, 70500, 20002, 20004, 20005, 90992, 90994, 90995, 91000, 10002, 40006]
)
def test_trouble_inside_tencent_is_worth_another_try(tencent: Tencent, cloud: Cloud, code: int) -> None:
    cloud.will_answer(fail(code))

    with pytest.raises(VendorUnreachable):
        tencent.send(message())


@pytest.mark.parametrize("code", [20022, 20023, 20026, 90054])
def test_edit_of_a_message_that_is_gone(tencent: Tencent, cloud: Cloud, code: int) -> None:
    cloud.will_answer(fail(code))

    with pytest.raises(MessageGone) as caught:
        tencent.edit(message(vendor_message_id="m"))
    assert caught.value.permanent


@pytest.mark.parametrize(
    "code, words",
    [
        (60021, "allowed addresses"),
        (70009, "check sdk_app_id and secret_key"),
        (70020, "check api_base"),
        (80001, "content moderation"),
        (93000, "too long"),
        (20003, "does not exist"),
        (20006, "own callback refused"),
        (60010, "not an administrator"),
        (90001, "does not understand"),
        (120001, "own callback refused"),
        (130000, "own callback refused"),
        (424242, "Tencent refused"),
    ],
)
def test_refusal_tells_what_to_mend(tencent: Tencent, cloud: Cloud, code: int, words: str) -> None:
    cloud.will_answer(fail(code, "their\nwords"))

    with pytest.raises(VendorRefused, match=words) as caught:
        tencent.send(message())
    assert str(caught.value).startswith(f"tencent {code}: openim/sendmsg: ")
    assert str(caught.value).endswith("(their words)")


# The table of trtc.io/document/34348 and 269/1671, with what our calls can meet of TIMErrorCode.h, and the
# codes of friend_add (269/1643).
DOCUMENTED = {
    *(60002, 60003, 60004, 60005, 60006, 60007, 60008, 60009, 60010, 60011, 60012, 60016, 60017, 60018),
    *(60019, 60020, 60021, 70001, 70002, 70003, 70005, 70009, 70013, 70014, 70016, 70020, 70050, 70051),
    *(70052, 70107, 70114, 70169, 70402, 70403, 70500, 80001, 80002, 80003, 80004, 80005, 20001, 20002),
    *(20003, 20004, 20005, 20006, 20007, 20009, 20010, 20011, 20012, 20016, 20022, 20023, 20026, 20027),
    *(20028, 90001, 90002, 90003, 90005, 90006, 90007, 90008, 90009, 90010, 90012, 90026, 90031, 90043),
    *(90044, 90048, 90054, 90055, 90992, 90994, 90995, 91000, 93000, 10002, 10003, 10004, 10006, 10007),
    *(10008, 10010, 10015, 10016, 10017, 10019, 10023, 10030, 10031, 10032, 10033, 10053),
    *(30001, 30002, 30003, 30004, 30005, 30006, 30007, 30008, 30010, 30014, 30015, 30515, 30516, 30525),
    *(30539, 30540),
}


def test_every_documented_code_has_a_meaning() -> None:
    assert set(MEANINGS) >= DOCUMENTED


def test_error_code_as_text(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer({"ErrorCode": "60018"})

    with pytest.raises(VendorBusy):
        tencent.send(message())


def test_what_would_fail_again_is_not_said_to_be_worth_a_wait() -> None:
    waiting = {code for code, meaning in MEANINGS.items() if meaning.retry_after}

    assert waiting == {code for code, meaning in MEANINGS.items() if meaning.error is VendorBusy}


# Sending


def test_first_frame(tencent: Tencent, cloud: Cloud) -> None:
    receipt = tencent.send(message(""))

    assert receipt == Receipt(vendor_message_id=CASE.sent_id, sent_at=datetime.fromtimestamp(SENT_AT, UTC))
    assert cloud.request.json == {
        "SyncOtherMachine": 2,
        "From_Account": "@RBT#001",
        "To_Account": "user1",
        "MsgSeq": SEQ,
        "MsgRandom": RANDOM,
        "MsgBody": stream_body('{"chatbotPlugin":2,"src":2,"chunks":[],"isFinished":0}', "…"),
        "OfflinePushInfo": {"PushFlag": 0, "Desc": "…"},
    }


def test_short_answer_in_one_frame(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message("Hi 😀", is_finished=True))

    assert plugin_data(cloud) == {"chatbotPlugin": 2, "src": 2, "chunks": ["Hi 😀"], "isFinished": 1}
    assert cloud.request.json["MsgBody"][0]["MsgContent"]["Desc"] == "Hi 😀"
    assert cloud.request.json["OfflinePushInfo"] == {"PushFlag": 0, "Desc": "Hi 😀"}


def test_numbers_are_numbers(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message(is_finished=True))
    data = plugin_data(cloud)

    assert [type(data[name]) for name in ("chatbotPlugin", "src", "isFinished")] == [int, int, int]


def test_failure_is_told(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message("Sorry", is_error=True, is_finished=True))

    assert plugin_data(cloud) == {"chatbotPlugin": 2, "src": 23, "errorInfo": "Sorry", "isFinished": 1}


def test_plain_message(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message("Hello", is_stream=False, is_finished=True))

    assert cloud.request.json["MsgBody"] == [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "Hello"}}]


def test_picture(tencent: Tencent, cloud: Cloud) -> None:
    picture = Image(url="https://parley.example/files/a", width=640, height=480, name="a.png", size=900)
    tencent.send(message("", is_stream=False, is_finished=True, attachment=picture))

    size = {"Size": 900, "Width": 640, "Height": 480, "URL": "https://parley.example/files/a"}
    sizes = [{"Type": kind, **size} for kind in (1, 2, 3)]
    content = {"UUID": str(KEY), "ImageFormat": 3, "ImageInfoArray": sizes}
    assert cloud.request.json["MsgBody"] == [{"MsgType": "TIMImageElem", "MsgContent": content}]
    assert cloud.request.json["OfflinePushInfo"]["Desc"] == "a.png"
    assert (cloud.request.json["MsgSeq"], cloud.request.json["MsgRandom"]) == (SEQ, RANDOM)


def test_file(tencent: Tencent, cloud: Cloud) -> None:
    file = File(url="https://parley.example/files/b", name="Bill.pdf", size=1000)
    tencent.send(message("", is_stream=False, is_finished=True, attachment=file))

    content = {
        "Url": "https://parley.example/files/b",
        "UUID": str(KEY),
        "FileSize": 1000,
        "FileName": "Bill.pdf",
        "Download_Flag": 2,
    }
    assert cloud.request.json["MsgBody"] == [{"MsgType": "TIMFileElem", "MsgContent": content}]


def test_summary_is_one_short_line(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message("One\n\ntwo " + "three " * 100))
    desc = cloud.request.json["OfflinePushInfo"]["Desc"]

    assert desc.startswith("One two three")
    assert len(desc) <= 80


def test_half_a_character_does_no_harm(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message("a\ud83d\0b"))

    assert plugin_data(cloud)["chunks"] == ["a\N{REPLACEMENT CHARACTER}b"]


def test_repeat_is_the_same_to_the_byte(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message())
    tencent.send(message())

    first, second = cloud.requests
    assert first.content == second.content


def test_extra_goes_along(tencent: Tencent, cloud: Cloud) -> None:
    tencent.send(message(extra={"CloudCustomData": "x", "SendMsgControl": ["NoUnread"]}))

    assert cloud.request.json["CloudCustomData"] == "x"
    assert cloud.request.json["SendMsgControl"] == ["NoUnread"]


def test_answer_without_a_key_leaves_open_whether_it_was_sent(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(ok())

    with pytest.raises(VendorUnreachable, match="MsgKey is missing"):
        tencent.send(message())


# Groups


def in_group(text: str = "Hello", **fields: Any) -> OutgoingMessage:
    return message(text, conversation=Address(kind="group", id="g1"), **fields)


def test_message_to_a_group(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(ok(MsgTime=SENT_AT, MsgSeq=17))

    receipt = tencent.send(in_group(mentions=("user1", "user2")))

    assert receipt == Receipt(vendor_message_id="17", sent_at=datetime.fromtimestamp(SENT_AT, UTC))
    assert cloud.request.path == "/v4/group_open_http_svc/send_group_msg"
    data = '{"chatbotPlugin":2,"src":2,"chunks":["Hello"],"isFinished":0}'
    assert cloud.request.json == {
        "GroupId": "g1",
        "From_Account": "@RBT#001",
        "Random": KEY % 2**32,
        "GroupAtInfo": [
            {"GroupAtAllFlag": 0, "GroupAt_Account": "user1"},
            {"GroupAtAllFlag": 0, "GroupAt_Account": "user2"},
        ],
        "MsgBody": stream_body(data, "Hello"),
        "OfflinePushInfo": {"PushFlag": 0, "Desc": "Hello"},
    }


def test_no_more_are_mentioned_than_may_be(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(ok(MsgTime=SENT_AT, MsgSeq=17))

    tencent.send(in_group(mentions=tuple(f"user{number}" for number in range(40))))

    assert len(cloud.request.json["GroupAtInfo"]) == 30


def test_message_that_the_group_dropped_is_sent_again(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(ok(MsgTime=SENT_AT, MsgSeq=0, MsgDropReason="MsgFreqCtrl"))

    with pytest.raises(VendorBusy, match="MsgFreqCtrl") as caught:
        tencent.send(in_group())
    assert caught.value.retry_after == 1


def test_edit_in_a_group(tencent: Tencent, cloud: Cloud) -> None:
    tencent.edit(in_group(vendor_message_id="17", is_finished=True))

    assert cloud.request.path == "/v4/openim/modify_group_msg"
    data = '{"chatbotPlugin":2,"src":2,"chunks":["Hello"],"isFinished":1}'
    assert cloud.request.json == {"GroupId": "g1", "MsgSeq": 17, "MsgBody": stream_body(data, "Hello")}


def test_group_that_takes_no_edits_is_not_the_account(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(fail(10007, "not supported in this group type"))
    live = in_group(vendor_message_id="17")

    with pytest.raises(EditingUnavailable) as caught:
        tencent.edit(live)
    tencent.note_editing_refused(caught.value.place)

    assert not tencent.can_edit_in(live.conversation)
    assert tencent.can_edit_in(Address(kind="group", id="g2"))


def test_recall_in_a_group(tencent: Tencent, cloud: Cloud) -> None:
    tencent.recall(in_group(vendor_message_id="17"))

    assert cloud.request.path == "/v4/group_open_http_svc/group_msg_recall"
    assert cloud.request.json == {"GroupId": "g1", "MsgSeqList": [{"MsgSeq": 17}]}


def said_in_group(number: int, *, random: int = 1, at: int = SENT_AT) -> JSONDict:
    return {"From_Account": "@RBT#001", "MsgSeq": number, "MsgRandom": random, "MsgTimeStamp": at}


def test_send_to_a_group_whose_answer_was_lost_is_found(tencent: Tencent, cloud: Cloud) -> None:
    placeholder = {"MsgSeq": 40, "IsPlaceMsg": 2, "MsgBody": {}}
    ours = said_in_group(20, random=KEY % 2**32)
    cloud.will_answer(
        ok(GroupId="g1", IsFinished=1, RspMsgList=[said_in_group(41), placeholder]),
        ok(GroupId="g1", IsFinished=1, RspMsgList=[said_in_group(39), ours]),
    )

    found = tencent.find_sent(in_group())

    assert found == Receipt(vendor_message_id="20", sent_at=datetime.fromtimestamp(SENT_AT, UTC))
    assert [request.json for request in cloud.requests] == [
        {"GroupId": "g1", "ReqMsgNumber": 20},
        {"GroupId": "g1", "ReqMsgNumber": 20, "ReqMsgSeq": 39},
    ]


@pytest.mark.parametrize("last", [[], [said_in_group(1)], [said_in_group(30, at=SENT_AT - 1000)]])
def test_message_that_a_group_has_not(tencent: Tencent, cloud: Cloud, last: list[JSONDict]) -> None:
    cloud.will_answer(ok(RspMsgList=[said_in_group(41)]), ok(RspMsgList=last))

    assert tencent.find_sent(in_group()) is None
    assert len(cloud.requests) == 2


# MsgSeq and MsgRandom


def test_sequence_rises_with_the_key() -> None:
    maker = KeyMaker(now=lambda: NOW)
    sequences = [sequence_of(maker.new_key())[0] for _ in range(1000)]

    assert sequences == sorted(set(sequences))


def test_two_keys_never_share_a_sequence() -> None:
    keys = [1 << shift for shift in range(63)] + [2**63 - 1, 0, KEY, KEY + 1]

    assert len({sequence_of(key) for key in keys}) == len(keys)
    assert all(0 <= number < 2**32 for key in keys for number in sequence_of(key))


# Changing what was sent


def test_edit(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer({**ok(), "ErrorInfo": "succeed"})
    tencent.edit(
        message("Hello there", vendor_message_id="9_8_7", is_finished=True, extra={"MsgLifeTime": 0})
    )

    assert cloud.request.path == "/v4/openim/modify_c2c_msg"
    assert cloud.request.json == {
        "From_Account": "@RBT#001",
        "To_Account": "user1",
        "MsgKey": "9_8_7",
        "MsgBody": stream_body(
            '{"chatbotPlugin":2,"src":2,"chunks":["Hello there"],"isFinished":1}', "Hello there"
        ),
    }


def test_edit_takes_custom_data_along(tencent: Tencent, cloud: Cloud) -> None:
    tencent.edit(message(vendor_message_id="m", extra={"CloudCustomData": "x"}))

    assert cloud.request.json["CloudCustomData"] == "x"


def test_message_that_was_not_sent_cannot_be_edited(tencent: Tencent) -> None:
    with pytest.raises(ValueError, match="has not been sent"):
        tencent.edit(message())


def test_recall(tencent: Tencent, cloud: Cloud) -> None:
    tencent.recall(message(vendor_message_id="9_8_7"))

    assert cloud.request.path == "/v4/openim/admin_msgwithdraw"
    assert cloud.request.json == {"From_Account": "@RBT#001", "To_Account": "user1", "MsgKey": "9_8_7"}


def test_recall_may_be_repeated(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(fail(20023))
    tencent.recall(message(vendor_message_id="9_8_7"))

    cloud.will_answer(fail(20022))
    with pytest.raises(MessageGone):
        tencent.recall(message(vendor_message_id="9_8_7"))


# History


def in_history(seq: int = SEQ, random: int = RANDOM, sender: str = "@RBT#001", key: str = "k") -> JSONDict:
    return {
        "From_Account": sender,
        "To_Account": "user1",
        "MsgSeq": seq,
        "MsgRandom": random,
        "MsgTimeStamp": SENT_AT,
        "MsgFlagBits": 0,
        "MsgKey": key,
        "MsgBody": [],
    }


def page(*messages: JSONDict, is_last: bool = True) -> JSONDict:
    last = {"LastMsgTime": SENT_AT - 5, "LastMsgKey": "last"}
    return ok(Complete=int(is_last), MsgCnt=len(messages), MsgList=list(messages), **last)


def test_sent_message_is_found_from_the_users_side(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(page(in_history(seq=1, key="other"), in_history(key="ours")))

    assert tencent.find_sent(message()) == Receipt(
        vendor_message_id="ours", sent_at=datetime.fromtimestamp(SENT_AT, UTC)
    )
    assert cloud.request.path == "/v4/openim/admin_getroammsg"
    assert cloud.request.json == {
        "Operator_Account": "user1",
        "Peer_Account": "@RBT#001",
        "MaxCnt": 100,
        "MinTime": 1761998400 - 120,
        "MaxTime": 1761998400 + 120,
    }


def test_older_pages_are_searched(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(page(in_history(seq=1), is_last=False), page(in_history(key="ours")))
    found = tencent.find_sent(message())

    assert found is not None
    assert found.vendor_message_id == "ours"
    asked = cloud.requests[1].json
    assert (asked["MaxTime"], asked["LastMsgKey"]) == (SENT_AT - 5, "last")


@pytest.mark.parametrize(
    "other",
    [in_history(random=1), in_history(seq=1), in_history(sender="user1")],
    ids=["random", "seq", "user"],
)
def test_message_that_was_not_sent_is_not_found(tencent: Tencent, cloud: Cloud, other: JSONDict) -> None:
    cloud.will_answer(page(other))

    assert tencent.find_sent(message()) is None


def test_history_without_an_end_does_not_say_no(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(page(is_last=False))

    with pytest.raises(VendorUnreachable, match="does not end"):
        tencent.find_sent(message())


# Robots


def test_register(tencent: Tencent, cloud: Cloud) -> None:
    tencent.register(RobotProfile(user_id="@RBT#ada", nickname="Ada", avatar_url="https://example.org/a.png"))
    create, profile = cloud.requests

    assert create.path == "/v4/openim_robot_http_svc/create_robot"
    assert create.json == {"UserID": "@RBT#ada", "Nick": "Ada", "FaceUrl": "https://example.org/a.png"}
    assert profile.path == "/v4/profile/portrait_set"
    assert profile.json == {
        "From_Account": "@RBT#ada",
        "ProfileItem": [
            {"Tag": "Tag_Profile_IM_Nick", "Value": "Ada"},
            {"Tag": "Tag_Profile_IM_Image", "Value": "https://example.org/a.png"},
        ],
    }


def test_register_without_a_profile(tencent: Tencent, cloud: Cloud) -> None:
    tencent.register(RobotProfile(user_id="@RBT#ada", nickname=""))

    assert cloud.request.json == {"UserID": "@RBT#ada"}


def test_robot_that_exists_gets_its_profile_refreshed(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(fail(10008, "robot exists"), ok(Robot_Account=["@RBT#ada"]), ok())
    tencent.register(RobotProfile(user_id="@RBT#ada", nickname="Ada"))

    assert [request.path.rpartition("/")[2] for request in cloud.requests] == [
        "create_robot",
        "get_all_robots",
        "portrait_set",
    ]


def test_robot_too_many(tencent: Tencent, cloud: Cloud) -> None:
    cloud.will_answer(fail(10008, "limit"), ok(Robot_Account=["@RBT#1"]))

    with pytest.raises(VendorRefused, match="as many robots as it may have") as caught:
        tencent.register(RobotProfile(user_id="@RBT#ada", nickname="Ada"))
    assert caught.value.code == "10008"


# Size


@pytest.mark.parametrize("text", ["a", "中", "😀", '"', "\\", "\n", "\x01", '\\"\n'], ids=repr)
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_longest_text_stays_below_the_limit(
    tencent: Tencent, cloud: Cloud, text: str, is_stream: bool
) -> None:
    longest, _ = split_at(text * 12_000, lambda part: tencent.fits(part, is_stream=is_stream))
    tencent.send(message(longest, is_stream=is_stream, is_finished=True))
    body = json.dumps(cloud.request.json["MsgBody"], ensure_ascii=False, separators=(",", ":"))

    assert MAX_BODY_BYTES - 200 < len(body.encode()) <= MAX_BODY_BYTES

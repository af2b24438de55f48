"""The simulated Tencent cloud, asked over HTTP: trtc.io/document/34348 for the codes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from TLSSigAPIv2 import TLSSigAPIv2

from sandbox.driver import Sandbox, TencentApp
from tests.sandbox.conftest import ROBOT, USER, JSONDict, Server, chatbot, text

ROBOTS = "openim_robot_http_svc/get_all_robots"


# Who may call


@pytest.mark.parametrize(
    "query,code",
    [
        ({"sdkappid": None}, 60012),
        ({"sdkappid": "fourteen"}, 60006),
        ({"sdkappid": 999}, 70020),
        ({"contenttype": None}, 60002),
        ({"random": "-1"}, 60002),
        ({"identifier": None}, 60004),
        ({"identifier": "alice"}, 70013),
        ({"usersig": ""}, 70002),
        ({"usersig": "eJx"}, 70003),
    ],
)
def test_wrong_address(server: Server, query: JSONDict, code: int) -> None:
    answer = server.call(ROBOTS, {}, **query)
    assert (answer["ActionStatus"], answer["ErrorCode"]) == ("FAIL", code)


def test_only_admins_may_call(server: Server) -> None:
    settings = server.app.settings
    signature = TLSSigAPIv2(settings["sdk_app_id"], settings["secret_key"]).gen_sig("alice", 60)
    assert server.call(ROBOTS, {}, identifier="alice", usersig=signature)["ErrorCode"] == 60010


def test_a_usersig_expires_by_the_clouds_clock(sandbox: Sandbox, server: Server) -> None:
    sandbox.set_clock(3601)
    assert server.call(ROBOTS, {})["ErrorCode"] == 70001


def test_unknown_command(server: Server) -> None:
    assert server.call("openim/no_such_thing", {})["ErrorCode"] == 60009


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_the_body_is_a_json_object(server: Server, body: bytes) -> None:
    address = f"{server.url}/v4/{ROBOTS}"
    answer = server.http.post(address, params=server.query(), content=body).json()
    assert answer["ErrorCode"] == 60003


def test_each_command_has_a_rate(server: Server) -> None:
    server.app.change(rate_per_s=2)
    codes = [server.call(ROBOTS, {})["ErrorCode"] for _ in range(20)]
    assert codes[:2] == [0, 0]
    assert 60011 in codes
    assert server.call("profile/portrait_get", {"To_Account": [], "TagList": []})["ErrorCode"] == 0


# Robots


def test_robots_are_created_once(server: Server) -> None:
    again = {"UserID": ROBOT, "Nick": "Someone else"}
    assert server.call("openim_robot_http_svc/create_robot", again)["ErrorCode"] == 0
    assert server.call(ROBOTS, {})["Robot_Account"] == [ROBOT]
    assert server.app.robots()[0]["nickname"] == "Ada"


@pytest.mark.parametrize("user_id", ["ada", "", "@RBT#" + "a" * 28])
def test_robot_ids_have_a_form(server: Server, user_id: str) -> None:
    assert server.call("openim_robot_http_svc/create_robot", {"UserID": user_id})["ErrorCode"] == 10004


def test_an_app_has_a_limited_number_of_robots(server: Server) -> None:
    server.app.change(max_robots=1)
    answer = server.call("openim_robot_http_svc/create_robot", {"UserID": "@RBT#2"})
    assert answer["ErrorCode"] == 10008


def test_profiles_are_changed_by_portrait_set(server: Server) -> None:
    items = [
        {"Tag": "Tag_Profile_IM_Nick", "Value": "Ada the Second"},
        {"Tag": "Tag_Profile_IM_Image", "Value": "https://example.com/ada.png"},
    ]
    server.call("profile/portrait_set", {"From_Account": ROBOT, "ProfileItem": items})
    assert server.app.robots() == [
        {"user_id": ROBOT, "nickname": "Ada the Second", "avatar_url": "https://example.com/ada.png"}
    ]


@pytest.mark.parametrize(
    "account,item,code",
    [
        ("@RBT#nobody", {"Tag": "Tag_Profile_IM_Nick", "Value": "A"}, 40003),
        (ROBOT, {"Tag": "Tag_Profile_IM_Shoe", "Value": "A"}, 40009),
        (ROBOT, {"Tag": "Tag_Profile_IM_Nick", "Value": "A" * 501}, 40601),
        (ROBOT, {"Tag": "Tag_Profile_IM_Nick", "Value": 1}, 40610),
    ],
)
def test_wrong_profiles(server: Server, account: str, item: JSONDict, code: int) -> None:
    answer = server.call("profile/portrait_set", {"From_Account": account, "ProfileItem": [item]})
    assert answer["ErrorCode"] == code


def test_deleted_robots_cannot_be_written_to(server: Server) -> None:
    server.call("openim_robot_http_svc/delete_robot", {"Robot_Account": ROBOT})
    with pytest.raises(ValueError, match="there is no robot"):
        server.app.send(USER, ROBOT, "hello?")


# Sending


def test_a_sent_message_reaches_the_user(server: Server) -> None:
    answer = server.send(chatbot("Hi"))
    (reply,) = server.app.replies(USER, ROBOT)
    assert (reply.key, reply.text, reply.is_finished) == (answer["MsgKey"], "Hi", True)
    assert answer["MsgKey"] == f"1000001_1000001_{answer['MsgTime']}"
    assert answer["MsgId"].endswith(f"-{answer['MsgTime']}-1000001")


@pytest.mark.parametrize(
    "changes,code",
    [
        ({"MsgBody": {}}, 90010),
        ({"MsgBody": []}, 90007),
        ({"MsgBody": [{"MsgType": "TIMNoElem", "MsgContent": {}}]}, 90002),
        ({"MsgBody": [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": {"a": 1}}}]}, 90002),
        ({"MsgBody": chatbot("a") * 2}, 90002),
        ({"MsgBody": text("字" * 4096)}, 93000),
        ({"MsgRandom": None}, 90005),
        ({"MsgRandom": 2**32}, 90005),
        ({"MsgSeq": -1}, 90005),
        ({"To_Account": ""}, 90003),
        ({"To_Account": "nobody"}, 90012),
        ({"From_Account": "@RBT#nobody"}, 90008),
        ({"OfflinePushInfo": "push"}, 90043),
        ({"MsgLifeTime": 604801}, 90026),
    ],
)
def test_wrong_messages(server: Server, changes: JSONDict, code: int) -> None:
    assert server.send(**changes)["ErrorCode"] == code
    assert server.app.replies(USER, ROBOT) == []


def test_a_repeat_within_two_minutes_is_answered_like_the_first(sandbox: Sandbox, server: Server) -> None:
    first = server.send(text("Hi"), MsgSeq=2_000_000, MsgRandom=6)
    sandbox.set_clock(100)
    assert server.send(text("Hi"), MsgSeq=2_000_000, MsgRandom=6) == first
    assert len(server.app.replies(USER, ROBOT)) == 1


def test_a_repeat_after_two_minutes_is_a_message(sandbox: Sandbox, server: Server) -> None:
    server.send(text("Hi"), MsgSeq=2_000_000, MsgRandom=6)
    sandbox.set_clock(121)
    server.send(text("Hi"), MsgSeq=2_000_000, MsgRandom=6)
    assert [reply.text for reply in server.app.replies(USER, ROBOT)] == ["Hi", "Hi"]


def test_other_words_under_the_same_numbers_are_a_violation(sandbox: Sandbox, server: Server) -> None:
    server.send(text("Hi"), MsgSeq=2_000_000, MsgRandom=6)
    server.send(text("Ho"), MsgSeq=2_000_000, MsgRandom=6)
    rules = {violation["rule"] for violation in sandbox.violations(server.app.id)}
    assert "seq_random_reused" in rules


# Modifying and recalling


def test_an_edit_replaces_the_body(server: Server) -> None:
    key = server.send(chatbot("", is_finished=0))["MsgKey"]
    server.edit(key, chatbot("Hello"))
    (reply,) = server.app.replies(USER, ROBOT)
    assert (reply.text, [frame.text for frame in reply.frames]) == ("Hello", ["", "Hello"])


def test_an_edit_of_the_data_leaves_the_body(server: Server) -> None:
    key = server.send(text("Hi"))["MsgKey"]
    edit = {"From_Account": ROBOT, "To_Account": USER, "MsgKey": key, "CloudCustomData": "{}"}
    assert server.call("openim/modify_c2c_msg", edit)["ErrorInfo"] == "succeed"
    newest = server.history()["MsgList"][-1]
    assert (newest["CloudCustomData"], newest["MsgBody"]) == ("{}", text("Hi"))


@pytest.mark.parametrize(
    "changes,code",
    [
        ({"MsgKey": ""}, 90054),
        ({"MsgKey": "1_2_3"}, 20022),
        ({"To_Account": "bob"}, 20022),
        ({"MsgBody": text("a" * 12288)}, 93000),
    ],
)
def test_wrong_edits(server: Server, changes: JSONDict, code: int) -> None:
    key = server.send()["MsgKey"]
    assert server.edit(key, chatbot("Hi"), **changes)["ErrorCode"] == code


def test_two_edits_at_once_conflict(sandbox: Sandbox, server: Server) -> None:
    key = server.send()["MsgKey"]
    barrier = threading.Barrier(8)

    def edit(number: int) -> int:
        barrier.wait()
        code: int = server.edit(key, chatbot("a" * number))["ErrorCode"]
        return code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(edit, range(8)))
    assert set(codes) == {0, 20028}
    assert "parallel_edits" in {violation["rule"] for violation in sandbox.violations(server.app.id)}


def test_a_recalled_message_is_gone_and_stays_gone(server: Server) -> None:
    key = server.send(text("Oops"))["MsgKey"]
    recall = {"From_Account": ROBOT, "To_Account": USER, "MsgKey": key}
    assert server.call("openim/admin_msgwithdraw", recall)["ErrorCode"] == 0
    assert server.call("openim/admin_msgwithdraw", recall)["ErrorCode"] == 20023
    assert server.edit(key, text("Oh"))["ErrorCode"] == 20023
    assert server.app.messages(USER, ROBOT)[-1].is_recalled


# History


def test_history_depends_on_who_looks(server: Server) -> None:
    server.send(text("for alice only"), SyncOtherMachine=2)
    server.send(text("for both"), SyncOtherMachine=1)
    texts = {
        operator: [
            entry["MsgBody"][0]["MsgContent"]["Text"] for entry in server.history(operator, peer)["MsgList"]
        ]
        for operator, peer in ((USER, ROBOT), (ROBOT, USER))
    }
    assert texts == {USER: ["hello", "for alice only", "for both"], ROBOT: ["hello", "for both"]}


def test_history_goes_backwards_in_pages(server: Server) -> None:
    for number in range(5):
        server.send(text(f"{number}" * 4000))
    seen: list[Any] = []
    page: JSONDict = {"Complete": 0, "LastMsgKey": "", "LastMsgTime": 2**32 - 1}
    while not page["Complete"]:
        page = server.history(MaxTime=page["LastMsgTime"], LastMsgKey=page["LastMsgKey"])
        seen = [entry["MsgBody"][0]["MsgContent"]["Text"][0] for entry in page["MsgList"]] + seen
        assert len(page["MsgList"]) <= 3
    assert seen == ["h", "0", "1", "2", "3", "4"]


def test_online_only_messages_are_not_kept(server: Server) -> None:
    server.send(text("now or never"), OnlineOnlyFlag=1)
    assert len(server.history()["MsgList"]) == 1


# What the sandbox itself answers


def test_the_sandbox_says_what_it_does_not_understand(sandbox: Sandbox, app: TencentApp) -> None:
    for path, body, reason in (
        ("/users/send", {"app": app.id, "from": "alice", "to": "bob"}, "nothing to send"),
        ("/users/send", {"app": "1", "from": "alice", "to": "bob", "text": "a"}, "there is no app 1"),
        ("/faults", {"api": {"fail_before": 2}}, "shares lie between 0 and 1"),
        ("/faults", {"weather": 1}, "has no weather"),
        ("/apps", {"sdk_app_id": "one", "secret_key": "x"}, "needs sdk_app_id, a number"),
    ):
        answer = httpx.post(f"{sandbox.url}/_sandbox{path}", json=body, trust_env=False)
        assert answer.status_code == 400
        assert reason in answer.json()["error"]


def test_secrets_are_not_listed(sandbox: Sandbox, server: Server) -> None:
    server.send(text("Hi"))
    shown = "".join(str(sandbox.get(path)) for path in ("/apps", "/calls", "/callbacks"))
    assert server.app.settings["secret_key"] not in shown
    assert server.app.settings["callback_token"] not in shown

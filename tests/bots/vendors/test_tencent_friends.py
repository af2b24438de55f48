"""Robot and user made friends: when, how often, and what comes of each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Literal

import pytest

from bots.errors import VendorBusy, VendorRefused
from bots.events import Address, JSONDict
from bots.vendors.tencent import Tencent, TencentConfig
from tests.bots.vendors.cases import closing
from tests.bots.vendors.cloud import Cloud
from tests.bots.vendors.tencent.case import CASE, SDK_APP_ID, SENT_AT, fail, ok
from tests.bots.vendors.test_usersig import K1

SENT = ok(MsgTime=SENT_AT, MsgKey=CASE.sent_id)
SEND, ADD = "openim/sendmsg", "sns/friend_add"

type Befriend = Literal["never", "when_refused", "first_message"]


@pytest.fixture
def account(cloud: Cloud) -> Iterator[Callable[[Befriend], Tencent]]:
    with ExitStack() as stack:

        def opened(befriend: Befriend) -> Tencent:
            config = TencentConfig(
                sdk_app_id=SDK_APP_ID, secret_key=K1, api_base=cloud.url, befriend=befriend
            )
            return stack.enter_context(closing(Tencent(config)))

        yield opened


def added(code: int = 0, info: str = "") -> JSONDict:
    failed = {"Fail_Account": ["user1"]} if code else {}
    return ok(ResultItem=[{"To_Account": "user1", "ResultCode": code, "ResultInfo": info}], **failed)


def calls(cloud: Cloud) -> list[str]:
    return [request.path.removeprefix("/v4/") for request in cloud.requests]


@pytest.mark.parametrize("code", [20009, 20010, 20011])
def test_strangers_become_friends_once_a_message_is_refused(
    account: Callable[[Befriend], Tencent], cloud: Cloud, code: int
) -> None:
    cloud.will_answer(fail(code), added(), SENT)

    receipt = account("when_refused").send(CASE.outgoing("Hello"))

    assert (calls(cloud), receipt.vendor_message_id) == ([SEND, ADD, SEND], CASE.sent_id)
    first, request, second = (each.json for each in cloud.requests)
    assert first == second
    assert request == {
        "From_Account": CASE.robot_id,
        "AddFriendItem": [{"To_Account": "user1", "AddSource": "AddSource_Type_Parley"}],
        "AddType": "Add_Type_Both",
        "ForceAddFlags": 1,
    }


@pytest.mark.parametrize("code", [30001, 30015])
def test_friends_already_is_no_failure(
    account: Callable[[Befriend], Tencent], cloud: Cloud, code: int
) -> None:
    cloud.will_answer(fail(20009), added(code), fail(20009))

    with pytest.raises(VendorRefused, match=r"20009: openim/sendmsg: .* befriend"):
        account("when_refused").send(CASE.outgoing("Hello"))
    assert calls(cloud) == [SEND, ADD, SEND]


@pytest.mark.parametrize(
    "code, error, words",
    [
        (30516, VendorRefused, "takes no friends"),
        (30009, VendorRefused, "Tencent refused"),
        (30008, VendorBusy, "being changed"),
    ],
)
def test_a_refused_friend_says_why_the_message_was_not_sent(
    account: Callable[[Befriend], Tencent], cloud: Cloud, code: int, error: type[Exception], words: str
) -> None:
    cloud.will_answer(fail(20009), added(code, "their words"))

    with pytest.raises(error, match=rf"tencent {code}: sns/friend_add: .*{words}.*\(their words\)"):
        account("when_refused").send(CASE.outgoing("Hello"))


@pytest.mark.parametrize(
    "befriend, refusal", [("never", 20009), ("when_refused", 20006), ("first_message", 20006)]
)
def test_other_refusals_and_other_accounts_stay_refused(
    account: Callable[[Befriend], Tencent], cloud: Cloud, befriend: Befriend, refusal: int
) -> None:
    vendor = account(befriend)
    cloud.will_answer(*([added()] if befriend == "first_message" else []), fail(refusal))

    with pytest.raises(VendorRefused, match=str(refusal)):
        vendor.send(CASE.outgoing("Hello"))
    assert calls(cloud)[-1] == SEND
    assert calls(cloud).count(SEND) == 1


def test_friends_before_the_first_message_only(account: Callable[[Befriend], Tencent], cloud: Cloud) -> None:
    vendor = account("first_message")

    for name in ("user1", "user1", "user2"):
        cloud.will_answer(*([added()] if name not in told(cloud) else []), SENT)
        vendor.send(CASE.outgoing("Hello", conversation=Address(kind="peer", id=name)))

    assert calls(cloud) == [ADD, SEND, SEND, ADD, SEND]
    assert told(cloud) == ["user1", "user2"]


def told(cloud: Cloud) -> list[Any]:
    """Whom the cloud was told to make a friend."""
    items = [request.json["AddFriendItem"] for request in cloud.requests if request.path.endswith(ADD)]
    return [item["To_Account"] for [item] in items]


@pytest.mark.parametrize("code, asked_again", [(30014, False), (30540, True)])
def test_first_message_does_not_wait_for_a_friend(
    account: Callable[[Befriend], Tencent], cloud: Cloud, code: int, asked_again: bool
) -> None:
    vendor = account("first_message")
    cloud.will_answer(added(code), SENT)
    vendor.send(CASE.outgoing("Hello"))
    cloud.will_answer(*([added()] if asked_again else []), SENT)
    vendor.send(CASE.outgoing("Hello"))

    assert calls(cloud) == [ADD, SEND, *([ADD] if asked_again else []), SEND]


def test_groups_need_no_friends(account: Callable[[Befriend], Tencent], cloud: Cloud) -> None:
    cloud.will_answer(ok(MsgTime=SENT_AT, MsgSeq=7))

    account("first_message").send(CASE.outgoing("Hello", conversation=Address(kind="group", id="g1")))

    assert calls(cloud) == ["group_open_http_svc/send_group_msg"]

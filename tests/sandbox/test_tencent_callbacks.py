"""What the simulated Tencent cloud tells an app's server: cloud.tencent.com/document/product/269/90407."""

from __future__ import annotations

import json
import queue
import time
from typing import Any

import pytest

from sandbox.driver import Sandbox, TencentApp
from sandbox.tencent.app import sign
from tests.sandbox.conftest import ROBOT, USER, Receiver, Server, text

pytestmark = pytest.mark.usefixtures("listening_app")


def drain(receiver: Receiver) -> None:
    """Without what the user said before the test began."""
    receiver.next()


def test_published_signature() -> None:
    assert (
        sign("xxxxyyyy", "1669872112") == "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"
    )


def test_a_users_message_is_told(server: Server, receiver: Receiver) -> None:
    drain(receiver)
    key = server.app.send(USER, ROBOT, "How are you?")
    told = receiver.next()
    assert told.query["SdkAppid"] == server.app.id
    assert told.query["CallbackCommand"] == told.body["CallbackCommand"] == "Bot.OnC2CMessage"
    assert (told.body["From_Account"], told.body["To_Account"]) == (USER, ROBOT)
    assert told.body["MsgKey"] == key
    assert key == f"{told.body['MsgSeq']}_{told.body['MsgRandom']}_{told.body['MsgTime']}"
    assert told.body["MsgBody"] == text("How are you?")
    assert told.body["SendMsgResult"] == 0


def test_callbacks_are_signed_with_the_time(server: Server, receiver: Receiver) -> None:
    told = receiver.next()
    request_time = told.query["RequestTime"]
    assert abs(time.time() - int(request_time)) < 30
    assert told.query["Sign"] == sign(server.app.settings["callback_token"], request_time)


def test_without_a_token_nothing_is_signed(server: Server, receiver: Receiver) -> None:
    drain(receiver)
    server.app.change(callback_token="")
    server.app.send(USER, ROBOT, "Hello?")
    assert not {"Sign", "RequestTime"} & set(receiver.next().query)


def test_both_commands_tell_of_the_same_message(server: Server, receiver: Receiver) -> None:
    drain(receiver)
    server.app.change(callbacks=["Bot.OnC2CMessage", "C2C.CallbackAfterSendMsg"])
    key = server.app.send(USER, ROBOT, "Hello?")
    told = [receiver.next().body for _ in range(2)]
    assert {body["CallbackCommand"] for body in told} == {"Bot.OnC2CMessage", "C2C.CallbackAfterSendMsg"}
    assert {body["MsgKey"] for body in told} == {key}


def test_a_robots_message_is_told_unless_forbidden(server: Server, receiver: Receiver) -> None:
    drain(receiver)
    server.app.change(callbacks=["C2C.CallbackAfterSendMsg"])
    server.send(text("quietly"), ForbidCallbackControl=["ForbidAfterSendMsgCallback"])
    server.send(text("aloud"))
    assert receiver.next().body["MsgBody"] == text("aloud")


def test_nothing_is_repeated_by_default(sandbox: Sandbox, server: Server, receiver: Receiver) -> None:
    drain(receiver)
    receiver.statuses = [500]
    server.app.send(USER, ROBOT, "lost")
    receiver.next()
    with pytest.raises(queue.Empty):
        receiver.received.get(timeout=0.3)


def test_repeats_can_be_switched_on(sandbox: Sandbox, server: Server, receiver: Receiver) -> None:
    drain(receiver)
    server.app.change(callback_retries=3, callback_retry_interval_s=0.01)
    receiver.statuses = [500, 502]
    key = server.app.send(USER, ROBOT, "third time lucky")
    assert [receiver.next().body["MsgKey"] for _ in range(3)] == [key] * 3


def test_a_duplicate_comes_at_once(sandbox: Sandbox, server: Server, receiver: Receiver) -> None:
    drain(receiver)
    sandbox.faults(callbacks={"duplicate": 5})
    key = server.app.send(USER, ROBOT, "five times")
    assert [receiver.next().body["MsgKey"] for _ in range(5)] == [key] * 5


def test_dropped_callbacks_are_only_logged(sandbox: Sandbox, server: Server, receiver: Receiver) -> None:
    drain(receiver)
    sandbox.faults(callbacks={"drop": 1})
    key = server.app.send(USER, ROBOT, "never heard")
    sandbox.faults()
    server.app.send(USER, ROBOT, "heard")
    assert receiver.next().body["MsgBody"] == text("heard")
    dropped = [entry for entry in sandbox.callbacks(app=server.app.id) if entry["body"]["MsgKey"] == key]
    assert [entry["error"] for entry in dropped] == ["dropped on purpose"]


def test_reordered_callbacks_overtake_one_another(
    sandbox: Sandbox, server: Server, receiver: Receiver
) -> None:
    drain(receiver)
    sandbox.faults(callbacks={"reorder": 1, "reorder_s": 0.2}, seed=3)
    keys = [server.app.send(USER, ROBOT, f"{number}") for number in range(8)]
    told = [receiver.next().body["MsgKey"] for _ in keys]
    assert sorted(told) == sorted(keys)
    assert told != keys


def test_late_callbacks_carry_the_time_of_their_leaving(
    sandbox: Sandbox, server: Server, receiver: Receiver
) -> None:
    drain(receiver)
    sandbox.set_clock(-3600)
    server.app.send(USER, ROBOT, "from the past")
    assert time.time() - int(receiver.next().query["RequestTime"]) > 3500


@pytest.mark.parametrize(
    "content,kind,name",
    [
        ({"image": "https://example.com/a.png"}, "TIMImageElem", "ImageInfoArray"),
        ({"voice": "https://example.com/a.wav", "seconds": 3}, "TIMSoundElem", "Url"),
        ({"file": "https://example.com/a.txt"}, "TIMFileElem", "FileName"),
        ({"custom": "{}", "description": "a card"}, "TIMCustomElem", "Desc"),
    ],
)
def test_what_a_client_makes_of_other_content(
    listening_app: TencentApp,
    server: Server,
    receiver: Receiver,
    content: dict[str, Any],
    kind: str,
    name: str,
) -> None:
    drain(receiver)
    listening_app.send(USER, ROBOT, **content)
    (element,) = receiver.next().body["MsgBody"]
    assert element["MsgType"] == kind
    assert element["MsgContent"][name]


def test_an_interrupt_names_the_message(server: Server, receiver: Receiver) -> None:
    drain(receiver)
    key = server.send()["MsgKey"]
    server.app.send(USER, ROBOT, interrupt=key, online_only=True)
    body = receiver.next().body
    data = json.loads(body["MsgBody"][0]["MsgContent"]["Data"])
    assert data == {"chatbotPlugin": 2, "src": 22, "msgKey": key}
    assert body["OnlineOnlyFlag"] == 1

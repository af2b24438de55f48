"""What is let in at the door, and what is not."""

from __future__ import annotations

import os
import signal

import httpx
import pytest

from tests.support.parley import Parley, robot
from tests.support.processes import eventually


@pytest.mark.parametrize("age_s, changes", [
    pytest.param(0, {"Sign": "0" * 64}, id="wrong signature"),
    pytest.param(0, {"Sign": None}, id="no signature"),
    pytest.param(0, {"RequestTime": None}, id="no time"),
    pytest.param(0, {"Sign": None, "RequestTime": None}, id="neither"),
    pytest.param(0, {"RequestTime": "soon"}, id="no such time"),
    pytest.param(62, {}, id="stale"),
    pytest.param(-63, {}, id="from the future"),
    pytest.param(0, {"SdkAppid": "1400000001"}, id="another app"),
    pytest.param(0, {"SdkAppid": None}, id="no app"),
])  # fmt: skip
def test_what_the_cloud_did_not_sign_now_for_us_is_rejected_and_not_stored(
    parley: Parley, age_s: float, changes: dict[str, str | None]
) -> None:
    body = parley.message_body("Let me in", sender="mallory", to="@RBT#ada")

    answer = parley.post_callback(body, parley.signed_query("Bot.OnC2CMessage", age_s=age_s) | changes)

    assert answer.status_code == 403
    assert parley.stored_callbacks("mallory") == 0
    assert parley.count("conversations_conversation WHERE peer_id = 'mallory'") == 0


@pytest.mark.parametrize("body", [
    b"", b"garbage", b"{", b"\xff\xfe", b"null", b'"text"', b"[1, 2]", b"{}", b'{"CallbackCommand": 7}',
    b'{"CallbackCommand": "C2C.CallbackAfterSendMsg"}',  # not what the address says
    b"[" * 100_000,
])  # fmt: skip
def test_what_is_no_callback_is_refused_and_not_stored(parley: Parley, body: bytes) -> None:
    answer = parley.post_callback(body)

    assert answer.status_code == 400
    stored = "SELECT count(*) FROM conversations_callback WHERE body = %s"
    assert parley.installation.query(stored, body.decode(errors="replace")) == [(0,)]


def test_an_account_that_does_not_exist_is_not_found(parley: Parley) -> None:
    body = parley.message_body("Hello", sender="bo-of-nobody", to="@RBT#ada")

    assert parley.post_callback(body, path="/callbacks/nobody/").status_code == 404
    assert parley.stored_callbacks("bo-of-nobody") == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_callbacks_are_posted(parley: Parley, method: str) -> None:
    answer = httpx.request(method, parley.callback_url, trust_env=False)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_command_nobody_knows_is_acknowledged_and_stored(parley: Parley) -> None:
    body = {"CallbackCommand": "State.StateChange", "Info": {"To_Account": "stored-unknown-command"}}

    answer = parley.post_callback(body)

    assert (answer.status_code, answer.json()) == (
        200,
        {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""},
    )
    assert parley.count("conversations_callback WHERE strpos(body, 'stored-unknown-command') > 0") == 1


def test_what_cannot_be_read_is_stored_with_the_reason(parley: Parley) -> None:
    body = parley.message_body("Broken", sender="bo", to="@RBT#ada") | {"MsgBody": "no elements"}

    assert parley.post_callback(body).status_code == 200

    address = parley.admin.find("conversations/callback", body["MsgKey"], query="")
    assert "MsgBody is not" in parley.admin.text(address)


def test_a_stored_callback_can_be_read_again(own_parley: Parley) -> None:
    """It named a robot that did not exist yet."""
    parley = own_parley
    parley.configure_and_serve("ada")
    user = parley.user()
    user.ask("Hello")
    body = parley.message_body("Too early", sender=user.id, to="@RBT#late")
    assert parley.post_callback(body).status_code == 200
    parley.configure(robot("ada"), robot("late"))
    parley.until_registered("late")

    stored = parley.admin.find("conversations/callback", body["MsgKey"], query="")
    parley.admin.act("conversations/callback", "read_selected_again", stored)

    [reply] = parley.app.wait_for_reply(user.id, "@RBT#late")
    assert reply.text == "() You said: Too early"


def test_callbacks_for_robots_that_do_not_exist_and_from_robots_are_left_alone(parley: Parley) -> None:
    before = parley.count("conversations_message")

    for sender, to in [("bo", "@RBT#nobody"), ("@RBT#ada", "@RBT#whole"), ("@RBT#ada", "bo"), ("bo", "al")]:
        assert parley.post_callback(parley.message_body("Hi", sender=sender, to=to)).status_code == 200

    parley.until_settled()
    assert parley.count("conversations_message") == before


def test_every_callback_that_was_acknowledged_is_answered_whatever_becomes_of_the_web_process(
    own_parley: Parley,
) -> None:
    parley = own_parley
    parley.configure_and_serve("ada")
    parley.app.change(callback_retries=100)  # however long the next web process takes to start
    users = [parley.user() for _ in range(60)]

    for number, user in enumerate(users):
        user.write("Are you there?")
        if number == len(users) // 2:
            os.kill(parley.server.children("web")[0], signal.SIGKILL)
    replies = [user.wait_for_reply() for user in users]

    # A reply may come first: what is asked again is also found in the history.
    eventually(lambda: statuses_of(parley).count(200) == len(users))
    parley.until_settled()
    assert None in statuses_of(parley)  # some were cut off
    assert [user.replies() for user in users] == [[reply] for reply in replies]


def statuses_of(parley: Parley) -> list[int | None]:
    """How we answered the cloud's callbacks; None: not at all."""
    return [each["status"] for each in parley.callbacks()]

"""A user writes to a robot through ZEGO ZIM."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest

from sandbox.driver import Sandbox, ZegoApp
from sandbox.zego.app import callback_signature
from tests.acceptance.conftest import installed
from tests.support.parley import ACCOUNT, JSONDict, Parley, robot, words

MESSAGES = ["SendPeerMessage", "EditC2cMsgBody"]
EVENTS = ["send_msg", "bot_msg", "before_send_msg"]


@pytest.fixture(scope="module")
def zego(template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    with installed("zego", template, sandbox, tmp_path_factory.mktemp("zego"), ZegoApp) as parley:
        parley.configure(robot("ada"), robot("whole", reply={"mode": "whole"}))
        parley.serve()
        parley.until_registered("ada", "whole")
        yield parley


@pytest.fixture(autouse=True)
def usual_settings(zego: Parley) -> Iterator[None]:
    yield
    zego.app.change(callbacks=["send_msg"], is_url_encoded=False, has_milliseconds=False)


def test_an_answer_grows_by_edits(zego: Parley, sandbox: Sandbox) -> None:
    text = words(40)
    sandbox.model.script(text, match="Grow", first_token_s=0.5, chunk_delay_s=0.1)

    reply = zego.user().ask("Grow, please")

    shown = [frame.text for frame in reply.frames]
    assert (shown[0], shown[-1]) == ("…", text)
    assert len(shown) >= 4
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown[1:]))
    assert [frame.is_finished for frame in reply.frames] == [False] * (len(shown) - 1) + [True]


@pytest.mark.parametrize("is_url_encoded", [False, True])
def test_both_callbacks_of_a_message_give_one_answer(zego: Parley, is_url_encoded: bool) -> None:
    zego.app.change(callbacks=EVENTS, is_url_encoded=is_url_encoded, has_milliseconds=is_url_encoded)
    user = zego.user()

    reply = user.ask("1 + 1 is 2 & 世界")

    zego.until_settled()
    told = {each["command"] for each in zego.callbacks() if user.id == each["body"]["from_user_id"]}
    assert told == set(EVENTS)
    assert user.replies() == [reply]
    assert reply.text.endswith("You said: 1 + 1 is 2 & 世界")


def test_own_messages_that_come_back_are_not_answered(zego: Parley) -> None:
    zego.app.change(callbacks=EVENTS)
    user = zego.user()

    reply = user.ask("Hello")

    zego.until_settled()
    echoes = [each for each in zego.callbacks() if each["body"].get("source") == 1]
    assert {each["status"] for each in echoes} == {200}
    assert user.replies() == [reply]


@pytest.mark.parametrize("kind, shown", [
    ("image", "[image]"),
    ("voice", "[voice message]"),
    ("file", "[file]"),
    ("custom", "[custom message]"),
])  # fmt: skip
def test_other_things_than_text_are_answered_too(zego: Parley, kind: str, shown: str) -> None:
    reply = zego.user().ask(**{kind: "https://example.com/thing"})

    assert reply.text.endswith(f"You said: {shown}")


def test_the_question_before_a_message_is_answered_at_once_and_not_stored(zego: Parley) -> None:
    zego.app.change(callbacks=["before_send_msg"])
    user = zego.user()

    for number in range(5):
        user.write(f"May I say {number}?")

    asked = [each for each in zego.callbacks() if each["body"]["from_user_id"] == user.id]
    assert [(each["status"], each["answer"]) for each in asked] == [(200, {"result": 0})] * 5
    assert zego.stored_callbacks(user.id) == 0


def signed(zego: Parley, body: JSONDict, *, secret: str = "", age_s: int = 0) -> JSONDict:
    timestamp = int(time.time()) - age_s
    signature = callback_signature(secret or zego.secrets["ZEGO_CB"], timestamp, "7")
    return {"appid": zego.app.id, "timestamp": timestamp, "nonce": "7", "signature": signature, **body}


@pytest.mark.parametrize("event", ["send_msg", "before_send_msg"])
@pytest.mark.parametrize("secret, age_s", [("wrong", 0), ("", 700), ("", -700)])
def test_what_the_cloud_did_not_sign_now_for_us_is_rejected_and_not_stored(
    zego: Parley, event: str, secret: str, age_s: int
) -> None:
    body = signed(zego, {"event": event, "from_user_id": "mallory"}, secret=secret, age_s=age_s)

    answer = httpx.post(zego.callback_url, content=json.dumps(body), trust_env=False)

    assert answer.status_code == 403
    assert zego.stored_callbacks("mallory") == 0


def test_a_third_of_the_calls_failing_still_leaves_each_user_with_one_complete_answer(
    zego: Parley, sandbox: Sandbox
) -> None:
    """Nothing makes a repeat harmless at ZEGO: a doubtful send is looked up in the history."""
    zego.app.change(callbacks=["bot_msg"])  # which tells of users' messages only: no echo settles the doubt
    sandbox.faults(
        api={"commands": MESSAGES, "fail_before": 0.15, "fail_after": 0.2, "timeout_s": 1.0}, seed=3
    )
    sandbox.model.script(words(20), match="Tell me", times=0, chunk_delay_s=0.05)
    users = [zego.user() for _ in range(12)]

    for user in users:
        user.write("Tell me")
    for user in users:
        user.wait_until(lambda said: bool(said) and said[-1].is_finished)

    zego.until_settled()
    lost = [call for call in sandbox.calls("SendPeerMessage", zego.app.id) if "after" in call["fault"]]
    assert lost
    assert sandbox.calls("QueryPeerMsg", zego.app.id)
    said = [[(reply.text, reply.is_finished) for reply in user.replies()] for user in users]
    assert said == [[(words(20), True)]] * len(users)


@pytest.mark.parametrize("name", ["ada", "whole"])
@pytest.mark.parametrize("line", ["春眠不觉晓，处处闻啼鸟。", "😀👩‍👩‍👧‍👦🇨🇳"])
def test_a_long_answer_arrives_whole_in_messages_of_two_kilobytes(
    zego: Parley, sandbox: Sandbox, name: str, line: str
) -> None:
    text = (line * 2000)[:3000] + "The end."
    sandbox.model.script(text, match="Everything", chunk_chars=500)
    user = zego.user(name)

    user.write("Everything, please")
    user.wait_until(lambda said: bool(said) and said[-1].text.endswith("The end."))

    zego.until_settled()
    replies = user.replies()
    assert "".join(reply.text for reply in replies) == text
    assert all(reply.is_finished and len(reply.text.encode()) <= 2000 for reply in replies)


def test_a_plan_without_editing_gets_whole_messages_from_all_workers(
    template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with installed("plain", template, sandbox, tmp_path_factory.mktemp("plain"), ZegoApp) as parley:
        parley.app.change(can_edit=False)
        parley.configure_and_serve("ada")
        user = parley.user()

        user.write("First")
        user.wait_until(lambda said: bool(said) and said[-1].text.endswith("First"))
        sends = len(sandbox.calls("SendPeerMessage", parley.app.id))
        parley.stop()
        parley.serve()  # with a worker that has not seen the refusal
        second = user.ask("Second")

        said = [reply.text.rpartition(": ")[2] for reply in user.replies()]
        assert said == ["First", "Second"]
        assert len(second.frames) == 1
        assert len(sandbox.calls("SendPeerMessage", parley.app.id)) == sends + 1
        assert len(sandbox.calls("RevokePeerMessage", parley.app.id)) == 1
        assert "may not edit messages" in parley.admin.text(parley.admin.find("bots/vendoraccount", ACCOUNT))

"""A user writes to a robot through Easemob."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import httpx
import pytest
from playwright.sync_api import Browser, expect

from sandbox.driver import EasemobApp, Sandbox
from tests.acceptance.conftest import installed
from tests.acceptance.test_console import log_in, open_conversation
from tests.support.parley import ACCOUNT, Parley, User, robot, words

CALLBACKS = ["pre_send", "chat", "chat_offline"]


@pytest.fixture(scope="module")
def easemob(template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    with installed("easemob", template, sandbox, tmp_path_factory.mktemp("easemob"), EasemobApp) as parley:
        parley.configure({**robot("ada"), "user_id": "ada"})
        parley.serve(workers=2)
        parley.app.wait_for_robot("ada")
        yield parley


@pytest.fixture(autouse=True)
def usual_settings(easemob: Parley) -> Iterator[None]:
    yield
    easemob.app.change(callbacks=["chat"], is_flat=False, has_streams=True, has_edits=False, chunk_gap_s=30)


def user(easemob: Parley) -> User:
    return User(easemob, easemob.user().id, "ada")


def test_an_answer_streams_in(easemob: Parley, sandbox: Sandbox) -> None:
    text = words(40)
    sandbox.model.script(text, match="Stream", chunk_delay_s=0.1)

    reply = user(easemob).ask("Stream, please")

    shown = [frame.text for frame in reply.frames]
    assert (shown[-1], reply.kind) == (text, "reply")
    assert len(shown) >= 4
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    assert [frame.is_finished for frame in reply.frames] == [False] * (len(shown) - 1) + [True]


@pytest.mark.browser
def test_operators_see_that_a_user_is_typing(easemob: Parley, browser: Browser) -> None:
    alice = user(easemob)
    alice.ask("Hello")
    page = browser.new_page()
    log_in(page, easemob, "operator")
    open_conversation(page, alice)
    typing = page.locator("#typing")

    alice.write(command="TypingBegin")
    expect(typing).to_have_text(f"{alice.id} is typing …")
    alice.write("Anybody?")
    expect(typing).to_be_empty()

    assert len(alice.wait_until(lambda replies: len(replies) == 2)) == 2  # nobody answers a command
    page.close()


@pytest.mark.parametrize("is_flat", [False, True])
def test_all_callbacks_of_a_message_give_one_answer(easemob: Parley, sandbox: Sandbox, is_flat: bool) -> None:
    easemob.app.change(callbacks=CALLBACKS, is_flat=is_flat)
    sandbox.faults(callbacks={"duplicate": 2})
    alice = user(easemob)

    reply = alice.ask("Hello")

    easemob.until_settled()
    told = [each for each in easemob.callbacks() if each["body"]["from"] == alice.id]
    assert {each["command"] for each in told} == set(CALLBACKS)
    assert {each["answer"]["valid"] for each in told} == {True}
    assert alice.replies() == [reply]


def test_pre_send_is_answered_in_time(easemob: Parley) -> None:
    easemob.app.change(callbacks=["pre_send"])
    alice = user(easemob)

    for number in range(5):
        alice.ask(f"Question {number}")

    told = [each for each in easemob.callbacks() if each["body"]["from"] == alice.id]
    assert [(each["status"], each["attempt"]) for each in told] == [(200, 1)] * 5
    assert min(each["ms"] for each in told) < 50


def test_calls_that_fail_leave_each_user_with_one_complete_answer(easemob: Parley, sandbox: Sandbox) -> None:
    calls = ["messages/users", "stream_message/user"]
    sandbox.faults(api={"commands": calls, "fail_before": 0.15, "fail_after": 0.15, "timeout_s": 1.0}, seed=3)
    sandbox.model.script(words(30), match="Tell me", times=0, chunk_delay_s=0.05)
    users = [user(easemob) for _ in range(10)]

    for each in users:
        each.write("Tell me")
    for each in users:
        each.wait_until(lambda said: bool(said) and said[-1].is_finished)

    easemob.until_settled()
    said = [[(reply.text, reply.is_finished) for reply in each.replies()] for each in users]
    assert said == [[(words(30), True)]] * len(users)


def test_a_stream_that_broke_goes_on_in_a_new_message(easemob: Parley, sandbox: Sandbox) -> None:
    easemob.app.change(chunk_gap_s=0.3)
    text = words(12)
    sandbox.model.script(text, match="Slowly", chunk_delay_s=0.2)
    alice = user(easemob)

    alice.write("Slowly, please")
    alice.wait_until(lambda said: "".join(reply.text for reply in said) == text)

    easemob.until_settled()
    assert len(alice.replies()) > 1


def test_without_streams_answers_come_whole_and_the_admin_says_so(easemob: Parley, sandbox: Sandbox) -> None:
    easemob.app.change(has_streams=False)
    text = words(1500)
    sandbox.model.script(text, match="Whole")
    alice = user(easemob)

    alice.write("Whole, please")
    alice.wait_until(lambda said: "".join(reply.text for reply in said) == text)

    assert {reply.kind for reply in alice.replies()} == {"text"}
    page = easemob.admin.text(easemob.admin.find("bots/vendoraccount", ACCOUNT))
    assert "Stream messages are not opened" in page


def test_without_streams_answers_grow_by_at_most_ten_edits(easemob: Parley, sandbox: Sandbox) -> None:
    account = easemob.account()
    account["config"]["edits"] = True
    easemob.apply(accounts=[account])
    easemob.app.change(has_streams=False, has_edits=True)
    text = words(100)
    sandbox.model.script(text, match="Grow", chunk_delay_s=0.05)
    alice = user(easemob)

    alice.write("Grow, please")
    alice.wait_until(lambda said: [reply.text for reply in said] == [text])

    easemob.until_settled()
    [reply] = alice.replies()
    shown = [frame.text for frame in reply.frames]
    assert 3 < len(shown) <= 11
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    easemob.apply(accounts=[easemob.account()])


def test_clients_are_told_that_an_answer_is_coming(easemob: Parley, sandbox: Sandbox) -> None:
    account = easemob.account()
    account["config"]["typing"] = True
    easemob.apply(accounts=[account])
    sandbox.model.script("At last.", match="Slow", first_token_s=1.0)
    alice = user(easemob)

    reply = alice.ask("Slow one")

    commands = [
        call
        for call in sandbox.calls("messages/users", easemob.app.id)
        if (call["body"]["to"], call["body"]["type"]) == ([alice.id], "cmd")
    ]
    assert [call["body"]["body"] for call in commands] == [{"action": "TypingBegin"}]
    assert commands[0]["at"] < reply.sent_at - 0.5
    easemob.apply(accounts=[easemob.account()])


def test_one_token_serves_all_workers(easemob: Parley, sandbox: Sandbox) -> None:
    users = [user(easemob) for _ in range(10)]
    for each in users:
        each.write("Hello")
    for each in users:
        each.wait_for_reply()

    assert len(sandbox.calls("token", app=easemob.app.id)) == 1


def test_a_message_that_is_intercepted_is_answered(easemob: Parley) -> None:
    account = easemob.account()
    account["config"]["pre_send"] = "intercept"
    easemob.apply(accounts=[account])
    easemob.app.change(callbacks=["pre_send", "chat"], pre_send_timeout_s=2.0)
    alice, bob = user(easemob), User(easemob, "bob", "carol")

    reply = alice.ask("Hello")
    bob.write("Hello, Carol")

    answers = {each["body"]["from"]: each["answer"] for each in easemob.callbacks()}
    assert (answers[alice.id], answers["bob"]) == ({"valid": False}, {"valid": True})
    assert reply.text.endswith("You said: Hello")
    easemob.apply(accounts=[easemob.account()])


def test_what_the_cloud_did_not_sign_is_rejected(easemob: Parley) -> None:
    body = {"callId": "acme#chat_1", "timestamp": 1, "security": "0" * 32, "chat_type": "chat"}

    assert httpx.post(easemob.callback_url, json=body, trust_env=False).status_code == 403

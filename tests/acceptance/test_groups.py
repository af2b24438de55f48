"""Users write in a group in which there is a robot, on each cloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.driver import App, EasemobApp, Group, Message, Sandbox, TencentApp, ZegoApp
from tests.acceptance.conftest import installed
from tests.support.parley import ACCOUNT, JSONDict, Parley, asked, robot, words

CLOUDS: list[type[App]] = [TencentApp, ZegoApp, EasemobApp]


@pytest.fixture(scope="module", params=CLOUDS, ids=lambda kind: kind.vendor)
def cloud(
    request: pytest.FixtureRequest,
    template: str,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Parley]:
    """With Ada, who answers those that mention her."""
    kind: type[App] = request.param
    folder = tmp_path_factory.mktemp(kind.vendor)
    with installed(f"groups_{kind.vendor}", template, sandbox, folder, kind) as parley:
        parley.configure(ada(parley))
        parley.app.change(callbacks=kind.group_callbacks)
        parley.serve()
        parley.app.wait_for_robot(ada(parley)["user_id"])
        yield parley


def ada(parley: Parley, **settings: Any) -> JSONDict:
    prefix = "" if parley.kind is EasemobApp else "@RBT#"
    entry = robot("ada", nickname="Ada", reply={"merge_window_ms": 500}, **settings)
    return entry | {"user_id": f"{prefix}ada"}


@dataclass(frozen=True)
class Club:
    """A group of three with Ada."""

    parley: Parley
    group: Group
    ada: str

    @property
    def id(self) -> str:
        return self.group.id

    def say(self, user: str, text: str) -> None:
        self.group.send(user, text)

    def ask(self, user: str, text: str) -> None:
        """Say it to Ada."""
        self.group.send(user, text, mentions=[self.ada])

    def wait_for_reply(self) -> Message:
        """The only one, finished."""
        [reply] = self.group.wait_for_reply(self.ada)
        return reply

    def replies(self) -> list[Message]:
        """All that Ada has said, when nothing more is to come."""
        self.parley.until_told(self.group)
        self.parley.until_settled()
        return self.group.replies(self.ada)


@pytest.fixture
def club(cloud: Parley) -> Club:
    user_id = ada(cloud)["user_id"]
    return Club(cloud, cloud.app.group("alice", "bob", "chen", user_id), user_id)


def test_a_mention_is_answered_once_in_the_group(club: Club, sandbox: Sandbox) -> None:
    text = words(30)
    sandbox.model.script(text, match="Grow", first_token_s=0.5, chunk_delay_s=0.1)

    club.ask("alice", "Grow, please")
    reply = club.wait_for_reply()

    assert club.replies() == [reply]
    assert (reply.recipient, reply.text) == (club.id, text)
    assert len(reply.frames) >= 3


def test_what_mentions_nobody_is_no_question_but_context_of_the_next(club: Club, sandbox: Sandbox) -> None:
    club.say("alice", f"In {club.id} we meet at ten.")
    assert club.replies() == []

    club.ask("bob", f"When does {club.id} meet?")
    club.wait_for_reply()

    [request] = asked(sandbox, f"When does {club.id}")
    assert request["body"]["messages"][-1]["content"] == (
        f"[alice] In {club.id} we meet at ten.\n[bob] @Ada When does {club.id} meet?"
    )


def test_two_askers_of_one_burst_get_one_answer_that_knows_both(club: Club, sandbox: Sandbox) -> None:
    club.ask("alice", f"How old is {club.id}?")
    club.ask("bob", f"How large is {club.id}?")
    club.wait_for_reply()

    assert len(club.replies()) == 1
    [request] = asked(sandbox, club.id)
    lines = request["body"]["messages"][-1]["content"].splitlines()
    assert sorted(lines) == [f"[alice] @Ada How old is {club.id}?", f"[bob] @Ada How large is {club.id}?"]


def test_a_group_is_one_conversation_apart_from_its_members_chats(club: Club, sandbox: Sandbox) -> None:
    club.ask("alice", f"The word of {club.id} is tea.")
    club.wait_for_reply()
    app = club.parley.app

    key = app.send("alice", club.ada, f"What is the word of {club.id}?")
    app.wait_for_reply("alice", club.ada, after=key)

    [request] = asked(sandbox, f"What is the word of {club.id}")
    assert "tea" not in str(request["body"]["messages"])


def test_callbacks_that_come_five_times_and_in_any_order_give_one_answer(
    club: Club, sandbox: Sandbox
) -> None:
    sandbox.faults(callbacks={"duplicate": 5, "reorder": 1.0}, seed=7)

    club.ask("alice", "Hello")
    reply = club.wait_for_reply()

    assert club.replies() == [reply]


def test_sends_whose_answers_are_lost_leave_one_answer(cloud: Parley, sandbox: Sandbox) -> None:
    sandbox.faults(api={"fail_before": 0.15, "fail_after": 0.2, "timeout_s": 1.0}, seed=3)
    sandbox.model.script(words(20), match="Tell me", times=0, chunk_delay_s=0.05)
    user_id = ada(cloud)["user_id"]
    clubs = [Club(cloud, cloud.app.group("alice", user_id), user_id) for _ in range(6)]

    for club in clubs:
        club.ask("alice", "Tell me")
    said = [(club.wait_for_reply().text, len(club.replies())) for club in clubs]

    assert said == [(words(20), 1)] * len(clubs)


def test_what_was_missed_in_a_group_is_found_in_its_history(club: Club, sandbox: Sandbox) -> None:
    club.ask("alice", "Hello")
    first = club.wait_for_reply()
    sandbox.faults(callbacks={"drop": 1.0})
    club.say("bob", f"{club.id} begins at ten.")
    club.ask("chen", f"When does {club.id} begin?")
    sandbox.faults()

    club.parley.run("reconcile", ACCOUNT)

    [_, second] = club.group.wait_for_reply(club.ada, count=2)
    club.parley.until_settled()
    assert club.group.replies(club.ada) == [first, second]
    [request] = asked(sandbox, f"When does {club.id}")
    assert request["body"]["messages"][-1]["content"] == (
        f"[bob] {club.id} begins at ten.\n[chen] @Ada When does {club.id} begin?"
    )


def test_a_robot_that_answers_all_needs_no_mention(club: Club) -> None:
    club.parley.configure(ada(club.parley, groups="all"))
    try:
        club.say("chen", "Does anybody hear me?")
        reply = club.wait_for_reply()
    finally:
        club.parley.configure(ada(club.parley))

    assert reply.text.endswith("[chen] Does anybody hear me?")


@pytest.mark.parametrize("cloud", [TencentApp], indirect=True)
def test_the_answer_tells_those_who_asked(club: Club) -> None:
    club.ask("bob", "Hello")
    club.wait_for_reply()

    [call] = [
        call
        for call in club.parley.sandbox.calls("group_open_http_svc/send_group_msg", club.parley.app.id)
        if call["members"] == [club.id]
    ]
    assert call["body"]["GroupAtInfo"] == [{"GroupAtAllFlag": 0, "GroupAt_Account": "bob"}]


@pytest.mark.parametrize("cloud", [EasemobApp], indirect=True)
def test_a_group_that_takes_no_stream_gets_whole_messages(club: Club) -> None:
    club.parley.app.change(largest_stream_group=2)
    try:
        club.ask("alice", "Hello")
        reply = club.wait_for_reply()
    finally:
        club.parley.app.change(largest_stream_group=200)

    assert club.replies() == [reply]
    assert (reply.kind, len(reply.frames)) == ("text", 1)


@pytest.mark.parametrize("cloud", [EasemobApp], indirect=True)
def test_both_callbacks_of_a_message_in_a_group_give_one_answer(club: Club) -> None:
    club.parley.app.change(callbacks=["pre_send", "chat"], is_flat=True)
    try:
        club.ask("alice", "Hello")
        reply = club.wait_for_reply()
    finally:
        club.parley.app.change(callbacks=EasemobApp.group_callbacks, is_flat=False)

    assert club.replies() == [reply]

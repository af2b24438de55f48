"""Users write in a group in which there is a robot, on each cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.driver import App, Group, Message, Sandbox, TencentApp
from tests.acceptance.conftest import installed
from tests.support.parley import Parley, asked, robot, words

CLOUDS: list[type[App]] = [TencentApp]
ADA = "@RBT#ada"
ATTENTIVE = robot("ada", nickname="Ada", reply={"merge_window_ms": 500})


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
        parley.configure(ATTENTIVE)
        parley.app.change(callbacks=kind.group_callbacks)
        parley.serve()
        parley.until_registered("ada")
        yield parley


@pytest.fixture
def group(cloud: Parley) -> Group:
    return cloud.app.group("alice", "bob", "chen", ADA)


def answered(group: Group, cloud: Parley) -> list[Message]:
    """What Ada has said, when nothing more is to come."""
    cloud.until_told(group)
    cloud.until_settled()
    return group.replies(ADA)


def test_a_mention_is_answered_once_in_the_group(cloud: Parley, group: Group, sandbox: Sandbox) -> None:
    text = words(30)
    sandbox.model.script(text, match="Grow", first_token_s=0.5, chunk_delay_s=0.1)

    group.send("alice", "Grow, please", mentions=[ADA])
    [reply] = group.wait_for_reply(ADA)

    assert answered(group, cloud) == [reply]
    assert (reply.recipient, reply.text) == (group.id, text)
    assert len(reply.frames) >= 3


def test_what_mentions_nobody_is_no_question_but_context_of_the_next(
    cloud: Parley, group: Group, sandbox: Sandbox
) -> None:
    group.send("alice", f"In {group.id} we meet at ten.")
    assert answered(group, cloud) == []

    group.send("bob", f"When does {group.id} meet?", mentions=[ADA])
    group.wait_for_reply(ADA)

    [request] = asked(sandbox, f"When does {group.id}")
    assert request["body"]["messages"][-1]["content"] == (
        f"[alice] In {group.id} we meet at ten.\n[bob] @Ada When does {group.id} meet?"
    )


def test_two_askers_of_one_burst_get_one_answer_that_knows_both(
    cloud: Parley, group: Group, sandbox: Sandbox
) -> None:
    group.send("alice", f"How old is {group.id}?", mentions=[ADA])
    group.send("bob", f"How large is {group.id}?", mentions=[ADA])
    group.wait_for_reply(ADA)

    assert len(answered(group, cloud)) == 1
    [request] = asked(sandbox, f"How large is {group.id}")
    lines = request["body"]["messages"][-1]["content"].splitlines()
    assert sorted(lines) == [f"[alice] @Ada How old is {group.id}?", f"[bob] @Ada How large is {group.id}?"]


def test_a_group_is_one_conversation_apart_from_its_members_chats(
    cloud: Parley, group: Group, sandbox: Sandbox
) -> None:
    group.send("alice", f"The word of {group.id} is tea.", mentions=[ADA])
    group.wait_for_reply(ADA)

    key = cloud.app.send("alice", ADA, f"What is the word of {group.id}?")
    cloud.app.wait_for_reply("alice", ADA, after=key)

    [request] = asked(sandbox, f"What is the word of {group.id}")
    assert "tea" not in str(request["body"]["messages"])


def test_callbacks_that_come_five_times_and_in_any_order_give_one_answer(
    cloud: Parley, group: Group, sandbox: Sandbox
) -> None:
    sandbox.faults(callbacks={"duplicate": 5, "reorder": 1.0}, seed=7)

    group.send("alice", "Hello", mentions=[ADA])
    [reply] = group.wait_for_reply(ADA)

    assert answered(group, cloud) == [reply]


def test_sends_whose_answers_are_lost_leave_one_answer(cloud: Parley, sandbox: Sandbox) -> None:
    sandbox.faults(api={"fail_before": 0.15, "fail_after": 0.2, "timeout_s": 1.0}, seed=3)
    sandbox.model.script(words(20), match="Tell me", times=0, chunk_delay_s=0.05)
    groups = [cloud.app.group("alice", ADA) for _ in range(6)]

    for each in groups:
        each.send("alice", "Tell me", mentions=[ADA])
    for each in groups:
        each.wait_for_reply(ADA)

    cloud.until_settled()
    said = [[(reply.text, reply.is_finished) for reply in each.replies(ADA)] for each in groups]
    assert said == [[(words(20), True)]] * len(groups)


def test_a_robot_that_answers_all_needs_no_mention(cloud: Parley, group: Group) -> None:
    cloud.configure(ATTENTIVE | {"groups": "all"})
    try:
        group.send("chen", "Does anybody hear me?")
        [reply] = group.wait_for_reply(ADA)
    finally:
        cloud.configure(ATTENTIVE)

    assert reply.text.endswith("[chen] Does anybody hear me?")

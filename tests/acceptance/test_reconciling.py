"""What users wrote while nobody could take callbacks is found in the clouds' histories, and answered once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from procrastinate import App as Jobs
from procrastinate import SyncPsycopgConnector

from sandbox.driver import App, EasemobApp, Sandbox, TencentApp, ZegoApp
from tests.acceptance.conftest import installed
from tests.support.parley import ACCOUNT, Parley, User, asked, robot
from tests.support.processes import eventually

USERS = 10
MESSAGES = 5  # of each user
HISTORY = {"tencent": "openim/admin_getroammsg", "zego": "QueryPeerMsg", "easemob": "roaming/chat"}

UNRECONCILED = """
SELECT (SELECT count(*) FROM conversations_reconciliation) + (
    SELECT count(*) FROM procrastinate_jobs
    WHERE status IN ('todo', 'doing') AND task_name LIKE 'conversations.reconcile%%'
)
"""
SAID = """
SELECT message.text, message.state, message.turn_id IS NOT NULL FROM conversations_message AS message
JOIN conversations_conversation AS conversation ON conversation.id = message.conversation_id
WHERE message.sender = 'user' AND conversation.peer_id = %s ORDER BY message.id
"""


AGE = """
UPDATE conversations_message SET created_at = created_at - interval '2 minutes'
WHERE conversation_id IN (SELECT id FROM conversations_conversation WHERE peer_id = %s) RETURNING id
"""


@pytest.fixture(scope="module", params=[TencentApp, ZegoApp, EasemobApp], ids=lambda kind: kind.vendor)
def parley(
    request: pytest.FixtureRequest,
    template: str,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Parley]:
    """At each cloud, which gives up callbacks at once."""
    kind: type[App] = request.param
    folder = tmp_path_factory.mktemp("missed")
    with installed(f"missed-{kind.vendor}", template, sandbox, folder, kind) as parley:
        parley.app.change(callback_retries=0, callbacks=kind.group_callbacks)
        configure(parley)
        parley.serve()
        parley.app.wait_for_robot(robot_id(parley))
        yield parley


def configure(parley: Parley) -> None:
    reply = {"merge_window_ms": 500, "max_age_s": 3600}
    parley.configure({**robot("ada", reply=reply), "user_id": robot_id(parley)})


def robot_id(parley: Parley) -> str:
    return "ada" if parley.app.vendor == "easemob" else "@RBT#ada"


def acquainted(parley: Parley, count: int = 1) -> list[User]:
    """Users who have had an answer."""
    users = [User(parley, parley.user().id, robot_id(parley)) for _ in range(count)]
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(lambda user: user.ask("Hello"), users))
    return users


def kill(parley: Parley) -> None:
    """Of a sudden, and everything."""
    parley.installation.end()


def lost_questions(parley: Parley, users: list[User]) -> int:
    """Callbacks that nobody took.  What the cloud tells of the robot's own messages does not count."""
    ids = {user.id for user in users}
    lost = [each for each in parley.callbacks() if each["status"] is None]
    return sum(bool(ids & set(each["members"])) and " asks " in str(each["body"]) for each in lost)


def until_reconciled(parley: Parley) -> None:
    eventually(lambda: parley.installation.query(UNRECONCILED) == [(0,)])
    parley.until_settled()


def test_messages_of_an_outage_are_answered_once(parley: Parley, sandbox: Sandbox) -> None:
    """Although many a look into the history fails, and a worker dies over one."""
    users = acquainted(parley, USERS)
    looks = len(sandbox.calls(HISTORY[parley.app.vendor], parley.app.id))
    kill(parley)
    for number in range(MESSAGES):
        for user in users:
            user.write(f"{user.id} asks {number}")
    eventually(lambda: lost_questions(parley, users) == USERS * MESSAGES)
    look = HISTORY[parley.app.vendor]
    sandbox.faults(api={"commands": [look], "fail_before": 0.3, "timeout_s": 0.5, "latency_s": 0.3}, seed=7)

    parley.serve()
    eventually(lambda: len(sandbox.calls(look, parley.app.id)) > looks)
    for worker in parley.workers():
        os.kill(worker, signal.SIGKILL)

    for user in users:
        user.wait_until(lambda said: len(said) == 2 and said[-1].is_finished)
    until_reconciled(parley)
    for user in users:
        assert len(user.replies()) == 2
        *_, question = asked(sandbox, user.id)  # once more where the worker died while it was asked
        words = question["body"]["messages"][-1]["content"]
        assert words.splitlines()[-MESSAGES:] == [f"{user.id} asks {number}" for number in range(MESSAGES)]
        assert len(parley.installation.query(SAID, user.id)) == 1 + MESSAGES


def test_what_is_too_old_is_recorded_and_shown_with_the_next_message(
    parley: Parley, sandbox: Sandbox
) -> None:
    [user] = acquainted(parley)
    sandbox.faults(callbacks={"drop": 1.0})
    sandbox.set_clock(-7200)
    user.write("Is it still raining?")
    sandbox.set_clock(0)
    sandbox.faults()
    parley.run("reconcile", ACCOUNT)
    until_reconciled(parley)

    assert len(user.replies()) == 1
    assert parley.installation.query(SAID, user.id)[-1] == ("Is it still raining?", "recorded", False)

    user.write("And now?")
    user.wait_until(lambda said: len(said) == 2 and said[-1].is_finished)
    [question] = asked(sandbox, "And now?")
    assert "Is it still raining?" in str(question["body"]["messages"])
    until_reconciled(parley)
    assert len(user.replies()) == 2


def test_a_history_that_holds_nothing_new_changes_nothing(parley: Parley) -> None:
    [user] = acquainted(parley)
    before = user.replies()

    said = parley.run("reconcile", ACCOUNT)
    until_reconciled(parley)

    assert "will be compared with their vendors' histories" in said
    assert user.replies() == before
    assert len(parley.installation.query(SAID, user.id)) == 1
    assert parley.sandbox.calls(HISTORY[parley.app.vendor], parley.app.id)


def test_a_mention_that_was_missed_in_a_group_is_answered(parley: Parley, sandbox: Sandbox) -> None:
    ada = robot_id(parley)
    group = parley.app.group("alice", "bob", ada)
    group.send("alice", "Good morning", mentions=[ada])
    group.wait_for_reply(ada)
    sandbox.faults(callbacks={"drop": 1.0})
    group.send("bob", "And to me?", mentions=[ada])
    sandbox.faults()

    parley.run("reconcile", ACCOUNT)

    group.wait_for_reply(ada, count=2)
    until_reconciled(parley)
    assert len(group.replies(ada)) == 2


@pytest.mark.parametrize("parley", [ZegoApp], ids=["zego"], indirect=True)  # the only one that counts
def test_a_number_that_was_left_out_tells_of_a_missed_message(parley: Parley, sandbox: Sandbox) -> None:
    [user] = acquainted(parley)
    sandbox.faults(callbacks={"drop": 1.0})
    user.write("Can you hear me?")
    sandbox.faults()
    user.write("Hello?")
    user.wait_until(lambda said: len(said) == 2 and said[-1].is_finished)
    parley.until_settled()
    parley.installation.query(AGE, user.id)

    with Jobs(connector=SyncPsycopgConnector(conninfo=parley.installation.database_url)).open() as jobs:
        jobs.configure_task("conversations.reconcile_gaps").defer(timestamp=0)

    user.wait_until(lambda said: len(said) == 3 and said[-1].is_finished)
    assert asked(sandbox, "Can you hear me?")

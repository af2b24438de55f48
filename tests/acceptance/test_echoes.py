"""A send whose answer was lost: the cloud's echo, or its history, tells whether it has the message."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from sandbox.driver import App, EasemobApp, Sandbox, TencentApp, ZegoApp
from tests.acceptance.conftest import installed
from tests.support.parley import JSONDict, Parley, User, robot, words

WHOLE = {"merge_window_ms": 100, "mode": "whole"}
# Which callbacks tell of a robot's messages, by the settings of an app; which call sends one, which finds it.
TELLING: dict[str, JSONDict] = {
    "tencent": {"callbacks": ["Bot.OnC2CMessage", "C2C.CallbackAfterSendMsg"]},
    "zego": {"callbacks": ["send_msg"]},
    "easemob": {"tells_of_rest": True},
}
SILENT: dict[str, JSONDict] = {
    "tencent": {"callbacks": ["Bot.OnC2CMessage"]},
    "zego": {"callbacks": ["bot_msg"]},
    "easemob": {"tells_of_rest": False},
}
SEND = {"tencent": "openim/sendmsg", "zego": "SendPeerMessage", "easemob": "messages/users"}
START_STREAM = SEND | {"easemob": "stream_message/user"}
FIND = {"tencent": "openim/admin_getroammsg", "zego": "QueryPeerMsg", "easemob": "roaming/chat"}

OUTCOME = """
SELECT message.state, message.vendor_message_id IS NOT NULL FROM conversations_message AS message
JOIN conversations_conversation AS conversation ON conversation.id = message.conversation_id
WHERE message.sender = 'robot' AND conversation.peer_id = %s
"""
AGE = """
UPDATE conversations_message SET created_at = created_at - interval '10 minutes' WHERE state = 'sending'
RETURNING id
"""


@pytest.fixture(scope="module", params=[TencentApp, ZegoApp, EasemobApp], ids=lambda kind: kind.vendor)
def parley(
    request: pytest.FixtureRequest,
    template: str,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Parley]:
    """At each cloud, with robots that answer in growing and in whole messages."""
    kind: type[App] = request.param
    with installed(f"echo-{kind.vendor}", template, sandbox, tmp_path_factory.mktemp("echo"), kind) as parley:
        parley.configure(
            {**robot("ada"), "user_id": id_of(parley, "ada")},
            {**robot("whole", reply=WHOLE), "user_id": id_of(parley, "whole")},
        )
        parley.serve()
        for name in ("ada", "whole"):
            parley.app.wait_for_robot(id_of(parley, name))
        yield parley


def id_of(parley: Parley, name: str) -> str:
    return name if parley.app.vendor == "easemob" else f"@RBT#{name}"


def user(parley: Parley, name: str) -> User:
    return User(parley, parley.user().id, id_of(parley, name))


def sends(parley: Parley, command: str, to: User) -> list[JSONDict]:
    calls = parley.sandbox.calls(command, parley.app.id)
    return [call for call in calls if to.id in str(call["body"])]


def test_echo_makes_up_for_the_answer_that_was_lost(parley: Parley, sandbox: Sandbox) -> None:
    parley.app.change(**TELLING[parley.app.vendor])
    send = SEND[parley.app.vendor]
    sandbox.faults(api={"commands": [send], "fail_after": 1.0, "how": ["502"]})
    alice = user(parley, "whole")

    reply = alice.ask("Hello")

    parley.until_settled()
    assert alice.replies() == [reply]
    assert parley.installation.query(OUTCOME, alice.id) == [("delivered", True)]
    assert len(sends(parley, send, alice)) == 1
    assert sends(parley, FIND[parley.app.vendor], alice) == []


def test_history_makes_up_for_the_answer_that_was_lost(parley: Parley, sandbox: Sandbox) -> None:
    """Also when a plain repeat is no longer harmless, and when another worker goes on."""
    vendor = parley.app.vendor
    parley.app.change(**SILENT[vendor])
    send = START_STREAM[vendor]
    sandbox.model.default(text=words(20))  # the worker that dies may have asked already
    sandbox.faults(api={"commands": [send], "fail_after": 1.0, "how": ["timeout"], "timeout_s": 30})
    alice = user(parley, "ada")
    alice.write("Hello")
    alice.wait_until(lambda said: len(said) == 1)

    for worker in parley.workers():
        os.kill(worker, signal.SIGKILL)
    assert parley.installation.query(AGE)
    sandbox.faults()

    reply = alice.wait_for_reply()
    parley.until_settled()
    assert (alice.replies(), reply.text) == ([reply], words(20))
    assert sends(parley, FIND[vendor], alice)

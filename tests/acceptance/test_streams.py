"""Answers as Tencent's native stream messages, where an account is set so."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, asked, robot, route, words
from tests.support.processes import slowness

ANSWER = words(60)


@pytest.fixture
def streaming(own_parley: Parley) -> Parley:
    account = own_parley.account()
    account["config"]["transport"] = "stream"
    own_parley.apply(
        accounts=[account],
        models=[own_parley.model("fast")],
        routes=[route("default", "fast")],
        robots=[robot("ada", reply={"fallback": "Sorry."})],
    )
    own_parley.serve()
    own_parley.until_registered("ada")
    return own_parley


def test_answers_grow_as_streams(streaming: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(ANSWER, match="Stream", chunk_delay_s=0.05)
    sandbox.model.script(match="Fail", status=500)
    user = streaming.user()

    reply = user.ask("Stream, please")
    user.write("Fail, please")
    sorry = user.wait_until(lambda said: len(said) == 2)[1]

    shown = [frame.text for frame in reply.frames]
    assert (shown[-1], reply.kind) == (ANSWER, "reply")
    assert len(shown) > 4
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    assert [frame.is_finished for frame in reply.frames] == [False] * (len(shown) - 1) + [True]
    assert (sorry.kind, sorry.text) == ("text", "Sorry.")
    assert sandbox.calls("openim/modify_c2c_msg", streaming.app.id) == []


def test_an_answer_goes_on_in_another_message_when_its_stream_has_ended(
    streaming: Parley, sandbox: Sandbox
) -> None:
    streaming.app.change(stream_gap_s=1.0)
    sandbox.model.script("Well … let me see.", match="Pause", chunk_chars=7, chunk_delay_s=2.0)
    user = streaming.user()

    user.write("Pause, please")

    user.wait_until(lambda said: "".join(each.text for each in said) == "Well … let me see.")
    streaming.until_settled()
    assert len(user.replies()) > 1


def test_a_stream_stops_when_its_user_asks_for_it(streaming: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(ANSWER, match="Long", chunk_delay_s=0.2)
    user = streaming.user()
    user.write("Long one")
    user.wait_until_shown("word1 word2")

    user.write(interrupt=user.replies()[0].key)
    asked_at = time.time()

    reply = user.wait_for_reply()
    assert reply.frames[-1].at - asked_at < 1.0 * slowness()
    assert ANSWER.startswith(reply.text)
    assert len(reply.text) < len(ANSWER)


def test_the_next_worker_adds_to_the_stream_of_a_killed_one(streaming: Parley, sandbox: Sandbox) -> None:
    [worker] = streaming.workers()
    sandbox.model.script(ANSWER, match="Fatal", chunk_chars=20, chunk_delay_s=0.3, stall_after=3)
    sandbox.model.script(ANSWER, match="Fatal", times=0)
    user = streaming.user()
    user.write("Fatal one")
    user.wait_until_shown(ANSWER[:40])

    os.kill(worker, signal.SIGKILL)

    assert user.wait_for_reply().text == ANSWER
    streaming.until_settled()
    assert len(asked(sandbox, "Fatal")) == 2
    assert len(user.replies()) == 1

"""A user stops an answer: the model's stream ends, the message ends, and the talk goes on."""

from __future__ import annotations

import os
import signal
import time
from typing import Final

import pytest

from sandbox.driver import Message, Sandbox
from tests.support.parley import Parley, User, asked, words
from tests.support.processes import eventually, slowness

ANSWER: Final = words(200)
AT_ONCE_S: Final = 1.0

TURNS: Final = """
SELECT turn.state, turn.output_tokens FROM conversations_turn AS turn
  JOIN conversations_conversation AS conversation ON conversation.id = turn.conversation_id
 WHERE conversation.peer_id = '{user}' ORDER BY turn.id
"""

CALLED_OFF: Final = "SELECT ending FROM conversations_turn"


def turns(user: User) -> list[tuple[str, int]]:
    """State of each turn, and what the model has said in it."""
    return user.parley.installation.query(TURNS.format(user=user.id))


def stop(user: User, *, online_only: bool = True) -> Message:
    """Ask the robot to stop what it is saying, as clients do; the message as it is at its end."""
    growing = user.replies()[-1]
    user.write(interrupt=growing.key, online_only=online_only)
    asked_at = time.time()

    def is_finished(said: list[Message]) -> bool:
        return any(message.key == growing.key and message.is_finished for message in said)

    [ended] = [message for message in user.wait_until(is_finished) if message.key == growing.key]
    assert ended.frames[-1].at - asked_at < AT_ONCE_S * slowness()
    return ended


@pytest.mark.parametrize("online_only", [True, False], ids=["as mobile clients do", "as the web does"])
def test_an_answer_stops_in_the_middle(parley: Parley, sandbox: Sandbox, online_only: bool) -> None:
    sandbox.model.script(ANSWER, match="Long", chunk_delay_s=0.05)
    user = parley.user()
    user.write("Long one")
    user.wait_until_shown("word1 word2")

    ended = stop(user, online_only=online_only)

    assert ANSWER.startswith(ended.text)
    assert len(ended.text) < len(ANSWER)
    assert ended.text == ended.frames[-2].text
    parley.until_settled()
    [request] = asked(sandbox, "Long one")
    assert request["outcome"] == "client_gone"
    [(state, tokens)] = turns(user)
    assert state == "stopped"
    assert 0 < tokens < 500
    assert user.replies() == [ended]


def test_a_model_that_pauses_is_left_at_once(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(ANSWER, match="Pausing", chunk_chars=20, stall_after=1)
    user = parley.user()
    user.write("Pausing one")
    user.wait_until_shown(ANSWER[:20])
    time_of_stop = time.time()

    ended = stop(user)

    parley.until_settled()
    [request] = asked(sandbox, "Pausing")
    assert request["outcome"] == "client_gone"
    assert request["ended_at"] - time_of_stop < 0.5 * slowness()
    assert ended.text == ANSWER[:20]


def test_an_answer_stops_before_its_first_words(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(ANSWER, match="Thinking", first_token_s=60)
    user = parley.user()
    user.write("Thinking one")
    user.wait_until_shown()
    eventually(lambda: asked(sandbox, "Thinking"))

    ended = stop(user)

    assert ended.text == ""
    parley.until_settled()
    assert [each["outcome"] for each in asked(sandbox, "Thinking")] == ["client_gone"]
    assert [state for state, _ in turns(user)] == ["stopped"]


def test_what_is_written_after_a_stop_is_answered(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(ANSWER, match="Never", chunk_delay_s=0.05)
    user = parley.user()
    user.write("Never mind")
    user.wait_until_shown("word1")

    ended = stop(user)

    assert user.ask("And now?").text == "(You are Ada.) You said: And now?"
    [request] = asked(sandbox, "And now?")
    said = [line["content"] for line in request["body"]["messages"][1:]]
    assert said == ["Never mind", ended.text, "And now?"]


def test_a_stop_that_comes_too_late_changes_nothing(parley: Parley, sandbox: Sandbox) -> None:
    user = parley.user()
    first = user.ask("First")
    sandbox.model.script(words(20), match="Second", chunk_delay_s=0.1)
    user.write("Second")
    user.wait_until(lambda said: len(said) == 2 and said[1].text != "")

    key = user.write(interrupt=first.key)

    parley.until_settled()
    assert key not in {reply.key for reply in user.replies()}
    assert [reply.text for reply in user.replies()] == [first.text, words(20)]
    assert [state for state, _ in turns(user)] == ["done", "done"]


@pytest.mark.parametrize("hears_of_it", [False, True], ids=["before it hears of it", "in the middle of it"])
def test_a_worker_killed_at_a_stop_leaves_no_answer_growing(
    own_parley: Parley, sandbox: Sandbox, hears_of_it: bool
) -> None:
    parley = own_parley
    parley.configure_and_serve("ada")
    [worker] = parley.workers()
    sandbox.model.script(ANSWER, match="Fatal", chunk_delay_s=0.05)
    user = parley.user()
    user.write("Fatal one")
    user.wait_until_shown("word1")

    if not hears_of_it:
        os.kill(worker, signal.SIGSTOP)
    user.write(interrupt=user.replies()[0].key)
    eventually(lambda: parley.installation.query(CALLED_OFF) == [("stopped",)])
    os.kill(worker, signal.SIGKILL)

    reply = user.wait_for_reply()
    parley.until_settled()
    assert ANSWER.startswith(reply.text)
    assert len(reply.text) < len(ANSWER)
    assert user.replies() == [reply]
    assert [state for state, _ in turns(user)] == ["stopped"]
    assert len(asked(sandbox, "Fatal")) == 1
    assert user.ask("Still there?").text == "() You said: Still there?"

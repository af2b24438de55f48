"""A model that fails: the user hears of it, the admin sees why, and another model may help."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.driver import Sandbox
from tests.acceptance.conftest import SORRY
from tests.support.parley import Parley, asked, words
from tests.support.processes import eventually

FAILURES: dict[str, tuple[dict[str, Any], str]] = {  # how the model fails → what the admin reads
    "error": ({"status": 500}, "500"),
    "overload": ({"status": 429, "retry_after": "1"}, "429"),
    "wrong key": ({"status": 401}, "401"),
    "silence": ({"stall_after": 0}, "impatient"),
    "empty": ({"text": ""}, "impatient"),
    "keep-alive comments only": ({"first_token_s": 60, "keep_alive_s": 0.2}, "impatient"),
    "an error in the stream": ({"error_after": 0}, "impatient"),
    "a broken connection": ({"break_after": 0}, "impatient"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_model_that_fails_ends_in_the_robots_fallback(
    parley: Parley, sandbox: Sandbox, failure: str
) -> None:
    script, reason = FAILURES[failure]
    sandbox.model.script(**({"text": "Never said."} | script), match="Anything", times=0)
    user = parley.user("impatient")

    reply = user.ask("Anything?")

    parley.until_settled()
    assert user.replies() == [reply]
    assert (reply.kind, reply.text) == ("error", SORRY)
    page = parley.conversation_page(user)
    assert "failed" in page.lower()
    assert reason in page


def test_a_model_that_cannot_be_reached_ends_in_the_robots_fallback(parley: Parley) -> None:
    user = parley.user("refusing")

    reply = user.ask("Anything?")

    assert (reply.kind, reply.text) == ("error", SORRY)
    assert "refusing" in parley.conversation_page(user)


@pytest.mark.parametrize("failure", [{"break_after": 4}, {"stall_after": 4}, {"error_after": 4}])
def test_a_stream_that_breaks_is_finished_and_followed_by_the_fallback(
    parley: Parley, sandbox: Sandbox, failure: dict[str, int]
) -> None:
    sandbox.model.script(words(20), match="Half", times=0, chunk_delay_s=0.1, **failure)
    user = parley.user("impatient")

    user.write("Half of it, please")
    said = user.wait_until(lambda said: bool(said) and said[-1].kind == "error")

    parley.until_settled()
    assert user.replies() == said
    assert [(reply.kind, reply.is_finished) for reply in said] == [("reply", True), ("error", True)]
    assert words(20).startswith(said[0].text)
    assert said[1].text == SORRY


def test_comments_do_not_keep_a_slow_answer_alive_beyond_its_deadline(
    parley: Parley, sandbox: Sandbox
) -> None:
    sandbox.model.script(words(2000), match="Dribble", times=0, chunk_chars=2, chunk_delay_s=0.2)
    user = parley.user("impatient")

    key = user.write("Dribble")
    said = user.wait_until(lambda said: bool(said) and said[-1].kind == "error")

    [request] = asked(sandbox, "Dribble")
    assert key not in {reply.key for reply in said}
    assert request["outcome"] == "client_gone"
    assert request["ended_at"] - request["at"] < 3 + 2  # total_s, and the way


def test_the_next_model_of_the_route_answers_instead(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(match="Twice", status=503)
    user = parley.user("two")

    reply = user.ask("Twice?")

    assert reply.text == "() You said: Twice?"
    assert [request["outcome"] for request in asked(sandbox, "Twice?")] == ["error", "finished"]


def test_a_failed_answer_is_no_history(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(match="Fail", status=500, times=0)
    user = parley.user("impatient")
    user.ask("Fail, please")

    user.ask("And now?")

    [request] = asked(sandbox, "And now?")
    assert SORRY not in str(request["body"])


def test_the_model_is_hung_up_on_when_the_turn_cannot_go_on(parley: Parley, sandbox: Sandbox) -> None:
    """The cloud refuses the robot's frames for good: nothing more of the answer is asked for."""
    sandbox.model.script(words(500), match="Endless", chunk_delay_s=0.5)
    user = parley.user()
    user.write("Endless")
    user.wait_until_shown("word1")

    sandbox.faults(api={"error_codes": {"openim/modify_c2c_msg": 80001}})

    eventually(lambda: asked(sandbox, "Endless")[0]["outcome"] == "client_gone")
    parley.until_settled()
    assert "80001" in parley.conversation_page(user)

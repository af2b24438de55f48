"""What models are shown in a long conversation, and by which persona they answer."""

from __future__ import annotations

import json
import os
import re
import signal
from itertools import pairwise
from typing import Any, Final

from sandbox.driver import Sandbox
from tests.support.parley import Parley, User, robot, route
from tests.support.processes import eventually

SUMMARY: Final = "They spoke of Rome."
SHARE: Final = 0.9  # of a prompt that begins the next one, unless a block is folded
SUMMING_UP: Final = """
SELECT count(*) FROM procrastinate_jobs
 WHERE status IN ('todo', 'doing') AND task_name = 'conversations.summarise'
"""
FOLDS: Final = "SELECT messages, told_messages, summary FROM conversations_fold ORDER BY until"
CALLS: Final = "SELECT purpose, outcome, count(*) FROM conversations_modelcall GROUP BY 1, 2 ORDER BY 1, 2"


def configure(parley: Parley, **settings: Any) -> None:
    parley.apply(
        accounts=[parley.account()],
        models=[parley.model("fast"), parley.model("brief")],
        routes=[route("default", "fast")],
        robots=[robot("ada", nickname="Ada", **settings)],
    )


def start(parley: Parley, **settings: Any) -> User:
    configure(parley, **settings)
    parley.serve()
    parley.until_registered("ada")
    return parley.user()


def talk(user: User, *questions: str) -> None:
    """Ask one after the other, each when what the one before left to do is done."""
    parley = user.parley
    for question in questions:
        user.ask(question)
        parley.until_settled()
        eventually(lambda: parley.installation.query(SUMMING_UP) == [(0,)])


def prompts(sandbox: Sandbox, *, for_summaries: bool = False) -> list[list[dict[str, str]]]:
    """What the models were shown, one after the other."""
    shown = [request["body"]["messages"] for request in sandbox.model.requests()]
    return [each for each in shown if each[0]["content"].startswith("You sum up") is for_summaries]


def shared(one: str, other: str) -> int:
    """How many characters they have in common from the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def test_a_long_conversation_goes_on_from_its_summary_and_prompts_begin_as_before(
    own_parley: Parley, sandbox: Sandbox
) -> None:
    sandbox.model.script(SUMMARY, match="User: ", times=0)
    history = {"messages": 12, "block": 6, "summary_model": "brief"}
    user = start(own_parley, persona="You are {robot}. You talk to {user_id}.", history=history)

    talk(user, *(f"Question {number} about Rome, and what is to be seen there?" for number in range(16)))

    shown = prompts(sandbox)
    assert shown[0][0]["content"] == f"You are Ada. You talk to {user.id}."
    assert SUMMARY not in str(shown[5])
    assert SUMMARY in str(shown[-1])
    assert "Question 0 " not in str(shown[-1])
    assert "Question 14 " in str(shown[-1])
    texts = [json.dumps(each) for each in shown]
    changes = [shared(one, other) < SHARE * len(one) for one, other in pairwise(texts)]
    folds = own_parley.installation.query(FOLDS)
    assert sum(changes) <= len(folds) == len(prompts(sandbox, for_summaries=True)) <= 4
    assert all(messages == told and summary == SUMMARY for messages, told, summary in folds)
    calls = own_parley.installation.query(CALLS)
    assert calls == [("answer", "answered", 16), ("summary", "answered", len(folds))]
    assert "in short: " in own_parley.conversation_page(user)


def test_answers_go_on_where_summaries_fail(own_parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(match="User: ", times=0, status=500)
    user = start(own_parley, history={"messages": 4, "block": 2})

    talk(user, *(f"Question {number}?" for number in range(5)))

    said = str(prompts(sandbox)[-1])
    assert "Question 0?" not in said
    assert "Question 3?" in said
    assert "left out: " in own_parley.conversation_page(user)
    assert ("summary", "failed", 3) in own_parley.installation.query(CALLS)


def test_a_summary_whose_worker_is_killed_is_made_by_another(own_parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(SUMMARY, match="User: ", stall_after=1)
    sandbox.model.script(SUMMARY, match="User: ", times=0)
    user = start(own_parley, history={"messages": 2, "block": 2})
    user.ask("One?")
    user.ask("Two?")
    eventually(lambda: prompts(sandbox, for_summaries=True))

    for worker in own_parley.workers():
        os.kill(worker, signal.SIGKILL)

    assert user.ask("Three?").text.endswith("You said: Three?")
    eventually(lambda: own_parley.installation.query(SUMMING_UP) == [(0,)], within_s=60)
    assert own_parley.installation.query(FOLDS)[-1] == (4, 4, SUMMARY)


def test_a_persona_is_changed_and_rolled_back_between_two_answers(
    own_parley: Parley, sandbox: Sandbox
) -> None:
    parley = own_parley
    user = start(parley, persona="You are Ada.")
    assert user.ask("One?").text == "(You are Ada.) You said: One?"

    page = parley.admin.find("bots/robot", "@RBT#ada")
    parley.admin.submit(page, persona="You are Bea, {robot}'s twin.")
    assert user.ask("Two?").text == "(You are Bea, Ada's twin.) You said: Two?"

    [number] = re.findall(r"/(\d+)/", page)
    versions = f"/admin/bots/robot/{number}/personas/"
    differences = parley.admin.page(versions)
    assert re.search(r"<del[^>]*>Ada</del>", differences)
    token = parley.admin.client.cookies["csrftoken"]
    rolled_back = parley.admin.client.post(f"{versions}1/roll-back/", data={"csrfmiddlewaretoken": token})
    assert "The persona is that of version 1 again: version 3." in rolled_back.text

    assert user.ask("Three?").text == "(You are Ada.) You said: Three?"
    told = parley.conversation_page(user)
    assert all(f"persona {version}" in told for version in (1, 2, 3))
    assert "persona: You are Ada." in parley.run("export")

    configure(parley, persona="You are Eve.")
    assert user.ask("Four?").text == "(You are Eve.) You said: Four?"
    assert "version 4" in parley.admin.text(versions)

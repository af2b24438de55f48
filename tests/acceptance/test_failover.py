"""A model fails while users watch: another one goes on, and nobody reads anything twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from sandbox.driver import Sandbox
from tests.acceptance.conftest import REFUSING
from tests.support.parley import Parley, asked, robot, route, words

GOING_ON = "Your last message was cut off"  # how a model is told that another one began
POEM = words(20)
CHUNKS, CHUNK_CHARS = 6, 12  # what is said before the failure


@pytest.mark.parametrize("failure", ["break_after", "stall_after", "error_after"])
@pytest.mark.parametrize("start", [0, 30, CHUNKS * CHUNK_CHARS], ids=["all again", "some again", "the rest"])
def test_an_answer_that_breaks_off_is_finished_by_the_next_model(
    parley: Parley, sandbox: Sandbox, failure: str, start: int
) -> None:
    sandbox.model.script(POEM, match="Poem", chunk_chars=CHUNK_CHARS, chunk_delay_s=0.25, **{failure: CHUNKS})
    sandbox.model.script(POEM[start:], match=GOING_ON, chunk_chars=5)
    user = parley.user("two")

    reply = user.ask("Poem, please")

    parley.until_settled()
    assert user.replies() == [reply]
    assert (reply.kind, reply.text, reply.is_finished) == ("reply", POEM, True)
    texts = [frame.text for frame in reply.frames]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    [request] = asked(sandbox, GOING_ON)
    assert request["body"]["messages"][-2] == {"role": "assistant", "content": POEM[: CHUNKS * CHUNK_CHARS]}


def test_a_model_that_asks_for_it_is_left_alone_by_all_workers(own_parley: Parley, sandbox: Sandbox) -> None:
    parley = own_parley
    parley.apply(
        accounts=[parley.account()],
        models=[parley.model("busy", model="busy"), parley.model("backup", model="backup")],
        routes=[route("default", "busy", "backup")],
        robots=[robot("ada")],
    )
    parley.serve(workers=2)
    parley.until_registered("ada")
    sandbox.model.script(match="First", status=429, retry_after="600")
    parley.user().ask("First")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: parley.user().ask(f"Then {number}"), range(8)))

    models = [request["body"]["model"] for request in sandbox.model.requests()]
    assert models == ["busy", *["backup"] * 9]


def test_a_model_that_is_down_is_not_asked_until_somebody_says_so(
    own_parley: Parley, sandbox: Sandbox
) -> None:
    parley = own_parley
    parley.apply(
        accounts=[parley.account()],
        models=[parley.model("down", base_url=REFUSING), parley.model("backup")],
        routes=[route("default", "down", "backup")],
        robots=[robot("ada")],
    )
    parley.serve(workers=2)
    parley.until_registered("ada")

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda number: parley.user().ask(f"Well {number}?"), range(8)))
    late = parley.user()
    late.ask("Still well?")

    assert all(reply.kind == "reply" for reply in replies)
    assert "failing" in parley.admin.text("/admin/bots/languagemodel/?q=down")
    assert "down · failed" not in parley.conversation_page(late)

    parley.admin.act("bots/languagemodel", "reset_selected", parley.admin.find("bots/languagemodel", "down"))
    early = parley.user()
    early.ask("And now?")

    assert "down · failed" in parley.conversation_page(early)

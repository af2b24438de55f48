"""A take-over in the middle of an answer, a hundred times: nothing more is said by the robot."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from sandbox.driver import Sandbox
from tests.support.parley import Parley, words

TRIES: Final = 100
AT_ONCE: Final = 20
LONG: Final = words(400)
ON_THE_WIRE: Final = 1  # frames that may have left already when the take-over returns


def new_words_after_take_over(parley: Parley, desk: httpx.Client, number: int) -> int:
    """How many frames said more, once the desk had been told that it has the conversation."""
    user = parley.user()
    user.write("Endless, please")
    user.wait_until_shown(" ".join(LONG.split()[: 1 + number % 7]))  # not always at the same moment
    [conversation] = desk.get("/conversations", params={"user_id": user.id}).json()["results"]
    assert desk.post(f"/conversations/{conversation['id']}/take_over").json()["state"] == "operator"
    returned_at = time.time()

    reply = user.wait_for_reply()

    assert len(reply.text) < len(LONG)
    assert LONG.startswith(reply.text)
    assert user.replies() == [reply]
    before = [frame.text for frame in reply.frames if frame.at <= returned_at]
    after = {frame.text for frame in reply.frames if frame.at > returned_at}
    return len(after.difference(before))


def test_no_words_follow_a_take_over(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(LONG, match="Endless", times=0, chunk_delay_s=0.05)

    with parley.api("operate") as desk, ThreadPoolExecutor(AT_ONCE) as crowd:
        tries = crowd.map(lambda number: new_words_after_take_over(parley, desk, number), range(TRIES))
        late = list(tries)

    assert len(late) == TRIES
    assert max(late) <= ON_THE_WIRE
    parley.until_settled()

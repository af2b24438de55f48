"""A crowd of replies shares what the cloud allows one app, over all worker processes."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from bots.pace import SLACK_S
from sandbox.driver import Message, Sandbox, ZegoApp
from tests.acceptance.conftest import installed
from tests.support.parley import JSONDict, Parley, asked, words
from tests.support.processes import slowness

WORKERS: Final = 4
REPLIES: Final = 40
RATE: Final = 20  # calls of each kind a second, as the cloud counts them by its clock
LAST_FRAME_WITHIN_S: Final = 3.0  # of the model's end, though the last of forty has to wait for two
TALKING_S: Final = 14.0
ON_ITS_WAY_S: Final = 1.0  # a frame that had its slot when the model ended
TEXT: Final = words(180)
TICK_S: Final = 0.01
BUSY: Final = 2.5  # this test alone makes a load of one


@dataclass
class Stalls:
    """Notes for how long the machine did not let a thread run that was due."""

    longest_s: float = 0.0

    @contextmanager
    def noted(self) -> Iterator[None]:
        is_over = threading.Event()
        thread = threading.Thread(target=self._note, args=(is_over,))
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _note(self, is_over: threading.Event) -> None:
        due_at = time.monotonic() + TICK_S
        while not is_over.wait(TICK_S):
            self.longest_s = max(self.longest_s, time.monotonic() - due_at)
            due_at = time.monotonic() + TICK_S


@dataclass(frozen=True)
class Crowd:
    """What came of forty questions asked at once."""

    replies: list[Message]
    calls: list[JSONDict]  # of the cloud's API, oldest first
    model_ended_at: dict[str, float]  # by user
    stalled_s: float  # the machine, at most
    load: float  # processes that wanted to run, for each core

    @property
    def edits(self) -> list[JSONDict]:
        return [call for call in self.calls if call["command"] == "EditC2cMsgBody"]


@pytest.fixture(scope="module")
def crowd(template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    stalls = Stalls()
    with installed("pace", template, sandbox, tmp_path_factory.mktemp("pace"), ZegoApp) as parley:
        parley.app.change(rate_per_s=RATE)
        parley.configure_and_serve("ada", workers=WORKERS)
        with stalls.noted():
            replies = ask_all(parley)
        ended_at = [asked(sandbox, question(number))[-1]["ended_at"] for number in range(REPLIES)]
        yield Crowd(
            replies=replies,
            calls=sandbox.calls(app=parley.app.id),
            model_ended_at={reply.recipient: at for reply, at in zip(replies, ended_at, strict=True)},
            stalled_s=stalls.longest_s,
            load=os.getloadavg()[0] / (os.cpu_count() or 1),
        )


def ask_all(parley: Parley) -> list[Message]:
    """Forty answers that grow at the same time and end at the same moment."""
    pace = {"chunk_chars": 20, "chunk_delay_s": 0.1, "ends_at": time.time() + TALKING_S}
    parley.sandbox.model.script(TEXT, match="Question", times=0, **pace)
    users = [parley.user() for _ in range(REPLIES)]
    for number, user in enumerate(users):
        user.write(question(number))
    return [user.wait_for_reply(within_s=TALKING_S + 30) for user in users]


def question(number: int) -> str:
    return f"Question {number}."


def is_last(edit: JSONDict) -> bool:
    return bool(edit["body"]["MessageBody"]["Message"] == TEXT)


@pytest.fixture
def steady_machine(crowd: Crowd) -> None:
    """Time is not the product's to keep where the machine itself stands still, or is busy otherwise."""
    if crowd.stalled_s > SLACK_S or crowd.load > BUSY:
        pytest.skip(
            f"the machine stalled for {crowd.stalled_s:.2f} s, with a load of {crowd.load:.1f} a core"
        )


def test_every_user_reads_the_whole_answer_in_one_message(crowd: Crowd) -> None:
    assert [(reply.text, reply.is_finished) for reply in crowd.replies] == [(TEXT, True)] * REPLIES


@pytest.mark.usefixtures("steady_machine")
def test_no_call_is_one_too_many(crowd: Crowd) -> None:
    assert Counter(call["answer"]["Message"] for call in crowd.calls) == {"success": len(crowd.calls)}


@pytest.mark.usefixtures("steady_machine")
def test_last_frames_are_there_within_three_seconds(crowd: Crowd) -> None:
    late_s = [reply.frames[-1].at - crowd.model_ended_at[reply.recipient] for reply in crowd.replies]

    assert max(late_s) < LAST_FRAME_WITHIN_S


def test_other_frames_become_fewer_and_do_not_queue(crowd: Crowd) -> None:
    """Each reply would like one a second; the cloud allows half of that, so they take turns."""
    growing = [edit for edit in crowd.edits if not is_last(edit)]
    shown = Counter(edit["body"]["ConvId"] for edit in growing)
    late_s = [edit["at"] - crowd.model_ended_at[edit["body"]["ConvId"]] for edit in growing]

    assert len(shown) == REPLIES
    assert max(shown.values()) < TALKING_S
    assert max(late_s) < ON_ITS_WAY_S * slowness()

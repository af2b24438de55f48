"""Processes die, at any moment, and are ended: nothing is lost, nothing is said twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import psutil

from sandbox.driver import Message, Sandbox
from tests.support.parley import Parley, User, asked, robot, words
from tests.support.processes import eventually

ANSWER = words(30)
LONG_ANSWER = words(2500)

CUT_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid != pg_backend_pid()
"""


# Whether the whole answer to a user is stored, and not yet delivered.
KEPT = """
SELECT turn.state = 'speaking' AND turn.reply <> '' FROM conversations_turn AS turn
  JOIN conversations_conversation AS conversation ON conversation.id = turn.conversation_id
 WHERE conversation.peer_id = %s
"""


class Scene:
    """Users whose turns are each brought to another moment, where they stay until the worker is killed."""

    def __init__(self, parley: Parley) -> None:
        self.parley = parley
        self.sandbox = parley.sandbox
        self.users: dict[str, User] = {}  # by moment
        self.answers: dict[str, str] = {}  # by moment, what the user is to read in the end

    def play(self, *moments: Callable[[], None], hanging: str = "") -> None:
        """Bring these about at once; calls of one command take effect, but their answers hang."""
        api = {"commands": [hanging], "fail_after": 1.0, "how": ["timeout"], "timeout_s": 30}
        self.sandbox.faults(api=api if hanging else {})
        with ThreadPoolExecutor(len(moments)) as threads:
            for played in [threads.submit(moment) for moment in moments]:
                played.result()
        self.sandbox.faults()

    def begin(self, moment: str, *, robot: str = "ada", answer: str = ANSWER, **first_try: Any) -> User:
        """Ask; the model answers as `first_try` says, and completely when it is asked again."""
        self.answers[moment] = answer
        if first_try:
            self.sandbox.model.script(match=moment, **({"text": answer} | first_try))
        self.sandbox.model.script(answer, match=moment, times=0)
        self.users[moment] = self.parley.user(robot)
        self.users[moment].write(moment)
        return self.users[moment]

    def before_it_is_taken(self) -> None:
        self.parley.until_acknowledged(self.begin("before it is taken"))

    def in_the_merge_window(self) -> None:
        self.parley.until_acknowledged(self.begin("in the merge window", robot="patient"))

    def during_the_send(self) -> None:
        self.begin("during the send").wait_until_shown()

    def during_the_send_of_a_whole_answer(self) -> None:
        self.begin("during the one send", robot="whole").wait_until_shown(ANSWER)

    def before_the_first_token(self) -> None:
        user = self.begin("before the first token", first_token_s=60)
        user.wait_until_shown()
        eventually(lambda: asked(self.sandbox, "before the first token"))

    def after_the_first_frame(self) -> None:
        user = self.begin("after the first frame", chunk_chars=5, stall_after=1)
        user.wait_until_shown(ANSWER[:5])

    def after_another_first_frame(self) -> None:
        """The model says something else when it is asked again."""
        user = self.begin("after another first frame", text="Once upon a time", stall_after=1)
        user.wait_until_shown("Once upon")

    def after_several_frames(self) -> None:
        user = self.begin("after several frames", chunk_chars=20, chunk_delay_s=1.2, stall_after=4)
        user.wait_until_shown(ANSWER[:80])

    def in_the_second_message_of_a_long_answer(self) -> None:
        user = self.begin(
            "in the second message", answer=LONG_ANSWER, chunk_chars=7000, chunk_delay_s=0.5, stall_after=2
        )
        user.wait_until(lambda said: len(said) == 2 and said[1].text != "")

    def during_an_edit(self) -> None:
        user = self.begin("during an edit", chunk_chars=5, stall_after=1)
        user.wait_until_shown(ANSWER[:5])

    def between_the_models_end_and_the_last_edit(self) -> None:
        user = self.begin("after the model's end", chunk_chars=100, chunk_delay_s=0.3)
        user.wait_until_shown(ANSWER[:100])
        self.wait_for_end_of_model("after the model's end")

    def while_the_last_edit_waits(self) -> None:
        """The cloud takes one edit a second, and the first has just been made."""
        user = self.begin("while the last edit waits", chunk_chars=150, chunk_delay_s=0.2)
        eventually(lambda: self.parley.installation.query(KEPT, user.id) == [(True,)])

    def wait_for_end_of_model(self, moment: str) -> None:
        eventually(lambda: [each["outcome"] for each in asked(self.sandbox, moment)] == ["finished"])

    def during_the_last_edit(self) -> None:
        user = self.begin("during the last edit", first_token_s=0.1, chunk_chars=1000)
        user.wait_until(lambda said: bool(said) and said[-1].is_finished)

    def after_the_answer(self) -> None:
        self.begin("after the answer").wait_for_reply()


def test_a_worker_killed_at_any_moment_of_a_turn_loses_nothing_and_answers_once(
    own_parley: Parley, sandbox: Sandbox
) -> None:
    parley, scene = own_parley, Scene(own_parley)
    parley.configure(
        robot("ada"),
        robot("whole", reply={"mode": "whole"}),
        robot("patient", reply={"merge_window_ms": 3000}),
    )
    parley.serve()
    parley.until_registered("ada", "whole", "patient")
    [worker] = parley.workers()

    scene.play(
        scene.before_the_first_token,
        scene.after_the_first_frame,
        scene.after_another_first_frame,
        scene.after_several_frames,
        scene.in_the_second_message_of_a_long_answer,
        scene.after_the_answer,
    )
    scene.play(scene.during_the_send, scene.during_the_send_of_a_whole_answer, hanging="openim/sendmsg")
    scene.play(
        scene.during_an_edit,
        scene.between_the_models_end_and_the_last_edit,
        scene.during_the_last_edit,
        hanging="openim/modify_c2c_msg",
    )
    scene.play(scene.in_the_merge_window, scene.while_the_last_edit_waits)
    os.kill(worker, signal.SIGSTOP)
    scene.play(scene.before_it_is_taken)
    os.kill(worker, signal.SIGKILL)

    for moment, user in scene.users.items():
        user.wait_until(partial(ends_with, scene.answers[moment]))
    parley.until_settled()
    replies = {moment: user.replies() for moment, user in scene.users.items()}
    assert {
        moment: "".join(reply.text for reply in said) for moment, said in replies.items()
    } == scene.answers
    assert all(reply.is_finished for said in replies.values() for reply in said)
    assert len(asked(sandbox, "while the last edit waits")) == 1  # the whole answer was kept


def ends_with(answer: str, said: list[Message]) -> bool:
    """Whether the last message is finished and the end of the answer."""
    last = said[-1] if said else None
    return last is not None and last.is_finished and bool(last.text) and answer.endswith(last.text)


def test_a_conversation_goes_on_where_the_killed_worker_left_it(own_parley: Parley, sandbox: Sandbox) -> None:
    """What was written meanwhile waits its turn, and the answers come in order."""
    parley = own_parley
    parley.configure_and_serve("ada", workers=2)
    sandbox.model.script(ANSWER, match="First", first_token_s=60)
    sandbox.model.script(ANSWER, match="First", times=0)
    user = parley.user()
    user.write("First")
    eventually(lambda: asked(sandbox, "First"))
    user.write("Second")

    for worker in parley.workers():
        os.kill(worker, signal.SIGKILL)

    first, second = parley.app.wait_for_reply(user.id, user.robot, count=2)
    assert (first.text, second.text) == (ANSWER, "() You said: Second")
    parley.until_settled()
    assert user.replies() == [first, second]


def test_a_paused_worker_that_comes_back_does_not_speak_again(own_parley: Parley, sandbox: Sandbox) -> None:
    """A worker that seemed dead, as after a long pause of its machine, finds its turn in other hands."""
    parley = own_parley
    parley.configure_and_serve("ada", workers=2)
    sandbox.model.script(ANSWER, match="Long", chunk_delay_s=0.4)
    sandbox.model.script(ANSWER, match="Long", times=0)
    user = parley.user()
    user.write("Long")
    user.wait_until_shown("word1")
    speaking = next(pid for pid in parley.workers() if is_connected(pid, sandbox.model.base_url))

    os.kill(speaking, signal.SIGSTOP)
    reply = user.wait_for_reply()
    os.kill(speaking, signal.SIGCONT)

    eventually(lambda: asked(sandbox, "Long")[0]["outcome"] != "running")
    parley.until_settled()
    assert user.replies() == [reply]
    assert reply.text == ANSWER


def is_connected(pid: int, url: str) -> bool:
    connections = psutil.Process(pid).net_connections("tcp")
    established = [each for each in connections if each.status == psutil.CONN_ESTABLISHED]
    return httpx.URL(url).port in {each.raddr.port for each in established}


def test_a_drain_finishes_short_replies_and_leaves_long_ones_to_the_next_start(
    own_parley: Parley, sandbox: Sandbox
) -> None:
    parley = own_parley
    parley.configure_and_serve("ada", DRAIN_S="5")
    sandbox.model.script(ANSWER, match="Short", chunk_chars=40, chunk_delay_s=0.4)
    sandbox.model.script(ANSWER, match="Long", chunk_chars=5, stall_after=1)
    sandbox.model.script(ANSWER, match="Long", times=0)
    short, long = parley.user(), parley.user()
    long.write("Long")
    long.wait_until_shown("word1"[:5])
    short.write("Short")
    short.wait_until_shown("word1")

    exit_code = parley.stop()

    assert exit_code == 0
    [finished], [begun] = short.replies(), long.replies()
    assert (finished.text, finished.is_finished) == (ANSWER, True)
    assert (begun.text, begun.is_finished) == (ANSWER[:5], False)
    parley.serve()
    reply = long.wait_for_reply()
    parley.until_settled()
    assert (reply.key, reply.text) == (begun.key, ANSWER)
    assert (len(short.replies()), len(long.replies())) == (1, 1)


def test_what_was_acknowledged_before_everything_was_killed_is_answered_after_the_next_start(
    own_parley: Parley,
) -> None:
    parley = own_parley
    parley.configure_and_serve("ada")
    [worker] = parley.workers()
    os.kill(worker, signal.SIGSTOP)
    users = [parley.user() for _ in range(5)]
    for user in users:
        user.write("Anyone?")
    eventually(lambda: [each["status"] for each in parley.callbacks()].count(200) == len(users))

    parley.installation.end()
    parley.serve()

    assert [user.wait_for_reply().text for user in users] == ["() You said: Anyone?"] * len(users)


def test_an_answer_survives_the_loss_of_all_database_connections(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(ANSWER, match="Cut", times=0, chunk_delay_s=0.2)
    user = parley.user()
    user.write("Cut")
    user.wait_until_shown("word1")

    parley.installation.query(CUT_ALL)

    assert user.ask("And now?").text.endswith("And now?")
    parley.until_settled()
    assert [reply.text for reply in user.replies()] == [ANSWER, "(You are Ada.) You said: And now?"]

"""Two web servers and three workers on one database, killed at random or replaced one by one while users
write: every question gets one answer, and no more.

It takes some seconds; KILLING_S=300 has it go on for five minutes, and `-rP` shows the figures.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import httpx
import psutil
import pytest

from sandbox.driver import Sandbox
from tests.acceptance.conftest import installed
from tests.support.gate import Gate
from tests.support.parley import ENVIRONMENT, Parley, User, robot, words
from tests.support.processes import Process

SECONDS: Final = float(os.environ.get("KILLING_S", "10"))
PAUSE_S: Final = 0.7  # between two kills
USERS: Final = 12
PATIENCE_S: Final = 90.0  # for one answer, on a busy machine
SERVERS: Final = ("server 1", "server 2")
WORKERS: Final = ("worker 1", "worker 2", "worker 3")

TURNS: Final = "SELECT state, count(*) FROM conversations_turn GROUP BY state"
TAKEN_OVER: Final = "SELECT count(*) FROM conversations_turn WHERE attempt > 1"


@dataclass
class Fleet:
    """The processes that serve one Parley; one that ends is followed by another."""

    parley: Parley
    gate: Gate
    running: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)

    def start(self, name: str) -> None:
        arguments = ["serve", "--port=0", "--workers=0"] if name in SERVERS else ["work"]
        self.running[name] = self.parley.installation.start(*arguments, **ENVIRONMENT)

    def open(self, server: str) -> None:
        """Let callers in."""
        self.ports[server] = httpx.URL(self.running[server].address()).port or 0
        self.gate.ports = list(self.ports.values())

    def kill(self, name: str) -> None:
        """As the kernel does that has no memory left: in the middle of anything."""
        process = self.running[name]
        if name in SERVERS and random.random() < 0.5:
            with suppress(IndexError, psutil.NoSuchProcess, ProcessLookupError):
                os.kill(process.children("web")[0], signal.SIGKILL)
                self.kills["web process"] += 1
            return
        process.popen.kill()
        process.wait()
        self.kills["server" if name in SERVERS else "worker"] += 1
        self.start(name)
        if name in SERVERS:
            self.open(name)

    def replace(self) -> None:
        """As an upgrade does: the new ones begin beside the old ones, which are then told to end."""
        old = list(self.running.values())
        for name in self.running:
            self.start(name)
        for name in SERVERS:
            self.running[name].until_ready()
            self.open(name)
        for process in old:
            process.signal(signal.SIGTERM)
        assert [process.wait() for process in old] == [0] * len(old)


@dataclass
class Load:
    """Users who ask, wait for the answer, and ask again."""

    users: list[User]
    seconds: list[float] = field(default_factory=list)  # that answers took
    asked: dict[str, list[str]] = field(default_factory=dict)  # by the user's id
    _enough: threading.Event = field(default_factory=threading.Event)

    def ask_on(self, user: User) -> None:
        texts = self.asked.setdefault(user.id, [])
        while not self._enough.is_set():
            texts.append(f"{len(texts)}: {words(12)}")
            asked_at = time.monotonic()
            user.wait_for_reply(after=user.write(texts[-1]), within_s=PATIENCE_S)
            self.seconds.append(time.monotonic() - asked_at)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Ends when all that was asked is answered."""
        with ThreadPoolExecutor(len(self.users)) as threads:
            asking = [threads.submit(self.ask_on, user) for user in self.users]
            try:
                yield
            finally:
                self._enough.set()
            for each in asking:
                each.result()

    def figures(self) -> str:
        usual, longest = statistics.median(self.seconds), max(self.seconds)
        return f"{len(self.seconds)} answers, {usual:.1f} s each, {longest:.1f} s at most"


@pytest.fixture(scope="module")
def fleet(template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with installed("fleet", template, sandbox, tmp_path_factory.mktemp("fleet")) as parley, Gate() as gate:
        parley.configure(robot("ada"))
        fleet = Fleet(parley, gate)
        for name in (*SERVERS, *WORKERS):
            fleet.start(name)
        for name in SERVERS:
            fleet.running[name].until_ready()
            fleet.open(name)
        parley.server = fleet.running[SERVERS[0]]
        parley.app.change(
            callback_url=f"http://127.0.0.1:{gate.port}/callbacks/acme/",
            callback_retries=30,
            callback_retry_interval_s=0.5,
        )
        parley.until_registered("ada")
        yield fleet


@pytest.fixture
def load(fleet: Fleet, sandbox: Sandbox) -> Load:
    sandbox.model.default(chunk_chars=10, chunk_delay_s=0.1)  # a second for an answer
    return Load([fleet.parley.user() for _ in range(USERS)])


def check(fleet: Fleet, load: Load, turns_before: int) -> None:
    """Nothing was lost, nothing said twice, and nothing is left over."""
    fleet.parley.until_settled()
    for user in load.users:
        said = user.replies()
        assert [reply.text for reply in said] == [f"() You said: {text}" for text in load.asked[user.id]]
        assert all(reply.is_finished and not reply.is_recalled for reply in said)
    turns = fleet.parley.installation.query(TURNS)
    assert turns == [("done", turns_before + len(load.seconds))]


@pytest.mark.timeout(SECONDS + 3 * PATIENCE_S)
def test_whatever_is_killed_each_question_is_answered_once(fleet: Fleet, load: Load) -> None:
    ends_at = time.monotonic() + SECONDS
    with load.going_on():
        while time.monotonic() < ends_at:
            # In any order, but all of them within some seconds.
            for name in random.sample([*SERVERS, *WORKERS], 5):
                fleet.kill(name)
                time.sleep(PAUSE_S)

    check(fleet, load, turns_before=0)
    [(taken_over,)] = fleet.parley.installation.query(TAKEN_OVER)
    killed = ", ".join(f"{count} × {kind}" for kind, count in sorted(fleet.kills.items()))
    print(f"{load.figures()}; killed: {killed}; {taken_over} answers were gone on with by another worker")


@pytest.mark.timeout(4 * PATIENCE_S)
def test_an_upgrade_loses_nothing(fleet: Fleet, load: Load) -> None:
    """New processes work beside the old ones, until those have ended what they had in hand."""
    turns_before = fleet.parley.count("conversations_turn")
    with load.going_on():
        fleet.replace()

    check(fleet, load, turns_before)
    print(load.figures())

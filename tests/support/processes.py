"""Parley as it runs in production: real processes, each test's with a database of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psutil
import psycopg
import requests
from django.conf import settings
from django.db import connection
from procrastinate import App, SyncPsycopgConnector

PATIENCE_S: Final = 30.0  # on a busy machine
COMMAND_S: Final = 100.0  # for a command, which may have all migrations to apply; less than a test may take
# Named so that a later run drops what a killed one left (`tests/conftest.py`).
DATABASES: Final = f"test_parley_{os.getpid()}"


def eventually[T](look: Callable[[], T | None], *, within_s: float = PATIENCE_S) -> T:
    """What `look` sees once that is true."""
    give_up_at = time.monotonic() + within_s
    while True:
        if seen := look():
            return seen
        assert time.monotonic() < give_up_at, f"still {seen!r} after {within_s:g} s"
        time.sleep(0.03)


def slowness() -> float:
    """How many programs want each core of this machine, at least one: so many times longer may all take."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass
class Process:
    """A running `manage.py` command."""

    popen: subprocess.Popen[str]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text()

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, within_s: float = PATIENCE_S) -> int:
        """Its exit code."""
        return self.popen.wait(within_s)

    def children(self, command: str = "") -> list[int]:
        """Its living children's ids; of those only that run the given command."""
        found = psutil.Process(self.popen.pid).children()
        return [child.pid for child in found if not command or command in child.cmdline()]

    def address(self) -> str:
        """Where `serve` listens, once the embedded database has all migrations."""
        return eventually(lambda: re.search(r"http://\S+", self.output), within_s=COMMAND_S).group()

    def readiness(self) -> tuple[int, dict[str, Any]]:
        """Status and body of /readyz; (0, {}) while nothing answers."""
        try:
            answer = requests.get(f"{self.address()}readyz", timeout=PATIENCE_S)
        except requests.ConnectionError:
            return 0, {}
        return answer.status_code, answer.json()

    def until_ready(self) -> Process:
        eventually(lambda: self.popen.poll() is not None or self.readiness()[0] == 200)
        assert self.popen.poll() is None, self.output
        return self


@dataclass
class Installation:
    """One installation of Parley: its database, its folder, and the processes started in it."""

    folder: Path
    database_url: str = ""  # "": the embedded one in the folder
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.marks = self.folder / "marks"
        self.marks.mkdir(parents=True)
        self._onlooker: psycopg.Connection[Any] | None = None

    def start(self, *arguments: str, **environment: str) -> Process:
        log = self.folder / f"{len(self.processes)}.log"
        with log.open("w") as output:
            popen = subprocess.Popen(
                [sys.executable, settings.BASE_DIR / "manage.py", *arguments],
                env=os.environ | self._environment() | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.processes.append(Process(popen, log))
        return self.processes[-1]

    def serve(self, *arguments: str, **environment: str) -> Process:
        return self.start("serve", "--port=0", *arguments, **environment)

    def run(self, *arguments: str, **environment: str) -> str:
        """Run a command to its end; what it printed.  The checks are left to `serve`: they take time."""
        process = self.start(*arguments, "--skip-checks", **environment)
        assert process.wait(COMMAND_S) == 0, process.output
        return process.output

    def _environment(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": self.database_url,
            "VAR_DIR": str(self.folder / "var"),
            "TEST_MARKS": str(self.marks),
            "DRAIN_S": "30",
            "WORKER_CONCURRENCY": "8",
        }

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.database_url, autocommit=True)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Over one connection: tests look again and again, and each connection costs a process."""
        if self._onlooker is None or self._onlooker.broken:
            self._onlooker = self.connect()
        return self._onlooker.execute(sql, values).fetchall()

    def defer(self, task: str, name: str, *, times: int = 1, **options: Any) -> None:
        """Queue jobs of a task of `tests.support.jobs`."""
        with App(connector=SyncPsycopgConnector(conninfo=self.database_url)).open() as app:
            job = app.configure_task(f"tests.support.jobs.{task}", **options)
            for _ in range(times):
                job.defer(name=name)

    def jobs(self) -> list[tuple[str, str]]:
        """Name and status of the jobs of `tests.support.jobs`; periodic ones come when a minute is full."""
        return self.query(
            "SELECT args ->> 'name', status::text FROM procrastinate_jobs WHERE args ? 'name' ORDER BY id"
        )

    def marked(self, name: str) -> list[int]:
        """The processes that left a mark of that name, in order."""
        mark = self.marks / name
        return [int(line) for line in mark.read_text().split()] if mark.exists() else []

    def release(self, name: str) -> None:
        (self.marks / f"{name}.release").touch()

    def end(self) -> None:
        """Kill what is still there: the children too, which end with their parents otherwise."""
        if self._onlooker is not None:
            self._onlooker.close()
            self._onlooker = None
        for process in self.processes:
            if process.popen.poll() is None:
                children = psutil.Process(process.popen.pid).children(recursive=True)
                process.popen.kill()
                process.popen.wait()
                for child in children:
                    child.kill()


def database_name(purpose: str) -> str:
    return re.sub(r"\W+", "_", f"{DATABASES}_{purpose}")[:63]  # PostgreSQL's limit


def database_url(name: str) -> str:
    """The address of a database of that name, in the server of this test session."""
    place = connection.settings_dict
    user = quote(place["USER"], safe="")
    password = f":{quote(place['PASSWORD'], safe='')}" if place["PASSWORD"] else ""
    host, port = quote(place["HOST"], safe=""), place["PORT"] or "5432"
    return f"postgresql://{user}{password}@/{name}?host={host}&port={port}"


def administer(sql: str) -> None:
    connection.get_connection_params()  # starts the embedded server if need be
    with psycopg.connect(database_url("postgres"), autocommit=True) as server:
        server.execute(sql)


@contextmanager
def new_database(purpose: str, *, template: str | None = None) -> Iterator[str]:
    """The address of a fresh database, or a copy of the template made for that purpose; gone afterwards."""
    name = database_name(purpose)
    template = database_name(template) if template else "template1"
    administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield database_url(name)
    finally:
        administer(f'DROP DATABASE "{name}" WITH (FORCE)')

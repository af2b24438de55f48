"""Jobs for tests of the worker.  What they do shows in files, in the folder that TEST_MARKS names."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

from django.db import connection, transaction
from procrastinate.contrib.django import app

from bots.database import release_connection
from bots.draining import stop_if_told
from bots.retries import RetryByError

CROWD: Final = 50

crowd: Final = threading.Barrier(CROWD, timeout=30)


def folder() -> Path:
    return Path(os.environ["TEST_MARKS"])


def mark(name: str) -> None:
    with (folder() / name).open("a") as file:
        file.write(f"{os.getpid()}\n")


@app.task
def note(name: str) -> None:
    mark(name)


@app.task(retry=RetryByError())
def hold(name: str) -> None:
    """Runs until the file `<name>.release` appears."""
    mark(f"{name}.started")
    while not (folder() / f"{name}.release").exists():
        stop_if_told()
        time.sleep(0.02)
    mark(f"{name}.done")


@app.task
def ignore_the_end(name: str) -> None:
    mark(f"{name}.started")
    threading.Event().wait(60)


@app.task
def meet(name: str) -> None:
    """Ends only if CROWD of it run at once, each with a database connection when it needs one."""
    connection.ensure_connection()
    release_connection()
    crowd.wait()
    connection.ensure_connection()
    mark(name)


@app.task
def defer_and_fail(name: str) -> None:
    with transaction.atomic():
        note.defer(name=name)
        raise ValueError("after all, no")


@app.task(retry=RetryByError())
def hold_then_fail_once(name: str) -> None:
    mark(f"{name}.started")
    if len((folder() / f"{name}.started").read_text().split()) == 1:
        while not (folder() / f"{name}.release").exists():
            time.sleep(0.02)
        raise ValueError("the first time")

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from config import supervisor
from config.supervisor import Program, Supervisor
from tests.support.processes import eventually


def python(code: str) -> Program:
    return Program(name="child", command=[sys.executable, "-c", code])


async def run_until(keeper: Supervisor, file: Path, lines: int) -> None:
    """Run the supervisor until the children have written so many lines."""
    running = asyncio.create_task(keeper.run())
    await asyncio.to_thread(eventually, lambda: file.exists() and len(file.read_text().splitlines()) >= lines)
    os.kill(os.getpid(), signal.SIGTERM)
    await running


def test_a_child_that_ends_is_started_again_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "HEALTHY_S", 0)
    file = tmp_path / "starts"
    child = python(f"open({str(file)!r}, 'a').write('started\\n'); raise SystemExit(3)")

    with capture_logs() as logs:
        asyncio.run(run_until(Supervisor([child], grace_s=10), file, lines=3))

    ends = [(log["child"], log["exit_code"]) for log in logs if log["event"] == "ended"]
    assert ends[:2] == [("child", 3), ("child", 3)]


def test_a_child_that_dies_at_once_is_started_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def run() -> None:
        keeper = Supervisor([], grace_s=10)

        async def die(program: Program) -> float:
            return 0.1

        async def wait_for(stopping: Coroutine[Any, Any, Any], wait_s: float) -> None:
            stopping.close()
            waits.append(wait_s)
            if len(waits) == 9:
                keeper._stopping.set()
            raise TimeoutError

        monkeypatch.setattr(keeper, "_run", die)
        monkeypatch.setattr(asyncio, "wait_for", wait_for)
        await keeper._keep(python(""))

    asyncio.run(run())

    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_child_that_ignores_the_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    file = tmp_path / "starts"
    child = python(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f" open({str(file)!r}, 'a').write('started\\n'); time.sleep(60)"
    )

    with capture_logs() as logs:
        asyncio.run(run_until(Supervisor([child], grace_s=0.1), file, lines=1))

    assert [log["exit_code"] for log in logs if log["event"] == "ended"] == [-signal.SIGKILL]

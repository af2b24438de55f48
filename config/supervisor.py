"""One process that keeps others running, and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

log = structlog.get_logger(__name__)

# A child that lived this long is started again at once.  One that dies sooner waits, twice as long each
# time, so that a lasting fault is told every half minute rather than hundreds of times a second.
HEALTHY_S: Final = 10.0
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a child runs.  It calls `end_with_parent`, and ends in its own time on SIGTERM."""

    name: str
    command: Sequence[str]
    files: tuple[int, ...] = ()  # descriptors that it inherits


class Supervisor:
    """Keeps programs running until SIGTERM or SIGINT; another signal ends them at once."""

    def __init__(
        self, programs: Sequence[Program], *, grace_s: float, on_stop: Callable[[], None] = lambda: None
    ) -> None:
        self.programs = programs
        self.grace_s = grace_s  # from the signal until a child that is still there is killed
        self.on_stop = on_stop
        self._stopping = asyncio.Event()
        self._running: dict[str, Process] = {}

    async def run(self) -> None:
        """Returns when all children have ended."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        await asyncio.gather(*(self._keep(program) for program in self.programs))

    def stop(self) -> None:
        if self._stopping.is_set():
            self._kill()
            return
        log.info("stopping")
        self._stopping.set()
        self.on_stop()
        for process in self._running.values():
            process.terminate()
        asyncio.get_running_loop().call_later(self.grace_s, self._kill)

    def _kill(self) -> None:
        for name, process in self._running.items():
            log.warning("killing", child=name, pid=process.pid)
            # A child leads a group of its own, which takes its children with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    async def _keep(self, program: Program) -> None:
        wait_s = 0.0
        while not self._stopping.is_set():
            lived_s = await self._run(program)
            wait_s = 0.0 if lived_s >= HEALTHY_S else min(max(FIRST_WAIT_S, 2 * wait_s), LONGEST_WAIT_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _run(self, program: Program) -> float:
        """Run the program once; the seconds that it lived."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        process = await asyncio.create_subprocess_exec(
            *program.command,
            stdin=PIPE,  # see `end_with_parent`
            pass_fds=program.files,
            start_new_session=True,  # Ctrl-C in the terminal is for us alone
        )
        log.info("started", child=program.name, pid=process.pid)
        if self._stopping.is_set():  # while it was being started
            process.terminate()
        self._running[program.name] = process
        code = await process.wait()
        del self._running[program.name]
        lived_s = loop.time() - started_at
        level = log.info if self._stopping.is_set() else log.error
        level("ended", child=program.name, pid=process.pid, exit_code=code, lived_s=round(lived_s, 1))
        return lived_s


def end_with_parent() -> None:
    """In a child: treat the parent's death, however it died, as a SIGTERM.

    Our standard input is a pipe that nothing is ever written to; it ends when the parent does.
    """
    threading.Thread(target=_await_end_of_input, name="end with parent", daemon=True).start()


def _await_end_of_input() -> None:
    # Not sys.stdin: its lock, held here for ever, would be fatal to the interpreter at exit.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

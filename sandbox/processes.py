"""Child processes that end with us, whatever ends us."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POLL_S = 0.05
LOG_LINES_SHOWN = 15
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None)  # loaded here: a forked child must not load libraries


class ProcessFailed(Exception):
    """A child process ended, or did not get ready in time; the text has its last words."""


class Process:
    """A child in a process group of its own, so that it stops with all its own children.

    What it prints goes to the log file, which is begun anew.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child.poll() is None

    def wait_for_url(self, timeout_s: float) -> str:
        """The address in the line "… at http://…" that it prints when ready.  Raises ProcessFailed."""
        ends_at = time.monotonic() + timeout_s
        while time.monotonic() < ends_at:
            if found := re.search(r" at (http://\S+)\n", self._read_log()):
                return found[1]
            self.check()
            time.sleep(POLL_S)
        raise ProcessFailed(f"{self.name} was not ready within {timeout_s:.0f} s.{self.last_words()}")

    def wait_for_end(self) -> str:
        """What it printed.  Raises ProcessFailed unless it ended well."""
        if self._child.wait() != 0:
            raise ProcessFailed(f"{self.name} ended with code {self._child.returncode}.{self.last_words()}")
        return self._read_log()

    def check(self) -> None:
        """Raises ProcessFailed if it has ended."""
        if not self.is_running:
            raise ProcessFailed(f"{self.name} ended with code {self._child.returncode}.{self.last_words()}")

    def last_words(self) -> str:
        lines = self._read_log().splitlines()[-LOG_LINES_SHOWN:]
        return "".join(f"\n  | {line}" for line in [*lines, f"(all of it: {self.log})"])

    def _read_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ask_to_stop(self) -> None:
        if self.is_running:
            self._child.terminate()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Ask it to stop, wait, then end what is left of its group."""
        self.ask_to_stop()
        try:
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()


def _end_with_parent() -> None:
    """On Linux: be asked to stop when the parent is gone, even if it was killed."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

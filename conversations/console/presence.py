"""Who looks at which conversation, through whichever process their console goes.

Each process tells of its own consoles when that changes and every `BEAT_S`.  One that was killed cannot say
so: it is forgotten when it has been silent for `FORGET_S`.
"""

from __future__ import annotations

from typing import Final
from uuid import uuid4

PROCESS: Final = uuid4().hex  # this one
BEAT_S: Final = 5.0
FORGET_S: Final = 12.0


class Presence:
    """What was heard.  Times are seconds of some clock."""

    def __init__(self) -> None:
        self._heard: dict[int, dict[str, tuple[list[str], float]]] = {}  # by conversation and process

    def names(self, conversation_id: int) -> list[str]:
        told = self._heard.get(conversation_id, {}).values()
        return sorted({name for names, _ in told for name in names})

    def note(self, conversation_id: int, process: str, names: list[str], now: float) -> bool:
        """Keep a process's word; → whether others look now than before."""
        before = self.names(conversation_id)
        self._heard.setdefault(conversation_id, {})[process] = names, now
        if not names:
            self._drop(conversation_id, process)
        return self.names(conversation_id) != before

    def forget_silent(self, now: float) -> set[int]:
        """Forget whom no process has told of lately; → at which conversations they looked."""
        silent = [
            (conversation_id, process)
            for conversation_id, told in self._heard.items()
            for process, (_, at) in told.items()
            if now - at > FORGET_S
        ]
        for conversation_id, process in silent:
            self._drop(conversation_id, process)
        return {conversation_id for conversation_id, _ in silent}

    def _drop(self, conversation_id: int, process: str) -> None:
        """Nothing is left of it: a process without consoles hears of the others' all the time."""
        told = self._heard[conversation_id]
        del told[process]
        if not told:
            del self._heard[conversation_id]

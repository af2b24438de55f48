"""Where an account's vendor has refused to edit messages lately: there answers come whole for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bots.events import Address
from bots.vendors.memory import Memory

BREAK_S: Final = 3600.0  # until edits are tried again: plans change rarely
CACHE_S: Final = 1.0  # what another worker has found out is known within this; each reply asks
EVERYWHERE: Final = "*"
KEPT: Final = "edits_again_at"  # its key in the account's memory


class EditingBreaks:
    """Kept in the account's memory, as each worker finding out for itself would cost users one broken answer
    for each of them.  Threads share it."""

    def __init__(self, memory: Callable[[], Memory], now: Callable[[], float], *, kept: str = KEPT) -> None:
        self._memory = memory
        self._now = now
        self._kept = kept
        self._known: tuple[float, dict[str, float]] = 0.0, {}  # since when; replaced as one

    def covers(self, conversation: Address) -> bool:
        """Whether nothing may be edited there now."""
        breaks = self._read()
        return any(place in breaks for place in (EVERYWHERE, _name(conversation)))

    @property
    def any_open(self) -> bool:
        """Whether there is a break anywhere now."""
        return bool(self._read())

    def begin(self, place: Address | None, *, note: str) -> None:
        """There, or everywhere; then a person should know, so the note is shown with the account."""
        ends_at = self._now() + BREAK_S
        with self._memory().changing() as kept:
            breaks = {**self._open(kept.get(self._kept, {})), _name(place): ends_at}
            kept[self._kept] = breaks
            if place is None:
                kept |= {"note": note, "note_until": ends_at}
        self._known = self._now(), breaks

    def _read(self) -> dict[str, float]:
        read_at, breaks = self._known
        if self._now() - read_at >= CACHE_S:
            read_at, breaks = self._known = self._now(), self._memory().read().get(self._kept, {})
        return self._open(breaks)

    def _open(self, breaks: dict[str, float]) -> dict[str, float]:
        now = self._now()
        return {place: ends_at for place, ends_at in breaks.items() if now < ends_at}


def _name(place: Address | None) -> str:
    return f"{place.kind}:{place.id}" if place else EVERYWHERE

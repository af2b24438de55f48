"""The line of a call: what a model writes goes to the voice service at once, and is spoken there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from django.utils import timezone

from conversations.errors import Superseded

LOOK_S: Final = 2.0  # how often a reply under way looks whether it was called off and word of that was missed


class Line:
    """Where the reply of a spoken turn goes.  What was said cannot be taken back."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self.began_at: datetime | None = None
        self.may_speak: Callable[[], bool] = lambda: True  # asks the database
        self._emit = emit
        self._said = ""
        self._lock = threading.Lock()
        self._hang_up: Callable[[], None] | None = None
        self._is_cut = False
        self._looked_at = time.monotonic()

    @property
    def said(self) -> str:
        return self._said

    @property
    def is_cut(self) -> bool:
        """Whether nobody listens any more, or nothing more may be said."""
        return self._is_cut

    @contextmanager
    def speaking(self, *, on_failure: Callable[[], None]) -> Iterator[None]:
        with self._lock:
            self._hang_up = on_failure
        if self._is_cut:
            on_failure()
        try:
            yield
        finally:
            with self._lock:
                self._hang_up = None
            if self._is_cut:
                raise Superseded

    def say(self, piece: str) -> None:
        if time.monotonic() - self._looked_at > LOOK_S:
            self.look()
        if not self._is_cut:
            self.began_at = self.began_at or timezone.now()
            self._said += piece
            self._emit(piece)

    def leisure(self) -> float:
        return 0.0  # whatever is there can be spoken

    def drop_unseen(self) -> None:
        """Whatever was said was heard."""

    def finish(self, reply: str) -> None:
        """Say what is left of the reply; all of it, where it is another one than was being said."""
        if rest := reply.removeprefix(self._said) if reply.startswith(self._said) else f" {reply}":
            self.say(rest)

    def look(self) -> None:
        """Say no more unless the turn may still speak."""
        self._looked_at = time.monotonic()
        if not self.may_speak():
            self.cut()

    def cut(self) -> None:
        """Stop what is under way, from any thread.  Does not block."""
        with self._lock:
            self._is_cut = True
            hang_up = self._hang_up
        if hang_up:
            hang_up()

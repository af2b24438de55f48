"""What the clients of one account have to know together: a token, what the vendor has refused lately."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bots.events import JSONDict


class Memory:
    """A small JSON object for one process alone.  `bots.memories` keeps one for all workers.

    Its key `note` holds what a person at the admin should know until `note_until`, in Unix seconds.
    """

    def __init__(self) -> None:
        self._kept: JSONDict = {}
        self._lock = threading.Lock()

    def read(self) -> JSONDict:
        return dict(self._kept)

    @contextmanager
    def changing(self) -> Iterator[JSONDict]:
        """What is kept, to be changed in place, while nobody else changes it."""
        with self._lock:
            kept = dict(self._kept)
            yield kept
            self._kept = kept

"""Keys of outgoing messages: 63 bits that are kept across retries, so that a repeat can be recognised.

A key is 43 bits of Unix time in milliseconds (until the year 2248) above 20 random bits.  Vendors
that order messages by a number take it from the time, vendors that want a nonce from the rest.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

RANDOM_BITS: Final = 20


class KeyMaker:
    """Draws keys that rise strictly, however fast they are drawn.  Threads share it."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._last_ms = 0

    def new_key(self) -> int:
        with self._lock:
            # Messages drawn within one millisecond, or while the clock is set back, keep their order.
            self._last_ms = max(int(self._now() * 1000), self._last_ms + 1)
            return self._last_ms << RANDOM_BITS | secrets.randbits(RANDOM_BITS)


def key_given_back(value: object) -> int | None:
    """A key as a vendor gives it back, as text or number; None if it is none."""
    try:
        key = int(value) if isinstance(value, str | int) else 0
    except ValueError:
        return None
    return key if 0 < key < 2**63 else None


def milliseconds_of(key: int) -> int:
    """When the key was drawn, as Unix time."""
    return key >> RANDOM_BITS


new_key = KeyMaker().new_key

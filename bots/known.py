"""The configuration as a process has read it, kept as long as nobody changes it.

A statement that changes a table of the configuration, whoever makes it, names a new revision in the same
transaction: triggers do so (migration `0022_revision`; a table that is added needs one).  Who needs the
configuration reads its revision, as a rule in a statement that is made anyway, and goes by what was read
under that one.  Rows are read after the revision, so what is kept may be newer than its revision, which is
then read once more, but never older.

Threads share what is kept: nobody changes it.  What comes to change by work and not by people, such as the
health of models, is no part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

# Of all changes that nobody has taken the place of, which as a rule is one; NULL: there was none yet.
REVISION: Final = "(SELECT string_agg(value::text, ' ' ORDER BY value) FROM bots_revision)"


class Known:
    """What was read under one revision."""

    def __init__(self, revision: str | None) -> None:
        self.revision = revision
        self._kept: dict[tuple[object, ...], Any] = {}

    def get[*K, T](self, load: Callable[[*K], T], *key: *K) -> T:
        """What `load` makes of the key.  Threads that ask at once may each read it: to wait for one another
        with a database connection in hand could use those up."""
        place = load, *key
        if place in self._kept:
            kept: T = self._kept[place]
            return kept
        found = load(*key)
        if found is not None:  # anybody may ask for what is not there
            self._kept[place] = found
        return found


class Memory:
    """Of all revisions the one that was asked for last."""

    def __init__(self) -> None:
        self._known = Known(None)

    def at(self, revision: str | None) -> Known:
        """What is known under this revision; nothing, and for nobody else, if that is None."""
        known = self._known
        if revision is None or known.revision != revision:
            known = Known(revision)
        if revision is not None:
            self._known = known
        return known


_memory = Memory()
known_at = _memory.at

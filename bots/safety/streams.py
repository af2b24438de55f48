"""Filters for text that comes in pieces: each holds back as little as it can, and never too little.

Whatever the pieces are, the same text comes out: what a filter lets go does not depend on where its text
was cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

from bots.safety.findings import Blocked
from bots.safety.folding import GAP, fold, is_spelled, letters_of
from bots.safety.patterns import Pattern, Patterns
from bots.safety.words import Words, positions

CONTEXT: Final = 64  # characters that stay for expressions which look back
# A full stop may be part of a number or a name until something else follows.
SENTENCE_END: Final = re.compile(r"[。！？\n]|[.!?…](?=\s)")


class StreamFilter(Protocol):
    """One text on its way through."""

    def feed(self, piece: str) -> str:
        """→ what may go on by now.  Raises Blocked."""
        ...

    def finish(self) -> str:
        """→ what was held back, now that nothing follows.  Raises Blocked."""
        ...


def through(filters: Sequence[StreamFilter], pieces: Iterable[str]) -> Iterator[str]:
    """The pieces after all filters, one behind the other.  Raises Blocked."""
    for piece in pieces:
        if passed := feed(filters, piece):
            yield passed
    for place, filter_ in enumerate(filters):
        behind = filters[place + 1 :]
        if passed := feed(behind, filter_.finish()):
            yield passed


def behind(said: str, filters: Sequence[StreamFilter], pieces: Iterable[str]) -> Iterator[str]:
    """The pieces after all filters, which look at them behind what was said: a word may have begun in that.

    For filters that stop a text or let it go as it is.  Raises Blocked.
    """
    known = len(said)
    for passed in through(filters, chain([said], pieces)):
        if news := passed[known:]:
            yield news
        known -= min(known, len(passed))


def feed(filters: Sequence[StreamFilter], piece: str) -> str:
    for filter_ in filters:
        if not piece:
            break
        piece = filter_.feed(piece)
    return piece


class WordFilter:
    """Stops a text at the first blocked word."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._held = ""
        self._folded = ""  # what is held, as it is compared
        self._before = GAP  # the character in front of it

    def feed(self, piece: str) -> str:
        self._held += piece
        self._folded += fold(piece)
        return self._let_go(self._certain())

    def finish(self) -> str:
        for place in self._words.places(self._folded, letters_of(self._folded), self._before):
            raise Blocked(self._words.finding_at(place))
        return self._let_go(len(self._held))

    def _certain(self) -> int:
        """How much of what is held can be no part of a word."""
        folded = self._folded
        letters = letters_of(folded)
        certain = len(folded)
        first = self._words.begins_at(letters)
        if first is not None:
            certain = positions(folded)[first]
        for place in self._words.places(folded, letters, self._before):
            if not self._may_go_on(place.start, place.end):
                raise Blocked(self._words.finding_at(place))
            certain = min(certain, place.start)
        return certain

    def _may_go_on(self, start: int, end: int) -> bool:
        """Whether the next character decides if this is a word with blanks in it."""
        folded = self._folded
        return end == len(folded) and GAP in folded[start:end] and is_spelled(folded[end - 1])

    def _let_go(self, length: int) -> str:
        if not length:
            return ""
        certain, self._held = self._held[:length], self._held[length:]
        self._before, self._folded = self._folded[length - 1], self._folded[length:]
        return certain


class PatternFilter:
    """Stops a text at the first match of a regular expression."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._text = ""  # what is held, and some of what went before
        self._start = 0  # of what is held

    def feed(self, piece: str) -> str:
        holds = self._start < len(self._text)
        self._text += piece
        if not (holds or self._patterns.may_begin_in(piece)):
            return self._let_go(len(self._text))
        suspects = self._patterns.suspects(self._text, self._start)
        return self._let_go(min(map(self._certain, suspects), default=len(self._text)))

    def finish(self) -> str:
        for pattern in self._patterns.suspects(self._text, self._start):
            if pattern.is_in(self._text, self._start):
                raise Blocked(pattern.finding)
        return self._let_go(len(self._text))

    def _certain(self, pattern: Pattern) -> int:
        is_found, certain = pattern.looks_at(self._text, self._start)
        if is_found:
            raise Blocked(pattern.finding)
        return certain

    def _let_go(self, end: int) -> str:
        certain = self._text[self._start : end]
        dropped = max(0, end - CONTEXT)
        self._text, self._start = self._text[dropped:], end - dropped
        return certain


class PieceFilter:
    """Lets a text go on in pieces that somebody has looked at, who sees the whole text at its end.

    A piece ends with the first sentence that makes it long enough, or where it is twice as long.
    """

    def __init__(self, check: Callable[[str], None], *, at_least: int) -> None:
        self._check = check  # raises Blocked
        self._at_least = at_least  # characters
        self._text = ""
        self._passed = 0  # how much of it
        self._pieces = 0

    def feed(self, piece: str) -> str:
        self._text += piece
        start = self._passed
        while end := self._piece_end():
            self._check(self._text[self._passed : end])
            self._passed, self._pieces = end, self._pieces + 1
        return self._text[start : self._passed]

    def finish(self) -> str:
        held = self._text[self._passed :]
        if held or self._pieces > 1:  # else the one piece was the whole
            self._check(self._text)
        return held

    def _piece_end(self) -> int | None:
        """Where the next piece ends; None as long as that may still be decided otherwise."""
        shortest, longest = self._passed + self._at_least, self._passed + 2 * self._at_least
        if len(self._text) < shortest:
            return None
        if sentence := SENTENCE_END.search(self._text, shortest - 1, longest):
            return sentence.end()
        return longest if len(self._text) >= longest else None

"""Finding any of many words in a text, in all the ways in which they may be written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ahocorasick_rs import AhoCorasick
from django.utils.translation import gettext as _

from bots.safety.findings import Finding
from bots.safety.folding import GAP, NOTHING, fold, is_spelled, letters_of

NOISE: Final = GAP + NOTHING
LONGEST_WORD: Final = 200  # letters: so much of an answer may have to wait for the next ones


@dataclass(frozen=True, slots=True)
class Place:
    """Where a word stands in a text."""

    start: int
    end: int
    word: int  # its number in the list


class Words:
    """Words to be found; built once, used by all threads.

    A word is found inside another, as scripts without blanks need it.  It is also found with blanks and
    punctuation between its letters; one in Latin letters only if what it begins and ends in are whole
    words, or "as some" would hold others.
    """

    def __init__(self, words: Mapping[str, Finding], *, are_whole: bool = False) -> None:
        self._findings = {letters: finding for word, finding in words.items() if (letters := spelling(word))}
        self._are_whole = are_whole  # never found inside others, even without blanks
        self._words = sorted(self._findings)
        # Most places begin no word, and these say so at once.
        self._first = frozenset(word[0] for word in self._words if len(word) > 1)
        self._pairs = frozenset(word[:2] for word in self._words if len(word) > 2)
        self._longest = max(map(len, self._words), default=0)
        self._automaton = AhoCorasick(self._words, store_patterns=False) if self._words else None

    def __bool__(self) -> bool:
        return bool(self._words)

    def find(self, text: str) -> Finding | None:
        """What is found in a whole text."""
        folded = fold(text)
        place = next(self.places(folded, letters_of(folded)), None)
        return self.finding_at(place) if place else None

    def finding_at(self, place: Place) -> Finding:
        return self._findings[self._words[place.word]]

    def places(self, folded: str, letters: str, before: str = GAP) -> Iterator[Place]:
        """Where words stand in a folded text, whose letters are given too; `before` precedes it."""
        if self._automaton is None:
            return
        found = self._automaton.find_matches_as_indexes(letters, overlapping=True)
        if not found:
            return
        where = positions(folded)
        for word, first, end in found:
            place = Place(where[first], where[end - 1] + 1, word)
            is_spaced = GAP in folded[place.start : place.end]
            if not (is_spaced or self._are_whole) or stands_alone(folded, place, before):
                yield place

    def begins_at(self, letters: str) -> int | None:
        """The first letter from which the text's end may be the beginning of a word."""
        length = len(letters)
        for start in range(max(0, length - self._longest + 1), length - 1):
            if letters[start : start + 2] in self._pairs and self._is_beginning(letters[start:]):
                return start
        return length - 1 if letters[-1:] in self._first else None

    def _is_beginning(self, letters: str) -> bool:
        """Whether a word begins so.  Only for letters of which the first two begin one."""
        if len(letters) == 2:
            return True
        place = bisect_left(self._words, letters)
        if place < len(self._words) and self._words[place] == letters:
            place += 1  # that is a whole word, not the beginning of one
        return place < len(self._words) and self._words[place].startswith(letters)


def spelling(word: str) -> str:
    """A word's letters as they are compared."""
    return letters_of(fold(word))


def problem_with_word(word: str) -> str:
    """Why it cannot be looked for; "" if it can."""
    letters = spelling(word)
    if not letters:
        return _("has neither letters nor digits; write it as a pattern")
    if len(letters) > LONGEST_WORD:
        return _("must not be longer than %(limit)d characters") % {"limit": LONGEST_WORD}
    if len(letters) == 1 and is_spelled(letters) and len(word.strip()) > 1:
        # C++ would be found in every C.
        return _("has but one letter besides punctuation; write it as a pattern")
    return ""


def positions(folded: str) -> list[int]:
    """Where each letter stands in a folded text."""
    return [place for place, character in enumerate(folded) if character not in NOISE]


def stands_alone(folded: str, place: Place, before: str) -> bool:
    """Whether no word of a script with blanks goes on to the left or to the right."""
    left = folded[place.start - 1] if place.start else before
    right = folded[place.end] if place.end < len(folded) else GAP
    goes_on_left = is_spelled(folded[place.start]) and is_spelled(left)
    goes_on_right = is_spelled(folded[place.end - 1]) and is_spelled(right)
    return not (goes_on_left or goes_on_right)


def findings_of(words: Iterable[str], source: str) -> dict[str, Finding]:
    return {word: Finding(kind="word", source=source, rule=word) for word in words}

"""Regular expressions of a policy: found in a text as it comes, and bounded in what they may cost."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Final

import regex
from django.utils.translation import gettext as _

from bots.safety.findings import Finding

# A search takes microseconds.  One that takes longer tries ever more ways to read the same text, and may
# do so for hours: the text then passes for found, as nothing may leave that could not be checked.
PATIENCE_S: Final = 0.05
LEADING_FLAGS: Final = regex.compile(r"\(\?([ims]+)\)")
# References to groups, which are counted from the beginning; groups with names; settings for all of it.
BOUND_TO_ITS_PLACE: Final = regex.compile(r"\\[\dgL]|\(\?(?!:|=|!|<=|<!)")
LOOKS_BACK: Final = regex.compile(r"\(\?<[=!]")


class Pattern:
    """One regular expression.  Threads share it."""

    def __init__(self, expression: str, source: str) -> None:
        self.expression = expression
        self.finding = Finding(kind="pattern", source=source, rule=expression)

    @cached_property
    def compiled(self) -> regex.Pattern[str]:
        return compiled(self.expression)

    def is_in(self, text: str, start: int = 0) -> bool:
        """Whether it is found in a whole text, from a place on."""
        try:
            return self.compiled.search(text, start, timeout=PATIENCE_S) is not None
        except TimeoutError:
            return True

    def looks_at(self, text: str, start: int) -> tuple[bool, int]:
        """Look into a text of which more is to come, from a place on: → whether it is found for certain,
        and from where on the text has to wait for more."""
        try:
            match = self.compiled.search(text, start, timeout=PATIENCE_S, partial=True)
        except TimeoutError:
            return True, start
        if match is None:
            return False, len(text)
        if match.partial:
            return False, match.start()
        # What is found at the very end may turn out otherwise, as with \b or a longer number.
        return match.end() < len(text), start


class Patterns:
    """A policy's regular expressions.  Threads share it."""

    def __init__(self, patterns: Iterable[Pattern] = ()) -> None:
        known = [(pattern, scoped(pattern.expression)) for pattern in patterns]
        self._joined = [pattern for pattern, expression in known if expression]
        self._others = [pattern for pattern, expression in known if not expression]
        self._any = compiled("|".join(filter(None, (expression for _, expression in known))))
        self._openers = None if self._others or LOOKS_BACK.search(self._any.pattern) else Openers(self._any)

    def __bool__(self) -> bool:
        return bool(self._joined or self._others)

    def may_begin_in(self, piece: str) -> bool:
        """False for a piece in which none of them begins, whatever stands around it."""
        return self._openers is None or any(map(self._openers.__getitem__, piece))

    def suspects(self, text: str, start: int = 0) -> list[Pattern]:
        """Those worth a look of their own: most texts have none, and one search says so for nearly all."""
        return [*self._joined, *self._others] if self._joined and self._may_be(text, start) else self._others

    def _may_be(self, text: str, start: int) -> bool:
        try:
            return self._any.search(text, start, timeout=PATIENCE_S, partial=True) is not None
        except TimeoutError:
            return True


class Openers(dict[str, bool]):
    """By character, whether a match of the expression may begin with it.  Grows with those that are seen."""

    def __init__(self, expression: regex.Pattern[str]) -> None:
        self._expression = expression

    def __missing__(self, character: str) -> bool:
        # What \b says depends on the character in front.
        texts = (before + character for before in ("", "a", "!"))
        opens = any(self._expression.match(text, len(text) - 1, partial=True) for text in texts)
        self[character] = opens
        return opens


def scoped(expression: str) -> str:
    """The expression as a part of a larger one; "" for one that would mean something else there."""
    match = LEADING_FLAGS.match(expression)
    flags, rest = (match[1], expression[match.end() :]) if match else ("", expression)
    return "" if BOUND_TO_ITS_PLACE.search(rest) else f"(?{flags}:{rest})"


def problem_with_pattern(expression: str) -> str:
    """Why it cannot be looked for; "" if it can."""
    try:
        if compiled(expression).search("", timeout=PATIENCE_S):
            return _("is found in every text")
    except regex.error as error:
        return _("is not a regular expression: %(reason)s") % {"reason": error}
    except TimeoutError:
        return _("takes too long")
    return ""


def compiled(expression: str) -> regex.Pattern[str]:
    """Raises regex.error, which says where and why."""
    return regex.compile(expression)


def patterns_of(expressions: Iterable[str], source: str) -> Patterns:
    return Patterns(Pattern(expression, source) for expression in expressions)

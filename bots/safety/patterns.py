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


def patterns_of(expressions: Iterable[str], source: str) -> list[Pattern]:
    return [Pattern(expression, source) for expression in expressions]

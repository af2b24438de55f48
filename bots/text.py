"""Text at the edges: what can be stored, and where a long one may be cut."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from itertools import takewhile
from typing import Any, Final

import regex

CLUSTER: Final = regex.compile(r"\X")  # what readers take for one character, emoji families included
# Where a cut hurts least, the best first.  What separates stays with the part before the cut.
SEAMS: Final = (
    regex.compile(r"\n[^\S\n]*\n\s*"),  # between paragraphs
    regex.compile(r"\n\s*"),  # between lines
    regex.compile(r"""[.!?…]+["'”’)\]]*\s+|[。！？；…]+["'”’」』）】》]*\s*"""),  # between sentences
    regex.compile(r"\s+|[，、：]"),  # between words
)


def clean_text(text: str) -> str:
    """The text with halves of characters joined or replaced by U+FFFD, and without U+0000: PostgreSQL
    stores neither of the two."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def clean_json(value: Any) -> Any:
    """A JSON value in which every text, keys included, is clean."""
    match value:
        case str():
            return clean_text(value)
        case list():
            return [clean_json(item) for item in value]
        case dict():
            return {clean_text(name): clean_json(item) for name, item in value.items()}
        case _:
            return value


def shorten(text: str, length: int) -> str:
    """The text in one line of at most so many characters."""
    line = " ".join(text.split(maxsplit=length)[:length])  # more words than that do not fit anyway
    if len(line) <= length:
        return line
    ends = _ends_of_clusters(line, within=length - 1)
    return line[: ends[-1] if ends else length - 1].rstrip() + "…"


def split_at(text: str, fits: Callable[[str], bool], *, at_least: int = 0) -> tuple[str, str]:
    """Cut a text in two, so that the first part fits: → (head, tail), and head + tail is the text.

    The head is as long as it can be with a cut between paragraphs, lines, sentences or words, in
    this order; a cut in its first half, or before `at_least` characters (what was shown already
    cannot be taken back), is not considered.  Failing that, it is cut between characters as readers
    see them.  The head is never empty: a text of which nothing fits gives up its first code point.

    `fits` must hold for every prefix of a text for which it holds.
    """
    if fits(text):
        return text, ""
    limit = bisect_left(range(1, len(text) + 1), True, key=lambda length: not fits(text[:length]))
    ends = _ends_of_clusters(text, within=limit)
    if not ends:
        return text[: max(limit, 1)], text[max(limit, 1) :]
    cut = _last_seam(text, ends, at_least=max(at_least, limit // 2, 1)) or ends[-1]
    return text[:cut], text[cut:]


def _ends_of_clusters(text: str, *, within: int) -> list[int]:
    ends = (cluster.end() for cluster in CLUSTER.finditer(text))
    return list(takewhile(lambda end: end <= within, ends))


def _last_seam(text: str, ends: list[int], *, at_least: int) -> int | None:
    """The last place for a cut of the best kind there is, among the ends of characters."""
    allowed = {end for end in ends if end >= at_least}
    for seam in SEAMS:
        found = takewhile(lambda end: end <= ends[-1], (match.end() for match in seam.finditer(text)))
        if cuts := allowed.intersection(found):
            return max(cuts)
    return None

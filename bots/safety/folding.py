"""Text as screening compares it: however it is written, the same words have the same letters.

Folding keeps a text's length, so that a place in the folded text is the same place in the text.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

import opencc

GAP: Final = " "  # stands for blanks, punctuation and symbols
NOTHING: Final = "\0"  # stands for what cannot be seen, such as a zero-width space
INVISIBLE: Final = frozenset(["Mn", "Me", "Cf", "Cc"])  # Unicode's categories
# These are letters or symbols by category, and blanks to the eye.
FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
FIRST_SCRIPT_WITHOUT_BLANKS: Final = "\u2e80"  # below stand those that set words apart, such as Latin


class Folding(dict[int, str]):
    """A table for `str.translate` that grows with the characters that are seen."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = fold_character(chr(code))
        return folded


FOLDING: Final = Folding()


def fold(text: str) -> str:
    """The text in lower case, simplified characters and normal width, with noise as GAP or NOTHING."""
    return text.translate(FOLDING)


def letters_of(folded: str) -> str:
    """A folded text without its noise."""
    return folded.replace(GAP, "").replace(NOTHING, "")


def is_spelled(letter: str) -> bool:
    """Whether it belongs to a script that sets its words apart by blanks."""
    return letter.isalnum() and letter < FIRST_SCRIPT_WITHOUT_BLANKS


def fold_character(character: str) -> str:
    if character in FILLERS:
        return GAP
    category = unicodedata.category(character)
    if category in INVISIBLE and not character.isspace():
        return NOTHING
    if category[0] in "ZPSC" and not _is_circled(character):
        return GAP
    return simplified(_plain(character).lower()[:1])


def _is_circled(character: str) -> bool:
    """Ⓐ and ㊙ are symbols to Unicode and letters to readers."""
    return len(plain := unicodedata.normalize("NFKC", character)) == 1 and plain.isalnum()


def _plain(character: str) -> str:
    """Of normal width, and Latin letters without accents: those also come as characters of their own."""
    normal = unicodedata.normalize("NFKC", character)
    base = unicodedata.normalize("NFKD", normal)[:1]
    if base.isascii() and base.isalpha() and len(normal) == 1:
        return base
    return normal if len(normal) == 1 else character


def simplified(character: str) -> str:
    if character < FIRST_SCRIPT_WITHOUT_BLANKS:
        return character
    converted = _converter().convert(character)
    return converted if len(converted) == 1 else character


@cache
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")

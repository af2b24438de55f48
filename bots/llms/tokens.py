"""How many tokens a text takes, where nobody has counted them."""

from __future__ import annotations

from typing import Final

ASCII_CHARACTERS_PER_TOKEN: Final = 4  # English, within a quarter or so


def estimate_tokens(text: str) -> int:
    """About as many tokens as a model makes of the text: four ASCII characters or one other make one."""
    ascii_characters = len(text.encode("ascii", "ignore"))
    others = len(text) - ascii_characters
    return others + -(-ascii_characters // ASCII_CHARACTERS_PER_TOKEN)

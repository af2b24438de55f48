from __future__ import annotations

import pytest

from bots.llms.tokens import estimate_tokens


@pytest.mark.parametrize(
    "text, tokens",
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("你好", 2), ("你好 Ada", 3), ("\ud83d", 1)],
)
def test_four_ascii_characters_or_one_other_make_a_token(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens

"""An answer that one model began and another goes on with: no word is missing, none is said twice.

None of the APIs has a common way to hand over the beginning of an answer (some take it as the last
message, some refuse that), so the next model sees it as its own message and is told to go on.  Models do
not always heed that: what they repeat is taken off at the seam.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from bots.llms.base import ChatMessage, Prompt

GO_ON: Final = (
    "Your last message was cut off. Go on with it exactly where it ends, in the same language: what you "
    "write now is appended to it as it is. Repeat nothing of it, and do not mention the interruption."
)
# What some models put before words that they repeat: white space, or dots, of which some may yet come.
LEAD_IN: Final = re.compile(r"(?:\s|…|\.{3}|。{3}|[.。]{1,2}$)*")
CERTAIN_CHARACTERS: Final = 8  # as many equal ones are a repetition even where a word is cut in two
FIRST_IDEOGRAPH: Final = "\u2e80"  # from here on a character is a word, more or less


def continued(prompt: Prompt, said: str) -> Prompt:
    """The prompt for a model that is to go on after what was said; "" stands for nothing."""
    if not said:
        return prompt
    begun = (ChatMessage(role="assistant", content=said), ChatMessage(role="user", content=GO_ON))
    return replace(prompt, messages=(*prompt.messages, *begun))


def without_repetition(pieces: Iterable[str], said: str) -> Iterator[str]:
    """The pieces of an answer that follows what was said, without what it repeats of that.

    Text is held back only as long as it reads like something that was said.
    """
    held: str | None = "" if said else None  # None: the seam is behind us
    for piece in pieces:
        if held is None:
            yield piece
            continue
        held += piece
        if not may_repeat(held, said):
            if news := held[repeated(held, said) :]:
                yield news
            held = None
    if held and (news := held[repeated(held, said) :]):
        yield news


def may_repeat(text: str, said: str) -> bool:
    """Whether the text, once it goes on, may turn out to repeat the end of what was said."""
    return any(0 <= said.find(start) < len(said) - len(start) for start in beginnings(text))


def repeated(text: str, said: str) -> int:
    """How many characters at the beginning of the text repeat the end of what was said."""
    for start in beginnings(text):
        for length in range(min(len(start), len(said)), 0, -1):
            if said.endswith(start[:length]) and is_repetition(said, length):
                return len(text) - len(start) + length
    return 0


def beginnings(text: str) -> list[str]:
    """Where a repetition may begin: at once, or behind a lead-in."""
    return list(dict.fromkeys((text, LEAD_IN.sub("", text, count=1))))


def is_repetition(said: str, length: int) -> bool:
    """Whether so many characters at the end of what was said, met again, are more than chance."""
    end, before = said[-length:], said[:-length]
    if length >= CERTAIN_CHARACTERS or not before:
        return True
    if is_in_word(before[-1]) and is_in_word(end[0]):
        return False
    return any(map(is_in_word, end)) or sum(map(str.isalnum, end)) > 1


def is_in_word(character: str) -> bool:
    """Whether it is a letter or digit of a script that sets words apart."""
    return character.isalnum() and character < FIRST_IDEOGRAPH

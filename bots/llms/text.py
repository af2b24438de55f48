"""Small repairs on text that arrives in pieces: thinking set apart, characters made whole."""

from __future__ import annotations

from typing import Final, Literal

THINK_START: Final = "<think>"
THINK_END: Final = "</think>"


class ThinkTags:
    """Tells thinking in leading <think>…</think> tags from the answer behind it, cut however they are.

    White space around the tags and before the answer is dropped.
    """

    def __init__(self) -> None:
        self._state: Literal["undecided", "thinking", "answering"] = "undecided"
        self._held = ""  # what may yet turn out to be part of a tag

    def feed(self, piece: str) -> tuple[str, str]:
        """→ the thinking and the answer that are certain now."""
        if self._state == "answering":
            return "", piece
        self._held += piece
        return self._think() if self._state == "thinking" else self._decide()

    def finish(self) -> tuple[str, str]:
        """→ what was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return (held, "") if self._state == "thinking" else ("", held)

    def _decide(self) -> tuple[str, str]:
        self._held = self._held.lstrip()
        if self._held.startswith(THINK_START):
            self._state, self._held = "thinking", self._held.removeprefix(THINK_START)
            return self._think()
        if THINK_START.startswith(self._held):
            return "", ""
        self._state = "answering"
        return self.finish()

    def _think(self) -> tuple[str, str]:
        thought, tag, rest = self._held.partition(THINK_END)
        if not tag:
            certain = len(self._held) - length_of_cut_tag(self._held, THINK_END)
            thought, self._held = self._held[:certain], self._held[certain:]
            return thought, ""
        self._state, self._held = "undecided", rest
        more_thought, answer = self._decide()
        return thought + more_thought, answer


def length_of_cut_tag(text: str, tag: str) -> int:
    """How many characters at the end of the text may be the beginning of the tag."""
    return next((length for length in range(len(tag) - 1, 0, -1) if text.endswith(tag[:length])), 0)


class Mender:
    """Makes pieces of JSON text fit to be stored and sent.

    A character beyond U+FFFF may come as two escapes, `\\ud83d` and `\\ude00`, cut between two chunks;
    a half without its other half becomes U+FFFD.  U+0000, which PostgreSQL does not store, is dropped.
    """

    def __init__(self) -> None:
        self._held = ""  # the first half of a character

    def feed(self, piece: str) -> str:
        """→ what is whole by now."""
        if piece.isascii() and not self._held:
            return piece.replace("\0", "") if "\0" in piece else piece
        text = self._held + piece
        is_cut = "\ud800" <= text[-1:] <= "\udbff"
        self._held = text[-1] if is_cut else ""
        return whole(text[:-1] if is_cut else text)

    def finish(self) -> str:
        """→ what was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return whole(held)


def whole(text: str) -> str:
    """The text with halves of characters joined or replaced, and without U+0000."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")

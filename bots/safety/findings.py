"""What screening found, as it is kept with a turn: which rule it was, never the text that it found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal, Self

from bots.errors import BotError
from bots.events import JSONDict

type Side = Literal["input", "output"]
type Kind = Literal["word", "pattern", "length", "personal_data", "moderation"]

SIDES: Final[tuple[Side, ...]] = ("input", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that screening found in a text."""

    kind: Kind
    source: str  # the list it is from, the policy's own key, or what personal data it is
    rule: str = (
        ""  # the word or pattern as the admin wrote it; a limit; a moderator's reason, or why it gave none
    )
    count: int = 1

    @classmethod
    def read(cls, stored: JSONDict) -> Self:
        return cls(**stored)

    def as_json(self) -> JSONDict:
        return asdict(self)


class Blocked(BotError):
    """The text must not pass."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(f"blocked: {finding.kind} of {finding.source}")

"""What can end a turn besides its vendor and its models (`bots/errors.py`).

ConversationError          nobody raises the base
├── Superseded             the conversation, or the turn, is no longer this worker's
├── NeedsPeople            the route gives the conversation to people
├── OverLimit              a budget is used up
└── NoModelAnswered        every model of the route failed
"""

from __future__ import annotations

from collections.abc import Sequence

from bots.errors import ModelError


class ConversationError(Exception):
    """Something about a conversation stops what was under way."""


class Superseded(ConversationError):
    """The conversation, or the turn, is no longer this worker's: nothing more may be said."""


class NeedsPeople(ConversationError):
    """The rule of the route that fits has people answer, not models."""


class OverLimit(ConversationError):
    """What the call would take is over a limit: no model may be asked."""


class NoModelAnswered(ConversationError):
    """Every model of the route failed."""

    def __init__(self, failures: Sequence[ModelError]) -> None:
        self.failures = failures
        super().__init__("\n".join(map(str, failures)) or "the route names no model for this message")

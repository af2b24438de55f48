"""What may go wrong.

ParleyError
├── Unreachable   no answer, after several tries
└── ReplyFailed   the question is stored, but no answer came of it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ParleyError(Exception):
    """Parley said no; `code` is a stable word, `fields` says what is wrong with which of them."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 0,
        fields: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status  # HTTP's; 0: there was none
        self.fields = dict(fields or {})
        self.retry_after = retry_after  # in seconds; None: to ask again would not help


class Unreachable(ParleyError):
    """Parley did not answer."""


class ReplyFailed(ParleyError):
    """The reply ended before it began, or tells of a failure."""

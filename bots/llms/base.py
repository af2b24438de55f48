"""One streaming interface to every language model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from bots.events import JSONDict

type Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One line of what a model is shown."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """All that a model is shown for one answer."""

    messages: tuple[ChatMessage, ...]
    user: str = ""  # opaque id of the end user, for providers that separate users


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines of one call, in seconds from its start.  Nothing the server sends but text moves them."""

    connect_s: float = 5.0
    first_token_s: float = 20.0
    total_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call.  `input` includes the cached ones."""

    input: int = 0
    cached_input: int = 0
    output: int = 0
    is_estimated: bool = False  # the provider reported none; counted from the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is reached and how it is asked."""

    slug: str
    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    params: JSONDict = field(default_factory=dict)  # goes into the request body as it is
    timeouts: Timeouts = field(default_factory=Timeouts)


class ReplyStream:
    """A model's answer as it comes: iterate for text, then read `usage` and the timings.

    Iteration raises ModelError; each call of `__next__` returns a non-empty piece of the answer.
    Thinking is kept apart in `reasoning` and never yielded.
    """

    usage: Usage
    finish_reason: str  # "" until known; the provider's own word
    reasoning: str
    first_token_s: float | None  # seconds from the call's start to the first piece of text
    total_s: float | None  # seconds from the call's start to the end

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def cancel(self) -> None:
        """End the stream at once, from any thread: iteration raises ModelCancelled and the provider
        stops working (and billing).  Does nothing once the stream has ended."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the connection back.  Repeatable."""
        raise NotImplementedError


class LanguageModelClient:
    """A way to ask models.  Threads share it."""

    api: ClassVar[str]
    label: ClassVar[str]
    needs_address: ClassVar[bool] = True  # a model cannot be asked without `base_url`

    def stream(self, endpoint: Endpoint, prompt: Prompt) -> ReplyStream:
        """Ask the model.  Blocks until the provider answered the request with a stream, at most until
        the first-token deadline.  Raises ModelError."""
        raise NotImplementedError

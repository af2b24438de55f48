"""One streaming interface to every language model."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from bots.errors import ModelCancelled, ModelSilent
from bots.events import JSONDict
from bots.llms.text import Mender
from bots.llms.tokens import estimate_tokens

type Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One line of what a model is shown."""

    role: Role
    content: str
    images: tuple[str, ...] = ()  # addresses from which the provider can load them


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """All that a model is shown for one answer."""

    messages: tuple[ChatMessage, ...]
    user: str = ""  # opaque id of the end user, for providers that separate users

    def in_words(self) -> Prompt:
        """Without images, for models that take none."""
        return replace(self, messages=tuple(replace(message, images=()) for message in self.messages))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines of one call, in seconds.  Nothing the server sends but text or thinking moves them."""

    connect_s: float = 5.0  # to each of the host's addresses
    first_token_s: float = 20.0  # from the call's start to the first piece of text or thinking
    stall_s: float = 30.0  # from one piece to the next
    total_s: float = 120.0  # from the call's start


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call.  `input` includes the cached ones, `output` the thinking."""

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
    params: JSONDict = field(default_factory=dict)  # goes into the request body; None leaves a key out
    timeouts: Timeouts = field(default_factory=Timeouts)


class ReplyStream(Iterator[str]):
    """A model's answer as it comes: iterate for text, then read `usage` and the timings.

    The request leaves with the first step of the iteration, so `cancel` works from the very beginning.
    Iteration raises ModelError; every piece is a non-empty part of the answer.  Thinking is kept apart
    in `reasoning`.  After an error or a cancel, `usage` tells what was used up to then.
    """

    def __init__(self, endpoint: Endpoint, prompt: Prompt) -> None:
        self.endpoint = endpoint
        self.prompt = prompt
        self.finish_reason = ""  # "" until known; the provider's own word
        self.first_token_s: float | None = None  # from the call's start to the first piece of text
        self.total_s: float | None = None  # from the call's start to the end, however it came
        self._answer: list[str] = []
        self._thoughts: list[str] = []
        self._is_cancelled = False
        self._asked: Callable[[], None] = lambda: None
        self._pieces = self._run()

    # What an API fills in

    def _listen(self) -> Iterator[str]:
        """Ask, call `_asked` once that is out, and yield the answer as it comes.  Raises ModelError."""
        raise NotImplementedError

    def _hang_up(self) -> None:
        """Wake `_listen` and let the provider know.  Called from any thread, at any time."""
        raise NotImplementedError

    def _release(self) -> None:
        """Let go of what `_listen` holds.  Repeatable."""

    def _reported_usage(self) -> Usage | None:
        """What the provider says the call took, if it does."""
        return None

    # What callers see

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        return next(self._pieces)

    @property
    def reasoning(self) -> str:
        """The model's thinking so far."""
        return "".join(self._thoughts)

    @property
    def usage(self) -> Usage:
        """What the call has taken so far."""
        return self._reported_usage() or Usage(
            input=sum(estimate_tokens(message.content) for message in self.prompt.messages),
            output=self._estimate_output(),
            is_estimated=True,
        )

    def when_asked(self, act: Callable[[], None]) -> None:
        """Have this done while the model is thinking: when the request has left and before the answer is
        waited for.  Again where it has to be sent again; what it raises ends the stream."""
        self._asked = act

    def cancel(self) -> None:
        """End the stream at once, from any thread: iteration raises ModelCancelled and the provider
        stops working (and billing).  Does nothing once the stream has ended."""
        self._is_cancelled = True
        self._hang_up()

    def rest(self, seconds: float) -> None:
        """Nobody needs more of the answer for so long: a stream to which text comes by itself may gather
        it meanwhile.  For the iterating thread only; does not block."""

    def close(self) -> None:
        """Give the connection back.  Repeatable; for the iterating thread only."""
        self._pieces.close()
        self._release()

    def _estimate_output(self) -> int:
        """Tokens of what the model has written so far, counted from the text."""
        return estimate_tokens("".join((*self._thoughts, *self._answer)))

    def _run(self) -> Generator[str]:
        started_at = time.monotonic()
        try:
            for piece in self._mended():
                self._check_not_cancelled()
                if self.first_token_s is None:
                    self.first_token_s = time.monotonic() - started_at
                self._answer.append(piece)
                yield piece
            if not self._answer:
                raise self._silence()
        finally:
            self.total_s = time.monotonic() - started_at
            self._release()

    def _mended(self) -> Iterator[str]:
        self._check_not_cancelled()
        mender = Mender()
        for piece in self._listen():
            if mended := mender.feed(piece):
                yield mended
        if rest := mender.finish():
            yield rest

    def _check_not_cancelled(self) -> None:
        if self._is_cancelled:
            raise ModelCancelled(party=self.endpoint.slug)

    def _silence(self) -> ModelSilent:
        reason = self.finish_reason or "none given"
        thinking = f" after {len(self.reasoning)} characters of thinking" if self._thoughts else ""
        return ModelSilent(
            f"the answer was empty{thinking} (finish_reason: {reason})", party=self.endpoint.slug
        )


class LanguageModelClient:
    """A way to ask models.  Threads share it."""

    api: ClassVar[str]
    label: ClassVar[str]
    needs_address: ClassVar[bool] = True  # a model cannot be asked without `base_url`

    def stream(self, endpoint: Endpoint, prompt: Prompt) -> ReplyStream:
        """The model's answer; nothing is sent before it is iterated.  Does not block."""
        raise NotImplementedError

    @classmethod
    def check_params(cls, params: JSONDict) -> None:
        """Raises ValueError, naming the parameter, for what this API cannot be asked with."""

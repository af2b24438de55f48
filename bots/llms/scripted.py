"""A model that needs no network: it says what its endpoint's parameters tell it to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar, Final, Self

from bots.errors import (
    ModelBusy,
    ModelDenied,
    ModelError,
    ModelRefused,
    ModelSilent,
    ModelTooSlow,
    ModelUnreachable,
)
from bots.events import JSONDict
from bots.llms.base import Endpoint, LanguageModelClient, Prompt, ReplyStream

FAILURES: Final[dict[str, type[ModelError]]] = {
    "busy": ModelBusy,
    "refused": ModelRefused,
    "denied": ModelDenied,
    "unreachable": ModelUnreachable,
    "too_slow": ModelTooSlow,
    "silent": ModelSilent,
}
DEFAULT_REPLY: Final = "Hello! You wrote: “{message}”. I was shown {count} messages. My persona: “{persona}”."
REMEMBERED_REQUESTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How the scripted model answers: the keys of `params`."""

    reply: str = DEFAULT_REPLY  # {message}: the last user message; {persona}: the system message;
    # {count}: how many messages it was shown, without the system message
    chunk_chars: int = 5
    first_token_ms: float = 0  # before the first piece
    delay_ms: float = 0  # before every other piece
    fail: str = ""  # one of FAILURES
    fail_after_chars: int = 0  # how much is said before it fails

    @classmethod
    def read(cls, params: JSONDict) -> Self:
        """Raises ValueError, naming the parameter, for what makes no sense."""
        for key, value in params.items():
            check_param(key, value)
        return cls(**params)


def check_param(key: str, value: object) -> None:
    kinds = {field.name: field.default.__class__ for field in fields(Script)}
    if key not in kinds:
        raise ValueError(f"{key}: the scripted model knows only {', '.join(kinds)}")
    if kinds[key] is str and not isinstance(value, str):
        raise ValueError(f"{key}: must be text")
    if kinds[key] is int:
        check_number(key, value)
    if key == "fail" and value and value not in FAILURES:
        raise ValueError(f"{key}: must be one of {', '.join(FAILURES)}")


def check_number(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{key}: must be a number")
    if key.endswith("_chars") and not isinstance(value, int):
        raise ValueError(f"{key}: must be a whole number")
    least = 1 if key == "chunk_chars" else 0
    if value < least:
        raise ValueError(f"{key}: must be at least {least}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that the scripted model got."""

    endpoint: Endpoint
    prompt: Prompt


class Scripted(LanguageModelClient):
    """Answers by its endpoint's `params`, whose keys are the fields of Script."""

    api = "scripted"
    label = "Scripted (no network)"
    needs_address = False
    requests: ClassVar[deque[Asked]] = deque(maxlen=REMEMBERED_REQUESTS)  # newest last

    def stream(self, endpoint: Endpoint, prompt: Prompt) -> ScriptedReplyStream:
        return ScriptedReplyStream(endpoint, prompt)

    @classmethod
    def check_params(cls, params: JSONDict) -> None:
        Script.read(params)


class ScriptedReplyStream(ReplyStream):
    """One scripted answer."""

    def __init__(self, endpoint: Endpoint, prompt: Prompt) -> None:
        super().__init__(endpoint, prompt)
        self._hung_up = threading.Event()

    def _hang_up(self) -> None:
        self._hung_up.set()

    def _listen(self) -> Iterator[str]:
        Scripted.requests.append(Asked(endpoint=self.endpoint, prompt=self.prompt))
        self._asked()
        script = self._script()
        reply = filled(script.reply, self.prompt)
        spoken = reply[: script.fail_after_chars] if script.fail else reply
        self._pause(script.first_token_ms)
        for start in range(0, len(spoken), script.chunk_chars):
            if start:
                self._pause(script.delay_ms)
            yield spoken[start : start + script.chunk_chars]
        if script.fail:
            raise FAILURES[script.fail](party=self.endpoint.slug, code="scripted")
        self.finish_reason = "stop"

    def _script(self) -> Script:
        try:
            return Script.read(self.endpoint.params)
        except ValueError as error:
            raise ModelRefused(f"params.{error}", party=self.endpoint.slug, code="params") from error

    def _pause(self, milliseconds: float) -> None:
        self._hung_up.wait(milliseconds / 1000)
        self._check_not_cancelled()


def filled(reply: str, prompt: Prompt) -> str:
    """The reply with its placeholders filled; other braces stay as they are."""
    spoken = [message for message in prompt.messages if message.role != "system"]
    said_by_user = [message.content for message in spoken if message.role == "user"]
    persona = [message.content for message in prompt.messages if message.role == "system"]
    # The user's words go in last: what they hold is no placeholder.
    return (
        reply.replace("{count}", str(len(spoken)))
        .replace("{persona}", "\n".join(persona))
        .replace("{message}", said_by_user[-1] if said_by_user else "")
    )

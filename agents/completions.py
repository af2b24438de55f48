"""Chat completions, as OpenAI's API has them and ZEGO's agents ask for them.

From /aiagent-server/guides/configuring-llm: every line of the stream begins with `data: `, `finish_reason` is
empty until the last chunk with content, which says "stop", and `[DONE]` ends it.  An agent falls mute
otherwise; so the last chunk has content too, if an empty one: nothing has to be held back for it.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

from bots.events import JSONDict
from bots.text import clean_json

DONE: Final = b"data: [DONE]\n\n"
LONGEST_QUESTION: Final = 20_000  # characters


class Refused(Exception):
    """The request cannot be answered at all."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)

    def as_json(self) -> JSONDict:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the agent asks, as far as it matters: who calls and what was said; all else is the robot's."""

    model: str
    question: str  # the newest user message
    is_stream: bool
    user_id: str = ""
    instance_id: str = ""
    agent_user_id: str = ""
    round_id: str = ""

    @classmethod
    def read(cls, body: bytes) -> Request:
        """Raises Refused."""
        content = parsed(body)
        info = content.get("agent_info")
        info = info if isinstance(info, dict) else {}
        return cls(
            model=text_of(content.get("model")),
            question=question_in(content.get("messages")),
            is_stream=content.get("stream") is True,
            user_id=text_of(info.get("user_id") or content.get("user"))[:64],
            instance_id=text_of(info.get("agent_instance_id")),
            agent_user_id=text_of(info.get("agent_user_id")),
            round_id=text_of(info.get("round_id"))[:20],
        )


NOTHING: Final = Request(model="", question="", is_stream=False)


def parsed(body: bytes) -> JSONDict:
    try:
        content = clean_json(json.loads(body))
    except (ValueError, RecursionError):
        raise Refused(400, "not_json", "The body is not JSON.") from None
    if not isinstance(content, dict):
        raise Refused(400, "not_an_object", "The body is not a JSON object.")
    return content


def question_in(messages: Any) -> str:
    """The newest user message.  Raises Refused."""
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages", "messages: must be a list of one or more messages.")
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return words_of(message.get("content"))[:LONGEST_QUESTION]
    raise Refused(400, "messages", "messages: none is the user's.")


def words_of(content: Any) -> str:
    """A message's text, which may come in parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def text_of(value: Any) -> str:
    """An id or a name, which may come as a number."""
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer, in the form in which it was asked for."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def chunk(self, text: str, *, is_last: bool = False) -> bytes:
        """One event of a stream."""
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": text},
            "finish_reason": "stop" if is_last else None,
        }
        return b"data: %s\n\n" % as_json(self._head("chat.completion.chunk") | {"choices": [choice]})

    def whole(self, text: str) -> JSONDict:
        """All of it at once."""
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
        }
        return self._head("chat.completion") | {"choices": [choice]}

    def _head(self, kind: str) -> JSONDict:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def as_json(content: JSONDict) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

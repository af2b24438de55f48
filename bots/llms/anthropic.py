"""Anthropic's Messages API, as Anthropic and the Anthropic-shaped doors of others stream it.

API: platform.claude.com/docs/en/api/messages; events: …/docs/en/build-with-claude/streaming (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bots.events import JSONDict
from bots.llms.base import ChatMessage, Endpoint, Prompt, Usage
from bots.llms.http import HEADERS, HTTPModelClient, HTTPReplyStream, KeyHeader, merged
from bots.llms.usage import count_at

VERSION: Final = "2023-06-01"  # of the API
MAX_TOKENS: Final = 1024  # the API demands a limit; a long chat message has a few hundred tokens
OPENING: Final = ChatMessage(role="user", content="…")


class Anthropic(HTTPModelClient):
    api = "anthropic"
    label = "Anthropic"

    def stream(self, endpoint: Endpoint, prompt: Prompt) -> AnthropicReplyStream:
        return AnthropicReplyStream(endpoint, prompt, self)

    @classmethod
    def check_params(cls, params: JSONDict) -> None:
        if "messages" in params:
            raise ValueError("messages: come from the conversation")
        if "system" in params:
            raise ValueError("system: comes from the robot's persona")


class AnthropicReplyStream(HTTPReplyStream):
    """One message."""

    def __init__(self, endpoint: Endpoint, prompt: Prompt, client: Anthropic) -> None:
        super().__init__(endpoint, prompt, client)
        self._usage: JSONDict = {}  # the last count of each kind: they are running totals
        self._has_totals = False  # the counts cover the whole answer

    def _request(self) -> dict[str, Any]:
        return {
            "url": messages_url(self.endpoint.base_url),
            "headers": {**HEADERS, "anthropic-version": VERSION},
            "auth": KeyHeader("x-api-key", self._key()),
            "json": request_body(self.endpoint, self.prompt),
        }

    def _reported_usage(self) -> Usage | None:
        return read_usage(self._usage, written=None if self._has_totals else self._estimate_output())

    def _read(self, data: str) -> str:
        event = self._parse(data)
        match event.get("type"):
            case "message_start":
                self._keep_usage(part(event, "message"))
            case "content_block_start":
                return self._read_content(part(event, "content_block"))
            case "content_block_delta":
                return self._read_content(part(event, "delta"))
            case "message_delta":
                self._read_end(event, reason=part(event, "delta").get("stop_reason"))
            case "message_stop":
                self._is_done = True
            case "message":  # where nothing is streamed
                return self._read_whole(event)
        return ""  # ping, and what later versions add

    def _read_content(self, content: JSONDict) -> str:
        """A block, or the next part of one."""
        match content:
            case {"type": "text" | "text_delta", "text": str(text)}:
                return text
            case {"type": "thinking" | "thinking_delta", "thinking": str(thought)}:
                self._think(thought)
        return ""  # tools, signatures, citations

    def _read_whole(self, message: JSONDict) -> str:
        blocks = message.get("content")
        contents = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
        text = "".join(map(self._read_content, contents))
        self._read_end(message, reason=message.get("stop_reason"))
        return text

    def _read_end(self, holder: JSONDict, *, reason: object) -> None:
        self._keep_usage(holder)
        if count_at(holder, "usage", "output_tokens") is not None:
            self._has_totals = True
        if reason:
            self._finish(str(reason))

    def _keep_usage(self, holder: JSONDict) -> None:
        counts = part(holder, "usage")
        self._usage |= {name: count for name, count in counts.items() if count is not None}


def messages_url(base_url: str) -> str:
    """Where messages are asked for.  Base addresses of this API are given without the version, which is
    the same everywhere; one that has it, as those of OpenAI's kind do, cannot mean anything else."""
    return base_url.rstrip("/").removesuffix("/v1") + "/v1/messages"


def request_body(endpoint: Endpoint, prompt: Prompt) -> JSONDict:
    """The request with the endpoint's parameters merged into it; None leaves a key out."""
    system = [message.content for message in prompt.messages if message.role == "system"]
    spoken = [message for message in prompt.messages if message.role != "system"]
    if spoken and spoken[0].role == "assistant":  # history may be cut there, but the user must begin
        spoken.insert(0, OPENING)
    body: JSONDict = {
        "model": endpoint.model,
        "max_tokens": MAX_TOKENS,
        "messages": [{"role": message.role, "content": content_of(message)} for message in spoken],
        "stream": True,
    }
    if system:
        body["system"] = "\n\n".join(system)
    if prompt.user:
        body["metadata"] = {"user_id": prompt.user}
    return merged(body, endpoint.params)


def content_of(message: ChatMessage) -> str | list[JSONDict]:
    if not message.images:
        return message.content
    images = [{"type": "image", "source": {"type": "url", "url": url}} for url in message.images]
    return [*images, {"type": "text", "text": message.content}]


def read_usage(usage: Mapping[str, object], *, written: int | None) -> Usage | None:
    """None where the counts do not say what went in.  `written` is an estimate of the output, None where
    the counts are final: those at the start of a message know of its first token only."""
    fresh = count_at(usage, "input_tokens")
    reported = count_at(usage, "output_tokens")
    if fresh is None or (reported is None and written is None):
        return None
    cached = count_at(usage, "cache_read_input_tokens") or 0
    return Usage(
        input=fresh + cached + (count_at(usage, "cache_creation_input_tokens") or 0),
        cached_input=cached,
        output=max(reported or 0, written or 0),
        is_estimated=written is not None,
    )


def part(holder: JSONDict, name: str) -> JSONDict:
    """The JSON object under the name; an empty one where there is none."""
    value = holder.get(name)
    return value if isinstance(value, dict) else {}

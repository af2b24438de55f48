"""OpenAI's chat completions, as OpenAI and everybody who says "OpenAI-compatible" streams them.

API: platform.openai.com/docs/api-reference/chat.  The providers differ in where they put usage and
thinking, how a stream ends and how an error looks; all of their ways are read here without asking
whose they are.
"""

from __future__ import annotations

from typing import Any

from bots.events import JSONDict
from bots.llms.base import ChatMessage, Endpoint, Prompt, Usage
from bots.llms.http import HEADERS, HTTPModelClient, HTTPReplyStream, KeyHeader, merged
from bots.llms.text import ThinkTags
from bots.llms.usage import read_usage


class OpenAI(HTTPModelClient):
    api = "openai"
    label = "OpenAI-compatible"

    def stream(self, endpoint: Endpoint, prompt: Prompt) -> OpenAIReplyStream:
        return OpenAIReplyStream(endpoint, prompt, self)

    @classmethod
    def check_params(cls, params: JSONDict) -> None:
        if "messages" in params:
            raise ValueError("messages: come from the conversation")


class OpenAIReplyStream(HTTPReplyStream):
    """One chat completion."""

    def __init__(self, endpoint: Endpoint, prompt: Prompt, client: OpenAI) -> None:
        super().__init__(endpoint, prompt, client)
        self._tags = ThinkTags()
        self._usage: JSONDict = {}  # the last that came: running totals replace one another

    def _request(self) -> dict[str, Any]:
        return {
            # The versioned part of the address differs between providers, so it is in the base.
            "url": self.endpoint.base_url.rstrip("/") + "/chat/completions",
            "headers": HEADERS,
            "auth": KeyHeader("Authorization", self._key(), scheme="Bearer"),
            "json": request_body(self.endpoint, self.prompt),
        }

    def _reported_usage(self) -> Usage | None:
        return read_usage(self._usage)

    def _read(self, data: str) -> str:
        if data == "[DONE]":
            self._is_done = True
            return ""
        chunk = self._parse(data)
        self._keep_usage(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        return self._read_choice(choice) if isinstance(choice, dict) else ""

    def _read_choice(self, choice: JSONDict) -> str:
        self._keep_usage(choice)  # older Moonshot models
        delta = choice.get("delta") or choice.get("message")  # the latter where nothing is streamed
        text = self._read_delta(delta) if isinstance(delta, dict) else ""
        if reason := choice.get("finish_reason"):  # StepFun sends "" for "not yet"
            self._finish(str(reason))
        return text

    def _read_delta(self, delta: JSONDict) -> str:
        thought = reasoning_in(delta)
        content = delta.get("content")
        answer = ""
        if content and isinstance(content, str):
            tagged_thought, answer = self._tags.feed(content)
            thought += tagged_thought
        self._think(thought)
        return answer

    def _keep_usage(self, holder: JSONDict) -> None:
        usage = holder.get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage

    def _rest(self) -> str:
        thought, answer = self._tags.finish()
        if thought:
            self._thoughts.append(thought)
        return answer


def request_body(endpoint: Endpoint, prompt: Prompt) -> JSONDict:
    """The request with the endpoint's parameters merged into it; None leaves a key out."""
    body: JSONDict = {
        "model": endpoint.model,
        "messages": [{"role": each.role, "content": content_of(each)} for each in prompt.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if prompt.user:
        body["user"] = prompt.user
    return merged(body, endpoint.params)


def content_of(message: ChatMessage) -> str | list[JSONDict]:
    """Words alone stay a plain text, for many models know nothing else."""
    if not message.images:
        return message.content
    images = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
    return [{"type": "text", "text": message.content}, *images]


def reasoning_in(delta: JSONDict) -> str:
    """A chunk's thinking, from the first field that has any.

    DeepSeek and most others: `reasoning_content`.  StepFun, Ollama, vLLM: `reasoning`.  MiniMax with
    `reasoning_split`: `reasoning_details[].text`.
    """
    for field in ("reasoning_content", "reasoning"):
        thought = delta.get(field)
        if thought and isinstance(thought, str):
            return thought
    details = delta.get("reasoning_details")
    if not isinstance(details, list):
        return ""
    return "".join(str(detail.get("text") or "") for detail in details if isinstance(detail, dict))

"""How the simulated agent asks a model and speaks what it answers: /aiagent-server/guides/configuring-llm."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx

from sandbox.world import JSONDict

SENTENCE_END = re.compile(r"(?<=[.!?。！？\n])\s*")
DONE = "data: [DONE]"
MODEL_FAILED, KEY_REFUSED = 2201, 2203


class Mute(Exception):
    """The agent says nothing (more): the model failed, or its stream is not as it has to be."""

    def __init__(self, reason: str, code: int = MODEL_FAILED) -> None:
        super().__init__(reason)
        self.code = code


async def spoken(http: httpx.AsyncClient, llm: JSONDict, request: JSONDict) -> AsyncIterator[str]:
    """The pieces of the answer.  Raises Mute."""
    headers = {"Authorization": f"Bearer {llm['ApiKey']}"}
    try:
        async with http.stream("POST", llm["Url"], json=request, headers=headers) as response:
            if response.status_code != 200:
                code = KEY_REFUSED if response.status_code == 401 else MODEL_FAILED
                raise Mute(f"HTTP {response.status_code}", code)
            async for piece in pieces_in(response.aiter_lines()):
                yield piece
    except httpx.HTTPError as error:
        raise Mute(f"no answer ({type(error).__name__})") from error


async def pieces_in(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    is_last = False
    async for line in lines:
        if line and not line.startswith("data: "):
            raise Mute(f"a line that does not begin with 'data: ': {line[:80]}")
        if line == DONE:
            if not is_last:
                raise Mute("the last chunk has no finish_reason stop")
            return
        if line and is_last:
            raise Mute("a chunk behind the one with finish_reason")
        if line:
            piece, is_last = _read(line.removeprefix("data: "))
            yield piece
    raise Mute("the stream ended without [DONE]")


def _read(chunk: str) -> tuple[str, bool]:
    """The words, and whether it is the last."""
    try:
        choices: list[Any] = json.loads(chunk)["choices"]
        choice = choices[0] if choices else {}
        reason = choice.get("finish_reason")
        piece = (choice.get("delta") or {}).get("content") or ""
    except (ValueError, LookupError, AttributeError) as error:
        raise Mute(f"a chunk that makes no sense: {chunk[:80]}") from error
    if reason not in (None, "", "stop"):
        raise Mute(f"finish_reason is {reason}")
    return piece, reason == "stop"


async def sentences_in(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    """What is spoken at once: sentence by sentence, the rest at the end."""
    held = ""
    async for piece in pieces:
        *whole, held = SENTENCE_END.split(held + piece)
        for sentence in whole:
            if sentence:
                yield sentence
    if held:
        yield held

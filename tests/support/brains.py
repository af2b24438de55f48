"""Asking the brain as a voice service does, without a server: straight at its ASGI application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agents.front import brain_app
from agents.models import AgentTemplate, Call

type Event = dict[str, Any]


@dataclass
class Asked:
    """A request, and what came of it."""

    scope: Event
    body: bytes
    hangs_up_at: str = ""  # the client goes once it has read this
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    @property
    def text(self) -> str:
        return self.answer.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.answer)

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.split("\n") if line]

    @property
    def chunks(self) -> list[Any]:
        """The events of a stream but for the last."""
        return [json.loads(line.removeprefix("data: ")) for line in self.lines[:-1]]

    @property
    def said(self) -> str:
        return "".join(chunk["choices"][0]["delta"]["content"] for chunk in self.chunks)

    def run(self) -> Asked:
        asyncio.run(self._run())
        return self

    async def _run(self) -> None:
        events = self._events()
        gone = asyncio.Event()

        async def receive() -> Event:
            if event := next(events, None):
                return event
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(event: Event) -> None:
            if event["type"] == "http.response.start":
                self.status = event["status"]
                self.headers = {name.decode(): value.decode() for name, value in event["headers"]}
            self.answer += event.get("body", b"")
            if self.hangs_up_at and self.hangs_up_at in self.text:
                gone.set()

        await brain_app(self.scope, receive, send)

    def _events(self) -> Iterator[Event]:
        yield {"type": "http.request", "body": self.body, "more_body": False}


def ask(
    template: AgentTemplate,
    text: str = "hello",
    *,
    call: Call | None = None,
    round_id: int = 1,
    token: str | None = None,
    hangs_up_at: str = "",
    **changes: Any,
) -> Asked:
    """What an agent asks (/aiagent-server/guides/configuring-llm)."""
    body: dict[str, Any] = {
        "model": "parley",
        "messages": [
            {"role": "system", "content": "You are somebody else."},
            {"role": "user", "content": text},
        ],
        "temperature": 0.7,
        "top_p": 0.9,
        "stream": True,
    }
    if call:
        body["agent_info"] = {
            "room_id": call.room_id,
            "agent_instance_id": call.instance_id,
            "agent_user_id": call.agent_user_id,
            "user_id": call.user_id,
            "round_id": round_id,
            "time_stamp": 1_790_000_000_000,
        }
    bearer = f"Bearer {template.brain_secret if token is None else token}"
    return Asked(
        scope=scope(template.slug, (b"authorization", bearer.encode())),
        body=json.dumps(body | changes).encode(),
        hangs_up_at=hangs_up_at,
    ).run()


def scope(slug: str, *headers: tuple[bytes, bytes], method: str = "POST") -> Event:
    return {
        "type": "http",
        "method": method,
        "path": f"/brain/{slug}/v1/chat/completions",
        "query_string": b"",
        "headers": list(headers),
    }

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from sandbox.events import event_stream
from sandbox.world import Hub

MEMBERS = frozenset({"alice", "@RBT#ada"})


def test_what_is_said_while_a_page_connects_is_told_once() -> None:
    async def connect() -> list[Any]:
        hub, said = Hub(), ["hello"]
        stream = event_stream(hub, app="1", members=MEMBERS, snapshot=lambda: {"messages": list(said)})
        say(hub, said, "is anybody there?")  # the answer's head is on its way
        async with aclosing(cast("Any", stream.body_iterator)) as lines:
            snapshot = await event_in(lines)
            say(hub, said, "now you hear me")
            return [snapshot, await event_in(lines)]

    assert asyncio.run(connect()) == [
        {"messages": ["hello", "is anybody there?"]},
        {"text": "now you hear me"},
    ]


def say(hub: Hub, said: list[str], text: str) -> None:
    said.append(text)
    hub.publish("message", app="1", members=MEMBERS, data=lambda: {"text": text})


async def event_in(lines: AsyncIterator[bytes]) -> Any:
    return json.loads((await anext(lines)).partition(b"data: ")[2])

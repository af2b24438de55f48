"""Server-sent events: what happens in a conversation, to a browser or a test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse

from sandbox.world import Hub, JSONDict, Pair

KEEP_ALIVE_S = 15.0


def event_stream(hub: Hub, *, app: str, members: Pair, snapshot: Callable[[], JSONDict]) -> StreamingResponse:
    """`snapshot` first, then everything of this app that concerns these two, or nobody in particular."""

    async def lines() -> AsyncIterator[bytes]:
        with hub.listening() as queue:
            # Taken here: what happens between a snapshot and the first listening would never be told.
            yield _line("snapshot", snapshot())
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), KEEP_ALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if event["app"] == app and (event["members"] == members or not event["members"]):
                    yield _line(event["name"], event["data"])

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


def _line(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()

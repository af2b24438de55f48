"""The ways in which an HTTP call fails under way."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response


async def fail(request: Request, how: str, timeout_s: float) -> Response:
    """Let the caller see no proper answer: `502`, `cut` (no answer at all) or `timeout`."""
    if how == "502":
        return PlainTextResponse("Bad Gateway", status_code=502)
    if how == "timeout":
        await asyncio.sleep(timeout_s)
    cut(request)
    return PlainTextResponse("")  # never seen: the connection is gone


def cut(request: Request) -> None:
    """Close the connection under the request.

    ASGI has no word for that; `receive` is a method of uvicorn's request cycle, which knows the transport.
    """
    request.receive.__self__.transport.abort()  # type: ignore[attr-defined]

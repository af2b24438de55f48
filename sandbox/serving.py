"""Running one of the sandbox's applications as a process."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp


def serve(application: ASGIApp, *, host: str, port: int, name: str) -> None:
    """Until SIGTERM or Ctrl-C.  Port 0 takes a free one; the line printed when ready says which."""
    with socket.create_server((host, port), backlog=2048) as listener:
        url = f"http://{host}:{listener.getsockname()[1]}"
        print(f"{name} at {url}", flush=True)
        config = uvicorn.Config(
            application, log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        uvicorn.Server(config).run(sockets=[listener])

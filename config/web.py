"""The web process: uvicorn around the front door."""

from __future__ import annotations

import math
import signal
import socket
import sys
from typing import Any, Final

import uvicorn
from django.conf import settings

MAX_FRAME_BYTES: Final = 64 * 1024  # that a console sends; it only says what it looks at
# An idle connection is for clients to close: what one sends while we do is lost, and an agent whose question
# is lost falls mute.  nginx keeps connections for 60 s, a call may pause as long between two rounds.
KEEP_ALIVE_S: Final = 75


def serve(listener: socket.socket, application: Any = "config.asgi:application") -> None:
    """Answer what comes in at the socket until SIGTERM, then finish what has begun.  Blocks."""
    # uvicorn repeats the signal when it is done; unanswered it would end the process before the exit
    # handlers, by which the embedded database learns that we left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        application,
        http="httptools",
        loop="uvloop",
        ws="websockets-sansio",
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # for each console again, of frames that are small
        lifespan="on",
        log_config=None,  # Django's is in place
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.DRAIN_S),
    )
    uvicorn.Server(config).run(sockets=[listener])

"""A vendor's API on loopback that answers what it is told and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from bots.events import JSONDict


@dataclass(frozen=True)
class Reply:
    body: JSONDict | bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    trouble: Literal["", "silence", "hang up"] = ""

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


SILENCE = Reply(trouble="silence")
HANG_UP = Reply(trouble="hang up")


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Cloud:
    """Answers are given in order; the last one again and again."""

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque([Reply()])
        self.requests: list[Request] = []
        self.is_closing = threading.Event()
        self.url = ""

    def will_answer(self, *replies: Reply | JSONDict) -> None:
        self.replies = deque(reply if isinstance(reply, Reply) else Reply(reply) for reply in replies)

    def hear(self, request: Request) -> Reply:
        self.requests.append(request)
        return self.replies.popleft() if len(self.replies) > 1 else self.replies[0]

    @property
    def request(self) -> Request:
        """The only one there was."""
        (request,) = self.requests
        return request


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cloud: Cloud

    def do_POST(self) -> None:  # the server calls it by this name
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._answer(self.cloud.hear(Request(parts.path, query, headers, content)))

    do_PUT = do_POST  # noqa: N815

    def _answer(self, reply: Reply) -> None:
        if reply.trouble:
            if reply.trouble == "silence":
                self.cloud.is_closing.wait(10)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.content)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, *args: object) -> None:
        """Silent."""


@contextmanager
def open_cloud(cloud: Cloud | None = None) -> Iterator[Cloud]:
    cloud = cloud or Cloud()
    handler = type("CloudHandler", (Handler,), {"cloud": cloud})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        cloud.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield cloud
        finally:
            cloud.is_closing.set()
            server.shutdown()
            thread.join()

"""Just enough HTTP to load servers and to play them, so fast that it is not what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httptools

type Transport = asyncio.WriteTransport
type Handle = Callable[[str, bytes, Transport], None]  # address, body, and where the answer goes


class ServerConnection(asyncio.Protocol):
    """Hands each request, once it is whole, to `handle`."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._handle(self._url.decode(), self._body, self._transport)


class ClientConnection(asyncio.Protocol):
    """One keep-alive connection: one request at a time."""

    def __init__(self, on_answer: Callable[[ClientConnection, int], None]) -> None:
        self._on_answer = on_answer
        self._parser = httptools.HttpResponseParser(self)
        self.lost = asyncio.Event()
        self.due_at = 0.0  # when the request under way was to leave, by time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._on_answer(self, self._parser.get_status_code())

    def send(self, request: bytes, *, due_at: float) -> None:
        self.due_at = due_at
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()


def answer(body: bytes) -> bytes:
    """An HTTP response with a JSON body."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def chunk(data: bytes) -> bytes:
    """A part of a response of which the length is not known beforehand."""
    return b"%x\r\n%s\r\n" % (len(data), data)

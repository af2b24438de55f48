"""A model provider on loopback that sends exactly the bytes a test wants."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final, Self

type Answer = Callable[[Exchange], None]

DRIBBLE_S: Final = 0.02  # between two of many small sends; far below every deadline in the tests


class Exchange:
    """One request and its answer."""

    def __init__(self, sock: socket.socket, head: str, body: bytes, connection: int) -> None:
        request_line, *headers = head.split("\r\n")
        self.method, self.path, _ = request_line.split(" ")
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
        self.raw_body = body
        self.body: Any = json.loads(body)
        self.connection = connection  # 1 for the provider's first
        self.hung_up = threading.Event()  # the client closed the connection
        self._sock = sock

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._sock.sendall(data)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def wait_for_hang_up(self) -> None:
        with contextlib.suppress(OSError):
            while self._sock.recv(1):
                pass
        self.hung_up.set()

    def dribble(self, pieces: Iterable[bytes]) -> None:
        """Send the pieces one by one, slowly, until the client has had enough."""
        for piece in pieces:
            self.send(piece)
            if select.select([self._sock], [], [], DRIBBLE_S)[0]:
                break
        self.wait_for_hang_up()


class Provider:
    """Answers every request by calling `answer`, on connections that it keeps open."""

    def __init__(self, answer: Answer, *, tls: ssl.SSLContext | None = None) -> None:
        self.exchanges: list[Exchange] = []
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock, len(self._sockets)))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket, connection: int) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._sockets[connection - 1] = sock
            stack.enter_context(sock)
            incoming = stack.enter_context(sock.makefile("rb"))
            while exchange := self._receive(sock, incoming, connection):
                self.exchanges.append(exchange)
                self._answer(exchange)

    def _receive(self, sock: socket.socket, incoming: Any, connection: int) -> Exchange | None:
        lines = list(iter(incoming.readline, b"\r\n"))[:100] if incoming.peek(1) else []
        if not lines:
            return None
        head = b"".join(lines).decode("latin-1").rstrip("\r\n")
        length = next(int(line[15:]) for line in lines if line.lower().startswith(b"content-length:"))
        return Exchange(sock, head, incoming.read(length), connection)


# Bytes to send


def head(status: str = "200 OK", *lines: str, chunked: bool = True) -> bytes:
    framing = ["Transfer-Encoding: chunked"] if chunked else []
    return "\r\n".join([f"HTTP/1.1 {status}", *framing, *lines, "", ""]).encode()


def framed(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_FRAME: Final = b"0\r\n\r\n"
DONE: Final = b"data: [DONE]\n\n"


def event(chunk: object) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def said(*pieces: str) -> bytes:
    """Events that say the pieces."""
    return b"".join(event(delta(content=piece)) for piece in pieces)


def ended(reason: str = "stop") -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})


# Ways to answer


def sending(*parts: bytes) -> Answer:
    """Each part in an HTTP chunk of its own, then the end of the body."""

    def answer(exchange: Exchange) -> None:
        exchange.send(head() + b"".join(framed(part) for part in parts) + LAST_FRAME)

    return answer


def saying(*pieces: str) -> Answer:
    """A whole and blameless answer."""
    return sending(*(said(piece) for piece in pieces), ended(), DONE)


def failing(status: str, body: object, *lines: str) -> Answer:
    """An error with a JSON body, or with the text given."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def answer(exchange: Exchange) -> None:
        length = f"Content-Length: {len(content)}"
        exchange.send(head(status, length, *lines, chunked=False) + content)

    return answer


def then_waiting(*parts: bytes) -> Answer:
    """The parts as HTTP chunks, and then nothing until the client gives up."""

    def answer(exchange: Exchange) -> None:
        exchange.send(head() + b"".join(framed(part) for part in parts))
        exchange.wait_for_hang_up()

    return answer


def then_dribbling(first: bytes, pieces: Iterable[bytes]) -> Answer:
    """Raw bytes, and then more raw bytes until the client gives up."""

    def answer(exchange: Exchange) -> None:
        exchange.send(first)
        exchange.dribble(pieces)

    return answer

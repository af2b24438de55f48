"""HTTP connections whose reads end on time, and at once when another thread says so.

`requests` alone gives neither.  Its read time-out starts anew with every byte, so a server that sends
keep-alive comments or dribbles its headers is never too slow; and `Response.close()` leaves a thread
that waits for the next byte waiting.  Here every read of the socket goes through the exchange's Line.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
import time
from collections.abc import Buffer, Callable
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, Final

import requests
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from bots import destinations

MAX_IDLE_CONNECTIONS: Final = 512  # kept for each host; a worker holds 300 streams at once
MAX_HOSTS: Final = 64


class Line:
    """One exchange: a deadline that no read outlasts, and a way to end it from any thread."""

    def __init__(self, deadline: float, *, on_sent: Callable[[], None] = lambda: None) -> None:
        self.deadline = deadline  # by time.monotonic(); may be moved between two reads
        self.on_sent = on_sent  # called when the request is out, before the answer is waited for
        self.is_sent = False  # the request is out
        self.is_reused = False  # the connection has served another exchange before
        self.is_answered = False  # the server has sent something
        self._cut = threading.Event()
        self._rest_until = 0.0
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def was_stale(self) -> bool:
        """Whether the server may have closed the connection before it saw the request: the request may
        then be sent again (RFC 9112, 9.3.1)."""
        return self.is_reused and not self.is_answered and not self._cut.is_set()

    def cut(self) -> None:
        """End the exchange now."""
        with self._lock:
            self._cut.set()
            if self._socket is not None:
                # Wakes the reading thread and tells the server, and unlike close() leaves the
                # descriptor's number taken, which the reading thread still uses.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def rest(self, seconds: float) -> None:
        """Let what comes within this time be read at one go: waking up for every piece is most of its
        cost."""
        self._rest_until = time.monotonic() + seconds

    def wait_for_rest(self) -> None:
        """Returns when the rest is over, or the line is cut."""
        seconds = self._rest_until - time.monotonic()
        if seconds > 0:
            self._cut.wait(seconds)

    def hold(self, sock: socket.socket) -> None:
        """From here on, `cut` ends this socket."""
        with self._lock:
            self.is_sent = True
            self._socket = sock

    def let_go(self) -> None:
        """The connection is about to serve others: `cut` must not touch it any more."""
        with self._lock:
            self._socket = None

    def time_left(self) -> float:
        """Seconds to the deadline.  Raises OSError if there are none, or the line is cut."""
        if self._cut.is_set():
            raise ConnectionAbortedError("we hung up")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


# The connection that a request gets is chosen deep inside urllib3, in the thread that sends it.
_line: ContextVar[Line] = ContextVar("line")


def post(session: requests.Session, line: Line, url: str, **arguments: Any) -> requests.Response:
    """`session.post` on this line; the session must come from `new_session`."""
    token = _line.set(line)
    try:
        return session.post(url, **arguments)
    finally:
        _line.reset(token)


def new_session() -> requests.Session:
    """A session for use with `post` by hundreds of threads at once."""
    session = requests.Session()
    # Accounts at one provider share a host, and must not share its cookies.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(pool_connections=MAX_HOSTS, pool_maxsize=MAX_IDLE_CONNECTIONS))
    return session


class _Reader(io.RawIOBase):
    """A socket's incoming bytes, read under the line's deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, line: Line) -> None:
        self._raw = raw
        self._socket = sock
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        self._line.wait_for_rest()
        self._socket.settimeout(self._line.time_left())
        try:
            count = self._raw.readinto(buffer)
        except ValueError as error:  # a TLS socket that was shut down between two steps of a read
            raise ConnectionAbortedError("the connection was shut down") from error
        self._line.is_answered = self._line.is_answered or bool(count)
        return count

    def close(self) -> None:
        # Comes before the connection goes back to the pool.
        self._line.let_go()
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        line = _line.get()
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, line))
        line.hold(sock)


class _Connection(destinations.Connection):
    response_class = _Response
    has_served = False

    def connect(self) -> None:
        self.has_served = False
        super().connect()

    def request(self, *arguments: Any, **options: Any) -> None:
        _line.get().is_reused = self.sock is not None and self.has_served
        super().request(*arguments, **options)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3 itself
        _line.get().on_sent()
        response = super().getresponse()
        self.has_served = True
        return response


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class _Adapter(destinations.Adapter):
    pools: ClassVar[dict[str, type[HTTPConnectionPool]]] = {"http": _Pool, "https": _TLSPool}

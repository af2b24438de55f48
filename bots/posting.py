"""A signed POST to an address that an admin has entered, with one deadline for all of it.

    X-Parley-Timestamp: 1790000000              when it was sent, by Unix time
    X-Parley-Signature: sha256=<hex>            HMAC of "<timestamp>.<body>" with the secret that both know

Where it may go, `bots.destinations` says.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import requests

from bots import destinations
from bots.errors import BotError
from bots.llms.http import NETWORK_ERRORS, root_cause
from bots.llms.wire import Line, new_session, post

MAX_ANSWER_BYTES: Final = 65_536
HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "Parley",
}


class NoAnswer(BotError):
    """The other end did not answer; says why, without the address, which may hold a token."""


@dataclass(frozen=True, slots=True)
class Parcel:
    url: str
    secret: str = field(repr=False)
    body: bytes
    timeout_s: float
    headers: Mapping[str, str] = field(default_factory=dict)


def exchange(parcel: Parcel) -> tuple[int, str]:
    """The status and the text of the answer.  Blocks.  Raises NoAnswer."""
    line = Line(deadline=time.monotonic() + parcel.timeout_s)
    # Raised outside the `except` clause: the original tells the address.
    try:
        with closing(send(line, parcel)) as response:
            answer: bytes = response.raw.read(MAX_ANSWER_BYTES, decode_content=True)
            return response.status_code, answer.decode(errors="replace")
    except NETWORK_ERRORS as error:
        failure = explain(error, parcel.timeout_s)
    raise NoAnswer(failure)


def send(line: Line, parcel: Parcel) -> requests.Response:
    """The beginning of the answer.  A kept connection that the other end has closed shows by its use."""
    headers = HEADERS | signed(parcel.secret, parcel.body, at=int(time.time())) | dict(parcel.headers)
    while True:
        seconds = line.time_left()
        try:
            return post(
                session(),
                line,
                parcel.url,
                data=parcel.body,
                headers=headers,
                timeout=(seconds, seconds),
                stream=True,
                allow_redirects=False,
            )
        except requests.ConnectionError:
            if not line.was_stale:
                raise


def signed(secret: str, body: bytes, *, at: int) -> dict[str, str]:
    """The headers by which the other end knows that it is us who ask, and when."""
    signature = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return {"X-Parley-Timestamp": str(at), "X-Parley-Signature": f"sha256={signature}"}


def explain(error: Exception, timeout_s: float) -> str:
    if refused := destinations.refusal(error):
        return refused
    cause = root_cause(error)
    if isinstance(cause, TimeoutError) or isinstance(error, requests.Timeout):
        return f"no answer within {timeout_s:g} s"
    return f"no answer ({type(cause).__name__})"


def status_in_words(status: int) -> str:
    return f"HTTP {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")


@cache
def session() -> requests.Session:
    """One for all such addresses of this process.  It asks them directly: behind a proxy nobody could tell
    where a request goes."""
    session = new_session()
    session.trust_env = False
    return session

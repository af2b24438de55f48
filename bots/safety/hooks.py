"""A moderator over HTTP: one signed POST for each text, with one deadline for all of it.

    X-Parley-Timestamp: 1790000000                      when it was asked, by Unix time
    X-Parley-Signature: sha256=<hex>                    HMAC of "<timestamp>.<body>" with the hook's secret
    {"text": …, "direction": "input", "robot": …, "user": …}    → 200 {"allow": true, "reason": …}

Where it may go, `bots.destinations` says.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from contextlib import closing
from functools import cache
from typing import Final

import requests

from bots import destinations
from bots.events import JSONDict
from bots.llms.http import NETWORK_ERRORS, root_cause
from bots.llms.wire import Line, new_session, post
from bots.safety.moderation import NoVerdict, Terms, Verdict
from bots.text import clean_json

MAX_ANSWER_BYTES: Final = 65_536
HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "Parley",
}


def ask(terms: Terms, question: JSONDict) -> Verdict:
    """The hook's verdict.  Blocks.  Raises NoVerdict."""
    # Raised outside the `except` clauses: the originals tell the address, which may hold a token.
    try:
        status, answer = exchange(terms, question)
    except NETWORK_ERRORS as error:
        failure = explain(error, terms)
    else:
        if status == 200:
            return Verdict.read(answer)
        failure = f"HTTP {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")
    raise NoVerdict(failure)


def exchange(terms: Terms, question: JSONDict) -> tuple[int, str]:
    """The status and the text of the hook's answer."""
    body = json.dumps(clean_json(question), ensure_ascii=False, separators=(",", ":")).encode()
    line = Line(deadline=time.monotonic() + terms.timeout_s)
    with closing(send(line, terms, body)) as response:
        return response.status_code, response.raw.read(MAX_ANSWER_BYTES, decode_content=True).decode()


def send(line: Line, terms: Terms, body: bytes) -> requests.Response:
    """The beginning of the answer.  A kept connection that the hook has closed meanwhile shows by its use."""
    headers = HEADERS | signed(terms.secret, body, at=int(time.time()))
    while True:
        seconds = line.time_left()
        try:
            return post(
                session(),
                line,
                terms.url,
                data=body,
                headers=headers,
                timeout=(seconds, seconds),
                stream=True,
                allow_redirects=False,
            )
        except requests.ConnectionError:
            if not line.was_stale:
                raise


def signed(secret: str, body: bytes, *, at: int) -> dict[str, str]:
    """The headers by which the hook knows that it is us who ask, and when."""
    signature = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return {"X-Parley-Timestamp": str(at), "X-Parley-Signature": f"sha256={signature}"}


def explain(error: Exception, terms: Terms) -> str:
    if refused := destinations.refusal(error):
        return refused
    cause = root_cause(error)
    if isinstance(cause, TimeoutError) or isinstance(error, requests.Timeout):
        return f"no answer within {terms.timeout_s:g} s"
    return f"no answer ({type(cause).__name__})"


@cache
def session() -> requests.Session:
    """One for all hooks of this process.  It asks them directly: behind a proxy nobody could tell where a
    request goes."""
    session = new_session()
    session.trust_env = False
    return session

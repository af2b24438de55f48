"""What all channels share.

ChannelError                  party, code, permanent, retry_after
└── ChannelRefused            said no, or cannot be used as it is set up → give up, tell a person
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

import requests
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from bots import destinations
from bots.errors import RemoteError
from bots.events import JSONDict
from bots.llms.http import NETWORK_ERRORS, root_cause
from bots.llms.wire import Line, new_session, post
from bots.text import clean_json, shorten

if TYPE_CHECKING:
    from alerts.letters import Letter

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 65_536
SHOWN_CHARACTERS: Final = 200  # of the other side's complaint
HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Parley"}
JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


class ChannelError(RemoteError):
    """A channel did not take what it was to tell."""


class ChannelRefused(ChannelError):
    """A channel said no, and would do so again."""

    permanent = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A channel with its settings."""

    label: ClassVar[Any]

    url: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    recipients: Sequence[str] = ()

    @classmethod
    def check(cls, *, url: str, recipients: Sequence[str]) -> None:
        """Raises ValidationError where it cannot be used."""
        raise NotImplementedError

    def send(self, letter: Letter) -> None:
        """Blocks.  Raises ChannelError."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPSender(Sender):
    """One that is told by a POST of JSON."""

    @classmethod
    def check(cls, *, url: str, recipients: Sequence[str]) -> None:
        if not url:
            raise ValidationError({"url": _("this kind of channel needs an address")})
        # Unlike other addresses these may have a query, in which the robot's token is.
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValidationError({"url": _("must be an address that begins with http:// or https://")})

    def send(self, letter: Letter) -> None:
        now = time.time()
        body = json.dumps(clean_json(self.body(letter, now)), ensure_ascii=False).encode()
        status, answer = exchange(
            self.url, body, params=self.params(now), headers=self.headers(letter, body, now)
        )
        self.judge(status, answer)

    def body(self, letter: Letter, now: float) -> JSONDict:
        raise NotImplementedError

    def params(self, now: float) -> Mapping[str, str]:
        return {}

    def headers(self, letter: Letter, body: bytes, now: float) -> Mapping[str, str]:
        return {}

    def judge(self, status: int, answer: str) -> None:
        """Raises ChannelError for an answer that is no yes."""
        if status == 429:
            raise ChannelError("told to slow down", code="429", retry_after=60)
        if status >= 500 or status == 408:
            raise ChannelError(f"HTTP {status}")
        if status >= 300:
            note = ", and redirects are not followed" if status < 400 else ""
            raise ChannelRefused(f"HTTP {status}{note}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRobot(HTTPSender):
    """A chat app's robot, which answers with HTTP 200 whatever it has to say."""

    code_field: ClassVar[str]
    text_field: ClassVar[str]
    busy_codes: ClassVar[frozenset[int]]

    def judge(self, status: int, answer: str) -> None:
        HTTPSender.judge(self, status, answer)
        try:
            told = clean_json(json.loads(answer))
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or self.code_field not in told:
            raise ChannelError("the answer makes no sense")
        code = told[self.code_field]
        if code in self.busy_codes:
            raise ChannelError("told to slow down", code=str(code), retry_after=60)
        if code != 0:
            raise ChannelRefused(
                shorten(str(told.get(self.text_field, "")), SHOWN_CHARACTERS), code=str(code)
            )


def exchange(
    url: str, body: bytes, *, params: Mapping[str, str], headers: Mapping[str, str]
) -> tuple[int, str]:
    """Status and text of the answer.  Raises ChannelError."""
    # Raised outside the `except` clause: the originals tell the address, which is a secret.
    try:
        with closing(ask(url, body, params, HEADERS | JSON | dict(headers))) as response:
            return response.status_code, response.raw.read(MAX_ANSWER_BYTES, decode_content=True).decode()
    except NETWORK_ERRORS as error:
        failure = explain(error)
    raise failure


def ask(url: str, body: bytes, params: Mapping[str, str], headers: Mapping[str, str]) -> requests.Response:
    """The beginning of the answer.  A kept connection that was closed meanwhile shows by its use."""
    line = Line(deadline=time.monotonic() + TIMEOUT_S)
    while True:
        timeout = (line.time_left(),) * 2
        try:
            return post(
                session(), line, url, data=body, params=params, headers=headers, timeout=timeout, stream=True,
                allow_redirects=False,
            )  # fmt: skip
        except requests.ConnectionError:
            if not line.was_stale:
                raise


def explain(error: Exception) -> ChannelError:
    if refused := destinations.refusal(error):
        return ChannelRefused(refused)
    cause = root_cause(error)
    if isinstance(cause, TimeoutError) or isinstance(error, requests.Timeout):
        return ChannelError(f"no answer within {TIMEOUT_S:g} s")
    return ChannelError(f"no answer ({type(cause).__name__})")


@cache
def session() -> requests.Session:
    """Asks directly: behind a proxy nobody could tell where a request goes."""
    session = new_session()
    session.trust_env = False
    return session

"""Answers that come over HTTP: deadlines, hanging up, and errors, the same for every API."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3
from django.conf import settings
from requests import exceptions
from requests.auth import AuthBase
from sseclient import SSEClient

from bots.destinations import refusal
from bots.errors import ModelCancelled, ModelDenied, ModelError, ModelRefused, ModelTooSlow, ModelUnreachable
from bots.events import JSONDict
from bots.llms.base import Endpoint, LanguageModelClient, Prompt, ReplyStream
from bots.llms.failures import BAD_ENDS, complaint_in, error_for, read_error_body, read_retry_after, tidy
from bots.llms.wire import Line, new_session, post

READ_BYTES: Final = 65_536
MAX_BODY_BYTES: Final = 32 * 1024 * 1024  # a hundred times the longest answer; an endless one must end
MAX_ERROR_BYTES: Final = 65_536
ERROR_BODY_S: Final = 2.0  # the status says that it failed; the reason is worth waiting this long
LAST_WORDS_S: Final = 3.0  # after `finish_reason`: usage and [DONE] follow at once, or never
LONGEST_REST_S: Final = 0.4  # so late may the end of an answer, or of a connection, be noticed
DRAIN_S: Final = 0.05  # after [DONE]: the end of the body, which makes the connection fit for others

HEADERS: Final = {
    "Accept": "text/event-stream",
    "Accept-Encoding": "identity",  # compressors hold text back
}

NETWORK_ERRORS: Final = (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException, UnicodeDecodeError)
BAD_ADDRESSES: Final = (exceptions.InvalidURL, exceptions.InvalidSchema, exceptions.MissingSchema)


class HTTPModelClient(LanguageModelClient):
    """A client that keeps connections for all its streams."""

    def __init__(self, *, verify: bool | str = True) -> None:
        self.session = new_session()
        self.verify = verify  # True, or the path of the certificates to trust


class HTTPReplyStream(ReplyStream):
    """An answer as server-sent events or, from a server that does not stream, as one JSON object."""

    def __init__(self, endpoint: Endpoint, prompt: Prompt, client: HTTPModelClient) -> None:
        refuse_unless_allowed(endpoint)
        super().__init__(endpoint, prompt)
        self._client = client
        self._line = Line(deadline=0.0, on_sent=lambda: self._asked())
        self._total_at = 0.0  # the total deadline, by time.monotonic()
        self._has_begun = False  # text or thinking has come
        self._is_done = False  # the server said that nothing follows
        self._response: requests.Response | None = None

    # What an API fills in

    def _request(self) -> dict[str, Any]:
        """The arguments of `requests.post`: url, json, auth, headers."""
        raise NotImplementedError

    def _read(self, data: str) -> str:
        """Take in one event; → its part of the answer.  Raises ModelError."""
        raise NotImplementedError

    def _rest(self) -> str:
        """What was held back of the answer, now that nothing follows."""
        return ""

    def rest(self, seconds: float) -> None:
        self._line.rest(min(seconds, LONGEST_REST_S))

    # What it finds

    def _heard(self) -> None:
        """Thinking came, or text that the consumer has taken by now: the wait starts anew."""
        self._has_begun = True
        pause = LAST_WORDS_S if self.finish_reason else self.endpoint.timeouts.stall_s
        self._line.deadline = min(time.monotonic() + pause, self._total_at)

    def _key(self) -> str:
        """The API key, fit for a header.  Raises ModelDenied."""
        key = self.endpoint.api_key.strip()
        if not (key.isascii() and key.isprintable()):
            raise self._error(
                ModelDenied, "the API key has characters that no HTTP header carries", code="api_key"
            )
        return key

    def _parse(self, data: str) -> JSONDict:
        """The JSON object that an event carries.  Raises ModelError, also where the object is a complaint."""
        content = parse_object(data)
        if content is None:
            raise self._error(ModelUnreachable, f"sent what is not a JSON object: {data}", code="not_json")
        if complaint := complaint_in(content):
            raise error_for(self.endpoint, complaint)
        return content

    def _think(self, thought: str) -> None:
        """The model has thought this."""
        if thought:
            self._thoughts.append(thought)
            self._heard()

    def _finish(self, reason: str) -> None:
        """The model has said its last word; usage may follow.  Raises ModelError for a bad end."""
        if kind := BAD_ENDS.get(reason):
            code = "content_filter" if kind is ModelRefused else reason
            raise self._error(kind, f"the provider ended the answer: {reason}", code=code)
        if not self.finish_reason:
            self.finish_reason = reason
            self._heard()

    def _hang_up(self) -> None:
        self._line.cut()

    def _listen(self) -> Iterator[str]:
        self._set_deadlines()
        try:
            self._response = self._open()
            for data in event_data(self._blocks(self._response)):
                if text := self._read(data):
                    yield text
                    self._heard()
                if self._is_done:
                    break
        except NETWORK_ERRORS as error:
            if self._is_cancelled or not self.finish_reason:
                raise self._explain(error) from error
        if rest := self._rest():
            yield rest
        self._check_whole()

    def _set_deadlines(self) -> None:
        now = time.monotonic()
        self._total_at = now + self.endpoint.timeouts.total_s
        self._line.deadline = min(now + self.endpoint.timeouts.first_token_s, self._total_at)

    def _open(self) -> requests.Response:
        """The beginning of the answer.  A connection that the server gave up while nobody used it is
        found out by using it: then another is tried, and a new one at last."""
        while True:
            try:
                response = self._send()
            except exceptions.ConnectionError:
                if not self._line.was_stale:
                    raise
            else:
                if not 200 <= response.status_code < 300:
                    raise self._refusal(response)
                return response

    def _send(self) -> requests.Response:
        seconds = self._line.time_left()
        return post(
            self._client.session,
            self._line,
            timeout=(min(self.endpoint.timeouts.connect_s, seconds), seconds),
            stream=True,
            allow_redirects=False,  # they would carry the key elsewhere
            verify=self._client.verify,
            **self._request(),
        )

    def _blocks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it arrives: what is there, not blocks of a size, which would hold text back."""
        is_encoded = "content-encoding" in response.headers  # though we asked for none
        size = 0
        while block := response.raw.read1(READ_BYTES, decode_content=is_encoded):
            size += len(block)
            if size > MAX_BODY_BYTES:
                raise self._error(ModelUnreachable, f"the answer passed {MAX_BODY_BYTES} bytes")
            yield block

    def _refusal(self, response: requests.Response) -> ModelError:
        self._response = response
        self._line.deadline = min(self._line.deadline, time.monotonic() + ERROR_BODY_S)
        body = b""
        with contextlib.suppress(*NETWORK_ERRORS):
            for block in self._blocks(response):
                body += block
                if len(body) > MAX_ERROR_BYTES:
                    break
        retry_after = read_retry_after(response.headers.get("Retry-After"), now=datetime.now(UTC))
        complaint = read_error_body(body)
        return error_for(self.endpoint, complaint, status=response.status_code, retry_after=retry_after)

    def _check_whole(self) -> None:
        self._check_not_cancelled()
        if not (self._is_done or self.finish_reason):
            raise self._error(ModelUnreachable, "the stream ended before the answer did", code="cut_off")

    def _explain(self, error: Exception) -> ModelError:
        """What a failure of the network means."""
        if self._is_cancelled:
            return self._error(ModelCancelled)
        if isinstance(error, BAD_ADDRESSES):
            return self._error(ModelDenied, f"the base address cannot be used: {error}", code="base_url")
        cause = root_cause(error)
        if isinstance(cause, TimeoutError):
            return self._too_slow()
        if refused := refusal(error):
            return self._error(ModelDenied, refused, code="private")
        host = urlsplit(self.endpoint.base_url).netloc.rpartition("@")[2]
        return self._error(ModelUnreachable, f"{host}: {type(cause).__name__}: {cause}")

    def _too_slow(self) -> ModelTooSlow:
        timeouts = self.endpoint.timeouts
        if not self._line.is_sent:
            code, seconds, missed = "connect", timeouts.connect_s, "no connection"
        elif self._line.deadline == self._total_at:
            code, seconds, missed = "total", timeouts.total_s, "no end of the answer"
        elif not self._has_begun:
            code, seconds, missed = "first_token", timeouts.first_token_s, "no beginning of an answer"
        else:
            code, seconds, missed = "stall", timeouts.stall_s, "nothing more of the answer"
        return self._error(ModelTooSlow, f"{missed} within {seconds:g} s", code=code)

    def _error[E: ModelError](self, kind: type[E], detail: str = "", *, code: str = "") -> E:
        return kind(tidy(detail, secret=self.endpoint.api_key), party=self.endpoint.slug, code=code)

    def _release(self) -> None:
        if self._response is None:
            return
        if self._is_done and not self._is_cancelled:
            self._line.deadline = time.monotonic() + DRAIN_S
            with contextlib.suppress(*NETWORK_ERRORS):
                while self._response.raw.read1(READ_BYTES):
                    pass
        self._response.close()
        self._response = None


class KeyHeader(AuthBase):
    """A header with the key, or none.  As `auth`, it keeps requests from looking into .netrc."""

    def __init__(self, name: str, key: str, *, scheme: str = "") -> None:
        self._name = name
        self._key = key
        self._scheme = scheme

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers[self._name] = f"{self._scheme} {self._key}".lstrip()
        return request


def merged(target: JSONDict, patch: JSONDict) -> JSONDict:
    """The target after a JSON merge patch (RFC 7396)."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


def event_data(blocks: Iterator[bytes]) -> Iterator[str]:
    """The data of each server-sent event; a body that is one JSON object counts as one."""
    first = next(filter(bytes.strip, blocks), b"")  # DeepSeek sends blank lines while a request waits
    body = chain([first], blocks)
    if first.lstrip().startswith(b"{"):
        yield b"".join(body).decode()
    else:
        # sseclient splits at CR and LF only; U+2028 and U+0085 are part of the text.
        yield from (event.data for event in SSEClient(body).events())


def parse_object(data: str) -> JSONDict | None:
    """The JSON object in the text; None where there is none."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def root_cause(error: BaseException) -> BaseException:
    """What happened first; the libraries wrap it several times."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def refuse_unless_allowed(endpoint: Endpoint) -> None:
    """A test that would ask a real model fails here.  Raises RuntimeError."""
    if getattr(settings, "ALLOW_REAL_MODELS", True) or not leaves_this_machine(endpoint.base_url):
        return
    raise RuntimeError(
        f"model {endpoint.slug!r} is at {endpoint.base_url}, and ALLOW_REAL_MODELS is off: "
        "use the scripted model or a server on loopback"
    )


def leaves_this_machine(url: str) -> bool:
    """Whether a request to the address would go to another machine."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False  # no address at all; the request will say so
    return not (host is None or host == "localhost" or is_loopback(host))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

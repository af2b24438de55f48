"""Calls of a vendor's HTTP API, and in words without secrets what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import requests

from bots.destinations import refusal
from bots.errors import VendorUnreachable
from bots.events import JSONDict
from bots.text import clean_json

HEADERS: Final = {"Accept": "application/json", "User-Agent": "Parley"}


class Content(NamedTuple):
    """What a request carries."""

    media_type: str
    data: bytes


def as_json(body: JSONDict) -> Content:
    text = json.dumps(clean_json(body), ensure_ascii=False, separators=(",", ":"))
    return Content("application/json", text.encode())


def as_form(values: Mapping[str, str]) -> Content:
    return Content("application/x-www-form-urlencoded", urlencode(clean_json(dict(values))).encode())


@cache
def environment_for(session: requests.Session, address: str) -> dict[str, Any]:
    """The proxy and the certificates that this process's environment names for an address."""
    return dict(session.merge_environment_settings(address, {}, None, None, None))


@dataclass(frozen=True, slots=True, kw_only=True)
class JSONClient:
    """A vendor's API as one account reaches it.  Threads share it."""

    session: requests.Session
    party: str  # the vendor's name, for errors
    timeout_s: tuple[float, float]  # for the connection, for the answer

    def post(self, address: str, body: JSONDict, *, call: str, params: Mapping[str, str | int]) -> JSONDict:
        """The JSON object that came with status 200: for APIs that say with it whatever they have to say."""
        response = self.ask("POST", address, as_json(body), call=call, params=params)
        if response.status_code != 200:
            raise self.failed(call, response)
        return self.answer_in(response, call=call)

    def ask(
        self,
        method: str,
        address: str,
        content: Content,
        *,
        call: str,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The answer, whatever its status; `call` names the call in errors.

        Errors are raised outside the `except` clauses: the text of the original holds the address, and
        that may hold a signature.
        """
        all_headers = {**HEADERS, "Content-Type": content.media_type, **(headers or {})}
        # Prepared without the session, which would look through the environment for every call.
        request = requests.Request(method, address, headers=all_headers, data=content.data, params=params)
        try:
            return self.session.send(
                request.prepare(),
                timeout=self.timeout_s,
                allow_redirects=False,
                **environment_for(self.session, address),
            )
        except requests.Timeout:
            failure = "no answer in time"
        except requests.RequestException as error:
            failure = refusal(error) or f"no answer ({type(error).__name__})"
        raise self.unreachable(call, failure)

    def answer_in(self, response: requests.Response, *, call: str) -> JSONDict:
        """The JSON object in an answer of any status."""
        try:
            answer = clean_json(json.loads(response.content))
        except (ValueError, RecursionError):
            raise self.failed(call, response, "the answer is not JSON") from None
        if not isinstance(answer, dict):
            raise self.failed(call, response, "the answer is not a JSON object")
        return answer

    def failed(self, call: str, response: requests.Response, why: str = "") -> VendorUnreachable:
        """What an answer that makes no sense comes to."""
        if response.status_code == 200:
            return self.unreachable(call, why)
        status = str(response.status_code)
        return self.unreachable(call, f"HTTP {status}, {why}" if why else f"HTTP {status}", code=status)

    def unreachable(self, call: str, failure: str, *, code: str = "") -> VendorUnreachable:
        return VendorUnreachable(f"{call}: {failure}", party=self.party, code=code)

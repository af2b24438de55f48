"""Calls of a vendor's HTTP API: JSON there and back, and in words without secrets what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import requests

from bots.errors import VendorUnreachable
from bots.events import JSONDict
from bots.text import clean_json

HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "Parley"}


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
        """The JSON object that came with status 200; `call` names the call in errors.

        Errors are raised outside the `except` clauses: the text of the original holds the address, and
        that may hold a signature.
        """
        data = json.dumps(clean_json(body), ensure_ascii=False, separators=(",", ":")).encode()
        # Prepared without the session, which would look through the environment for every call.
        request = requests.Request("POST", address, headers=HEADERS, data=data, params=params)
        try:
            response = self.session.send(
                request.prepare(),
                timeout=self.timeout_s,
                allow_redirects=False,
                **environment_for(self.session, address),
            )
        except requests.Timeout:
            failure = "no answer in time"
        except requests.RequestException as error:
            failure = f"no answer ({type(error).__name__})"
        else:
            return self._read(response, call)
        raise self.unreachable(call, failure)

    def unreachable(self, call: str, failure: str, *, code: str = "") -> VendorUnreachable:
        return VendorUnreachable(f"{call}: {failure}", party=self.party, code=code)

    def _read(self, response: requests.Response, call: str) -> JSONDict:
        if response.status_code != 200:  # whatever the API itself has to say comes with 200
            raise self.unreachable(call, f"HTTP {response.status_code}", code=str(response.status_code))
        try:
            answer = clean_json(json.loads(response.content))
        except (ValueError, RecursionError):
            raise self.unreachable(call, "the answer is not JSON") from None
        if not isinstance(answer, dict):
            raise self.unreachable(call, "the answer is not a JSON object")
        return answer

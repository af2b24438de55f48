"""Calls of Easemob's REST API (overview.html, easemob_app_token.html)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import requests

from bots.errors import VendorUnreachable
from bots.events import JSONDict
from bots.text import clean_json, shorten
from bots.vendors.easemob.config import EasemobConfig
from bots.vendors.easemob.errors import error_of
from bots.vendors.easemob.token import AppToken, NewToken
from bots.vendors.memory import Memory
from bots.vendors.reading import Fields

LONGEST_WORDS: Final = 300
TOKEN_LIFETIME_S: Final = 24 * 3600
LONGEST_TOKEN: Final = 5000


class EasemobClient:
    """One app's access to the API.  Threads share it."""

    def __init__(
        self,
        config: EasemobConfig,
        session: requests.Session,
        *,
        timeout_s: tuple[float, float],  # for the connection, for the answer
        now: Callable[[], float],
        memory: Callable[[], Memory],
    ) -> None:
        self.config = config
        self.session = session
        self.timeout_s = timeout_s
        self._host = config.api_base.rstrip("/")
        self._app = f"{config.org_name}/{config.app_name}"
        self._token = AppToken(f"{self._host}/{self._app}#{config.client_id}", self._new_token, now, memory)

    def call(self, call: str, request: JSONDict) -> JSONDict:
        """POST of JSON to the app's `call`; → the answer.  Raises VendorError."""
        return self._with_token("POST", call, f"{self._host}/{self._app}/{call}", request)

    def call_v6(self, call: str, request: JSONDict) -> JSONDict:
        """The same for the calls that have another address (message_roam_single_obtain.html)."""
        return self._with_token("POST", call, f"{self._host}/api/server/v6/{self._app}/{call}", request)

    def put_form(self, call: str, values: dict[str, str]) -> JSONDict:
        return self._with_token("PUT", call, f"{self._host}/{self._app}/{call}", values)

    def _with_token(self, method: str, call: str, url: str, request: JSONDict) -> JSONDict:
        token = self._token.current()
        response = self._ask(method, call, url, request, token)
        if response.status_code == 401:  # its life is not guaranteed to the end
            token = self._token.replace(token)
            response = self._ask(method, call, url, request, token)
        return _read_answer(call, response, token)

    def _new_token(self) -> NewToken:
        request = {
            "grant_type": "client_credentials",
            "client_id": self.config.client_id,
            "client_secret": self.config.client_secret,
            "ttl": TOKEN_LIFETIME_S,
        }
        response = self._ask("POST", "token", f"{self._host}/{self._app}/token", request, "")
        answer = Fields(
            _read_answer("token", response, self.config.client_secret), path="answer: ", error=_unreachable
        )
        # Without an expiry, and on the clusters that tell it in milliseconds, 401 tells soon enough.
        lifetime_s = answer.number("expires_in", TOKEN_LIFETIME_S)
        return NewToken(answer.id("access_token", longest=LONGEST_TOKEN), lifetime_s)

    def _ask(self, method: str, call: str, url: str, request: JSONDict, token: str) -> requests.Response:
        """Errors are raised outside the `except` clauses, as the original's text may hold anything."""
        content = _form(request) if method == "PUT" else _json(request)
        try:
            return self.session.request(
                method,
                url,
                timeout=self.timeout_s,
                allow_redirects=False,
                **content,
                auth=lambda prepared: _with_headers(prepared, token),
            )
        except requests.Timeout:
            failure = "no answer in time"
        except requests.RequestException as error:
            failure = f"no answer ({type(error).__name__})"
        raise _unreachable(f"{call}: {failure}")


def _with_headers(prepared: requests.PreparedRequest, token: str) -> requests.PreparedRequest:
    """By `auth`, so that no .netrc on the machine can put another Authorization there."""
    prepared.headers["Accept"] = "application/json"
    if token:
        prepared.headers["Authorization"] = f"Bearer {token}"
    return prepared


def _json(request: JSONDict) -> dict[str, Any]:
    body = json.dumps(clean_json(request), ensure_ascii=False, separators=(",", ":")).encode()
    return {"data": body, "headers": {"Content-Type": "application/json"}}


def _form(request: JSONDict) -> dict[str, Any]:
    return {"data": clean_json(request)}


def _read_answer(call: str, response: requests.Response, secret: str) -> JSONDict:
    status = response.status_code
    if status < 400 and status != 200:
        raise _unreachable(f"{call}: HTTP {status}", code=str(status))
    try:
        answer = clean_json(json.loads(response.content))
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        if 400 <= status < 500:
            raise error_of(call, status=status, name="", code="", words=f"HTTP {status}")
        raise _unreachable(f"{call}: HTTP {status}, the answer is none of Easemob's", code=str(status))
    name, code, words = (str(answer.get(key) or "") for key in ("error", "error_code", "error_description"))
    if status != 200 or name:
        words = shorten(words.replace(secret, "…") if secret else words, LONGEST_WORDS)
        raise error_of(call, status=status, name=name, code=code, words=words)
    return answer


def _unreachable(failure: str, *, code: str = "") -> VendorUnreachable:
    return VendorUnreachable(failure, party="easemob", code=code)

"""Calls of Easemob's REST API (overview.html, easemob_app_token.html)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import requests

from bots.errors import VendorUnreachable
from bots.events import JSONDict
from bots.text import shorten
from bots.vendors.easemob.config import EasemobConfig
from bots.vendors.easemob.errors import error_of
from bots.vendors.easemob.token import AppToken, NewToken
from bots.vendors.http import Content, JSONClient, as_form, as_json
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
        self._http = JSONClient(session=session, party="easemob", timeout_s=timeout_s)
        self._host = config.api_base.rstrip("/")
        self._app = f"{config.org_name}/{config.app_name}"
        self._token = AppToken(f"{self._host}/{self._app}#{config.client_id}", self._new_token, now, memory)

    def call(self, call: str, request: JSONDict) -> JSONDict:
        """POST of JSON to the app's `call`; → the answer.  Raises VendorError."""
        return self._with_token("POST", call, self._address(call), as_json(request))

    def call_v6(self, call: str, request: JSONDict) -> JSONDict:
        """The same for the calls that have another address (message_roam_single_obtain.html)."""
        address = f"{self._host}/api/server/v6/{self._app}/{call}"
        return self._with_token("POST", call, address, as_json(request))

    def put(self, call: str, name: str, request: JSONDict) -> JSONDict:
        """PUT of JSON to what the call has under that name."""
        return self._with_token("PUT", call, self._address(f"{call}/{name}"), as_json(request))

    def put_form(self, call: str, values: Mapping[str, str]) -> JSONDict:
        return self._with_token("PUT", call, self._address(call), as_form(values))

    def _address(self, call: str) -> str:
        return f"{self._host}/{self._app}/{call}"

    def _with_token(self, method: str, call: str, address: str, content: Content) -> JSONDict:
        token = self._token.current()
        response = self._ask(method, call, address, content, token)
        if response.status_code == 401:  # its life is not guaranteed to the end
            token = self._token.replace(token)
            response = self._ask(method, call, address, content, token)
        return self._read(call, response, token)

    def _ask(self, method: str, call: str, address: str, content: Content, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self._http.ask(method, address, content, call=call, headers=headers)

    def _new_token(self) -> NewToken:
        request = {
            "grant_type": "client_credentials",
            "client_id": self.config.client_id,
            "client_secret": self.config.client_secret,
            "ttl": TOKEN_LIFETIME_S,
        }
        response = self._http.ask("POST", self._address("token"), as_json(request), call="token")
        answer = Fields(
            self._read("token", response, self.config.client_secret),
            path="answer: ",
            error=partial(VendorUnreachable, party="easemob"),
        )
        # Without an expiry, and on the clusters that tell it in milliseconds, 401 tells soon enough.
        lifetime_s = answer.number("expires_in", TOKEN_LIFETIME_S)
        return NewToken(answer.id("access_token", longest=LONGEST_TOKEN), lifetime_s)

    def _read(self, call: str, response: requests.Response, secret: str) -> JSONDict:
        """The answer of a call that went well; the HTTP status tells, and the body more of it."""
        status = response.status_code
        if status < 400 and status != 200:
            raise self._http.failed(call, response)
        try:
            answer = self._http.answer_in(response, call=call)
        except VendorUnreachable:
            if 400 <= status < 500:  # a proxy's page, or the web server's: it would say the same again
                raise error_of(call, status=status, name="", code="", words=f"HTTP {status}") from None
            raise
        name, code, words = (
            str(answer.get(key) or "") for key in ("error", "error_code", "error_description")
        )
        if status != 200 or name:
            words = shorten(words.replace(secret, "…") if secret else words, LONGEST_WORDS)
            raise error_of(call, status=status, name=name, code=code, words=words)
        return answer

"""Calls of ZEGO's server API (/zim-server/accessing-server-apis)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Final

import requests

from bots.events import JSONDict
from bots.text import shorten
from bots.vendors.http import JSONClient
from bots.vendors.zego.config import ZegoConfig
from bots.vendors.zego.errors import MEANINGS, SIGNATURE_EXPIRED, Meaning, error_of

LONGEST_MESSAGE: Final = 300


def signature_of(app_id: int, nonce: str, server_secret: str, timestamp: int) -> str:
    """MD5 is what ZEGO asks for; it covers neither the action nor the body."""
    text = f"{app_id}{nonce}{server_secret}{timestamp}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class ZegoClient:
    """One project's access to an API of ZEGO's, that of ZIM unless another is named.  Threads share it."""

    def __init__(
        self,
        config: ZegoConfig,
        session: requests.Session,
        *,
        timeout_s: tuple[float, float],  # for the connection, for the answer
        now: Callable[[], float],
        address: str = "",
        meanings: Mapping[int, Meaning] = MEANINGS,
    ) -> None:
        self.config = config
        self._address = f"{(address or config.zim_api_base).rstrip('/')}/"
        self._meanings = meanings
        self._http = JSONClient(session=session, party="zego", timeout_s=timeout_s)
        self._now = now

    def call(self, action: str, request: JSONDict) -> JSONDict:
        """→ the answer, whose Code is 0.  Raises VendorError."""
        answer = self._post(action, request)
        if answer["Code"] == SIGNATURE_EXPIRED:  # it waited for too long on its way: a new one may help
            answer = self._post(action, request)
        if code := code_of(answer):
            raise error_of(action, code, answer["Message"], self._meanings)
        return answer

    def _post(self, action: str, request: JSONDict) -> JSONDict:
        """An answer that has a Code, and a Message that can be shown."""
        answer = self._http.post(self._address, request, call=action, params=self._query(action))
        try:
            answer["Code"] = int(answer["Code"])
        except (ValueError, TypeError, KeyError, OverflowError):
            raise self._http.unreachable(action, "the answer is none of ZEGO's") from None
        answer["Message"] = shorten(str(answer.get("Message") or ""), LONGEST_MESSAGE)
        return answer

    def _query(self, action: str) -> dict[str, str | int]:
        nonce, timestamp = secrets.token_hex(8), int(self._now())
        return {
            "Action": action,
            "AppId": self.config.app_id,
            "SignatureNonce": nonce,
            "Timestamp": timestamp,
            "SignatureVersion": "2.0",
            "Signature": signature_of(self.config.app_id, nonce, self.config.server_secret, timestamp),
        }


def code_of(answer: JSONDict) -> int:
    """What went wrong; 0: nothing.  Where the call was about several users, why it failed for the first:
    we name one in each call, and Code alone does not say."""
    errors = answer.get("ErrorList") or []
    try:
        return int(errors[0]["SubCode"]) if errors else int(answer["Code"])
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        return int(answer["Code"])

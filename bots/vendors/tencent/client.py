"""Calls of Tencent's REST API (269/1519)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import requests

from bots.events import JSONDict
from bots.text import shorten
from bots.vendors.http import JSONClient
from bots.vendors.tencent.config import TencentConfig
from bots.vendors.tencent.errors import RENEWABLE, error_of
from bots.vendors.tencent.usersig import UserSigCache

LONGEST_INFO: Final = 300


class TencentClient:
    """One app's access to the API.  Threads share it."""

    def __init__(
        self,
        config: TencentConfig,
        session: requests.Session,
        *,
        timeout_s: tuple[float, float],  # for the connection, for the answer
        now: Callable[[], float],
    ) -> None:
        self.config = config
        self._http = JSONClient(session=session, party="tencent", timeout_s=timeout_s)
        self._user_sigs = UserSigCache(config.sdk_app_id, config.secret_key, config.admin_user_id, now)

    def call(self, command: str, request: JSONDict) -> JSONDict:
        """Call `<service>/<command>`; → the answer, whose ErrorCode is 0.  Raises VendorError."""
        sig = self._user_sigs.current()
        answer = self._post(command, request, sig)
        if answer["ErrorCode"] in RENEWABLE:
            answer = self._post(command, request, self._user_sigs.replace(sig))
        if answer["ErrorCode"] != 0:
            raise error_of(command, answer["ErrorCode"], answer["ErrorInfo"])
        return answer

    def _post(self, command: str, request: JSONDict, sig: str) -> JSONDict:
        """An answer that has an ErrorCode, and an ErrorInfo that can be shown."""
        address = f"{self.config.api_base.rstrip('/')}/v4/{command}"
        answer = self._http.post(address, request, call=command, params=self._query(sig))
        try:
            answer["ErrorCode"] = int(answer["ErrorCode"])
        except (ValueError, TypeError, KeyError, OverflowError):
            raise self._http.unreachable(command, "the answer is none of Tencent's") from None
        answer["ErrorInfo"] = shorten(str(answer.get("ErrorInfo") or "").replace(sig, "…"), LONGEST_INFO)
        return answer

    def _query(self, sig: str) -> dict[str, str | int]:
        return {
            "sdkappid": self.config.sdk_app_id,
            "identifier": self.config.admin_user_id,
            "usersig": sig,
            "random": random.getrandbits(32),
            "contenttype": "json",
        }

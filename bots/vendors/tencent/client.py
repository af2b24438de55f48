"""Calls of Tencent's REST API (269/1519)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Final

import requests

from bots.errors import VendorUnreachable
from bots.events import JSONDict
from bots.text import clean_json, shorten
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
        self.session = session
        self.timeout_s = timeout_s
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
        """An answer that has an ErrorCode, and an ErrorInfo that can be shown.

        Errors are raised outside the `except` clauses: the text of the original holds the address, and
        that holds the UserSig.
        """
        try:
            response = self.session.post(
                f"{self.config.api_base.rstrip('/')}/v4/{command}",
                params=self._query(sig),
                data=json.dumps(clean_json(request), ensure_ascii=False, separators=(",", ":")).encode(),
                headers={"Content-Type": "application/json"},
                timeout=self.timeout_s,
                allow_redirects=False,
            )
        except requests.Timeout:
            failure = "no answer in time"
        except requests.RequestException as error:
            failure = f"no answer ({type(error).__name__})"
        else:
            return _read_answer(command, response, sig)
        raise _unreachable(command, failure)

    def _query(self, sig: str) -> dict[str, str | int]:
        return {
            "sdkappid": self.config.sdk_app_id,
            "identifier": self.config.admin_user_id,
            "usersig": sig,
            "random": random.getrandbits(32),
            "contenttype": "json",
        }


def _read_answer(command: str, response: requests.Response, sig: str) -> JSONDict:
    if response.status_code != 200:  # whatever the API itself has to say comes with 200
        raise _unreachable(command, f"HTTP {response.status_code}", code=str(response.status_code))
    try:
        answer: JSONDict = clean_json(json.loads(response.content))
        answer["ErrorCode"] = int(answer["ErrorCode"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise _unreachable(command, "the answer is none of Tencent's") from None
    answer["ErrorInfo"] = shorten(str(answer.get("ErrorInfo") or "").replace(sig, "…"), LONGEST_INFO)
    return answer


def _unreachable(command: str, failure: str, *, code: str = "") -> VendorUnreachable:
    return VendorUnreachable(f"{command}: {failure}", party="tencent", code=code)

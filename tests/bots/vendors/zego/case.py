from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

from bots.events import JSONDict
from bots.vendors.base import IncomingCallback
from tests.bots.vendors.cases import VendorCase
from tests.bots.vendors.cloud import Reply

APP_ID = 1234567890
NONCE = "350176"


def ok(**fields: object) -> JSONDict:
    return {"Code": 0, "Message": "success", "RequestId": "1", **fields}


def fail(code: int, message: str = "", **fields: object) -> JSONDict:
    return {"Code": code, "Message": message, "RequestId": "1", **fields}


class ZegoCase(VendorCase):
    name = "zego"
    fresh_for = timedelta(minutes=10)
    is_signed_in_body = True
    callback_secret = "0f2b3c4d5e6f708192a3b4c5d6e7f809"  # made up: not a secret
    settings: ClassVar[JSONDict] = {
        "app_id": APP_ID,
        "server_secret": "9193cc662a4c0ec135ec71fb57194b38",  # made up: not a secret
        "callback_secret": callback_secret,
    }
    address_setting = "zim_api_base"
    robot_id = "@RBT#001"
    message = "text"
    same_message = (
        "text__repeated",
        "text__edited",
        "text__source_client",
        "text__numbers_as_text",
        "bot_msg",
    )
    same_words = ("text__repeated", "text__source_client", "text__numbers_as_text", "bot_msg")
    repeat = "text__repeated"
    unknown = "unknown_event"
    ill_typed = "malformed__without_id"
    sent_id = "1152921504606847000/8"
    sent = Reply(
        ok(
            ErrorList=[],
            SuccList=[{"UserId": "user1", "MsgId": "1152921504606847000", "MsgSeq": 8}],
            AuditInfos=[],
        )
    )
    rate_limit = Reply(fail(660300005, "rate limit"))
    refusal = Reply(fail(660000003, "refused", ErrorList=[{"UserId": "user1", "SubCode": 660800045}]))
    refusal_code = "660800045"

    def query(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        return {}

    def for_other_app(self) -> IncomingCallback:
        ours = self.callback()
        return replace(ours, body=json.dumps({**ours.json, "appid": "1234567891"}).encode())

    def headers(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        return {"content-type": "application/json"}

    def signed(self, body: bytes, *, signed_at: datetime, secret: str | None) -> bytes:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return body
        if not isinstance(fields, dict):
            return body
        timestamp = int(signed_at.timestamp())
        fields |= {"appid": str(APP_ID), "nonce": NONCE, "timestamp": timestamp}
        fields.pop("signature", None)
        if secret is not None:
            fields["signature"] = signature(secret, timestamp)
        return json.dumps(fields, ensure_ascii=False).encode()


def signature(secret: str, timestamp: int, nonce: str = NONCE) -> str:
    return hashlib.sha1("".join(sorted([secret, str(timestamp), nonce])).encode()).hexdigest()  # noqa: S324


CASE = ZegoCase()

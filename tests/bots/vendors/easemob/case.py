from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import ClassVar

from bots.events import JSONDict
from bots.vendors.base import Vendor
from tests.bots.vendors.cases import VendorCase
from tests.bots.vendors.cloud import Reply

CALL_ID = "acme#chat_6f1c0f52-0d5a-4a0e-9b53-1d0b7c1f2a11"
TOKEN = "YWMtTokenOfTheApp0123456789abcdefghijklmnop"


def fail(status: int, name: str, words: str = "", code: int = 0) -> Reply:
    body = {
        "error": name,
        "error_description": words,
        "timestamp": 1,
        **({"error_code": code} if code else {}),
    }
    return Reply(body, status=status)


class EasemobCase(VendorCase):
    name = "easemob"
    fresh_for = timedelta(minutes=10)
    is_signed_in_body = True
    callback_secret = "0f2b3c4d5e6f708192a3b4c5d6e7f809"  # made up: not a secret
    settings: ClassVar[JSONDict] = {
        "org_name": "acme",
        "app_name": "chat",
        "client_id": "YXA6client",
        "client_secret": "YXA6secret",
        "callback_secret": callback_secret,
    }
    address_setting = "api_base"
    robot_id = "ada"
    message = "text"
    same_message = (
        "text__repeated",
        "text__pre_send",
        "text__pre_send_flat",
        "text__named_by_call_id",
        "text__upper_case",
    )
    same_words = same_message
    repeat = "text__repeated"
    unknown = "login"
    ill_typed = "malformed__without_id"
    sent_id = "1029457500870543736"
    sent = Reply({"timestamp": 1761998400000, "data": {"user1": sent_id}})
    rate_limit = fail(429, "reach_limit", "This request has reached api limit")
    refusal = fail(403, "forbidden_op", "refused")
    refusal_code = "forbidden_op"

    def vendor(self, *, url: str, **settings: object) -> Vendor:
        """With a token, so that the first call is the one that was asked for."""
        vendor = super().vendor(url=url, **settings)
        with vendor.memory.changing() as kept:
            kept |= {"token_of": f"{url}/acme/chat#YXA6client", "token": TOKEN, "token_renew_at": 2.0**40}
        return vendor

    def query(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        return {}

    def headers(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        return {"content-type": "application/json"}

    def signed(self, body: bytes, *, signed_at: datetime, secret: str | None) -> bytes:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return body
        # An empty object stays empty, unless it is the signature that is to be wrong.
        if not isinstance(fields, dict) or (not fields and secret == self.callback_secret):
            return body
        fields = {"callId": CALL_ID, **fields, "timestamp": int(signed_at.timestamp() * 1000)}
        fields.pop("security", None)
        if secret is not None:
            fields["security"] = signature(fields["callId"], secret, fields["timestamp"])
        return json.dumps(fields, ensure_ascii=False).encode()


def signature(call_id: str, secret: str, timestamp: int) -> str:
    return hashlib.md5(f"{call_id}{secret}{timestamp}".encode()).hexdigest()  # noqa: S324


CASE = EasemobCase()

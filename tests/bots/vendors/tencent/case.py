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

SDK_APP_ID = 1400000000
SENT_AT = 1761998400


def ok(**fields: object) -> JSONDict:
    return {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", **fields}


def fail(code: int, info: str = "") -> JSONDict:
    return {"ActionStatus": "FAIL", "ErrorCode": code, "ErrorInfo": info}


class TencentCase(VendorCase):
    name = "tencent"
    fresh_for = timedelta(seconds=60)
    callback_secret = "xxxxyyyy"
    settings: ClassVar[JSONDict] = {
        "sdk_app_id": SDK_APP_ID,
        "secret_key": "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e",  # not a secret
        "callback_token": callback_secret,
    }
    address_setting = "api_base"
    robot_id = "@RBT#001"
    message = "text"
    same_message = (
        "text__repeated",
        "text__after_send",
        "text__older_fields",
        "text__event_time_as_text",
        "text__online_only",
    )
    same_words = same_message
    own_reply = "after_send__own_reply"
    repeat = "text__repeated"
    unknown = "unknown_command"
    ill_typed = "malformed__without_key"
    sent_id = "3221225472_1_1761998400"
    sent = Reply(ok(MsgTime=SENT_AT, MsgKey=sent_id, MsgId="144115233406643804-1761998400-1"))
    rate_limit = Reply(fail(60018, "freq limit"))
    refusal = Reply(fail(20006, "refused"))
    refusal_code = "20006"

    def query(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        query = {"SdkAppid": str(SDK_APP_ID), "contenttype": "json", "ClientIP": "", "OptPlatform": "iOS"}
        if command := command_in(body):
            query["CallbackCommand"] = command
        if secret is not None:
            request_time = str(int(signed_at.timestamp()))
            sign = hashlib.sha256(f"{secret}{request_time}".encode()).hexdigest()
            query |= {"RequestTime": request_time, "Sign": sign}
        return query

    def for_other_app(self) -> IncomingCallback:
        ours = self.callback()
        return replace(ours, query={**ours.query, "SdkAppid": "1400000001"})

    def headers(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        return {"content-type": "application/json"}


def command_in(body: bytes) -> str:
    try:
        return str(json.loads(body)["CallbackCommand"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


CASE = TencentCase()

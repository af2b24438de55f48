"""The IM clouds, as small as they can be: what users write, what a call makes of a message, what is answered.

Written from the vendors' pages, as the sandbox is, and fast enough not to be what is measured.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

from bench import callbacks, stage

type JSONDict = dict[str, Any]


class Heard(NamedTuple):
    """What a call makes of a message."""

    user: str  # to whom it is written
    length: int  # characters that the message has then
    is_finished: bool


class Cloud(ABC):
    """One app at one vendor."""

    vendor: ClassVar[str]  # as in VENDORS
    robot: ClassVar[str] = stage.ROBOT

    def __init__(self) -> None:
        self.numbers: Iterator[int] = itertools.count(1)  # of what the cloud counts

    @abstractmethod
    def config(self, port: int) -> JSONDict:
        """An account's settings, for a cloud that listens there."""

    @abstractmethod
    def callback(self, user: str, number: int) -> bytes:
        """A request that tells of a message: the user writes their own name to the robot."""

    @abstractmethod
    def hear(self, url: str, body: JSONDict) -> Heard | None:
        """What a call says; None: nothing, it was about something else."""

    @abstractmethod
    def answer(self, url: str) -> JSONDict:
        """What such a call is answered."""


class Tencent(Cloud):
    vendor = "tencent"

    def config(self, port: int) -> JSONDict:
        return stage.tencent_config(port)

    def callback(self, user: str, number: int) -> bytes:
        return callbacks.request(user, number)

    def hear(self, url: str, body: JSONDict) -> Heard | None:
        content = json.loads(body["MsgBody"][0]["MsgContent"]["Data"])
        return Heard(body["To_Account"], sum(map(len, content["chunks"])), content["isFinished"] == 1)

    def answer(self, url: str) -> JSONDict:
        now = int(time.time())
        key = f"{next(self.numbers)}_1_{now}"
        return {"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "MsgTime": now, "MsgKey": key}


class Zego(Cloud):
    vendor = "zego"
    app_id: Final = 12345
    secret: Final = "bench"
    begun: Final = "…"  # a message that has no words yet, as ZIM takes no empty ones

    def config(self, port: int) -> JSONDict:
        keys = {"app_id": self.app_id, "server_secret": self.secret, "callback_secret": self.secret}
        return {**keys, "zim_api_base": f"http://127.0.0.1:{port}"}

    def callback(self, user: str, number: int) -> bytes:
        now, nonce = int(time.time()), "7"
        told = {
            "appid": str(self.app_id),
            "event": "send_msg",
            "nonce": nonce,
            "timestamp": now,
            "signature": digest("sha1", *sorted((self.secret, str(now), nonce))),
            "from_user_id": user,
            "conv_type": 0,
            "conv_id": self.robot,
            "msg_type": 1,
            "msg_body": user,
            "msg_id": str(2**60 + number),
            "msg_seq": 1,
            "msg_time": now * 1000,
            "send_result": 0,
        }
        return request(told)

    def hear(self, url: str, body: JSONDict) -> Heard | None:
        content = body["MessageBody"]
        text, extension = content["Message"], json.loads(content["ExtendedData"])
        user = body["ConvId"] if "ConvId" in body else body["ToUserId"][0]
        return Heard(user, len(text) if text != self.begun else 0, extension["parley"]["is_finished"])

    def answer(self, url: str) -> JSONDict:
        (action,) = parse_qs(urlsplit(url).query)["Action"]
        told: JSONDict = {"Code": 0, "Message": "success", "RequestId": "1"}
        if action == "SendPeerMessage":
            number = next(self.numbers)
            told |= {"ErrorList": [], "SuccList": [{"UserId": "x", "MsgId": str(number), "MsgSeq": number}]}
        return told


class Easemob(Cloud):
    vendor = "easemob"
    robot = "bench"
    app_key: Final = "bench#bench"
    secret: Final = "bench"

    def __init__(self) -> None:
        super().__init__()
        self.lengths: dict[str, int] = {}  # of the streams, by user

    def config(self, port: int) -> JSONDict:
        org, app = self.app_key.split("#")
        keys = {"client_id": "bench", "client_secret": self.secret, "callback_secret": self.secret}
        return {"org_name": org, "app_name": app, **keys, "api_base": f"http://127.0.0.1:{port}"}

    def callback(self, user: str, number: int) -> bytes:
        now_ms, message_id = int(time.time() * 1000), str(10**18 + number)
        call_id = f"{self.app_key}_{message_id}"
        told = {
            "callId": call_id,
            "timestamp": now_ms,
            "security": digest("md5", call_id, self.secret, str(now_ms)),
            "eventType": "chat",
            "chat_type": "chat",
            "from": user,
            "to": self.robot,
            "msg_id": message_id,
            "payload": {"bodies": [{"type": "txt", "msg": user}], "ext": {}},
        }
        return request(told)

    def hear(self, url: str, body: JSONDict) -> Heard | None:
        if url.endswith("/token"):
            return None
        user, piece = body["to"], body["body"]
        if "msgId" not in piece:
            self.lengths[user] = 0
        self.lengths[user] += len(piece["msg"])
        return Heard(user, self.lengths[user], piece.get("finish", False))

    def answer(self, url: str) -> JSONDict:
        if url.endswith("/token"):
            return {"access_token": "bench", "expires_in": 86400}
        return {"timestamp": int(time.time() * 1000), "data": {"msgId": str(next(self.numbers))}}


CLOUDS: Final = {cloud.vendor: cloud for cloud in (Tencent, Zego, Easemob)}


def digest(name: str, *parts: str) -> str:
    return hashlib.new(name, "".join(parts).encode(), usedforsecurity=False).hexdigest()


def request(body: JSONDict) -> bytes:
    """A callback whose signature stands in its body."""
    content = json.dumps(body).encode()
    head = (
        f"POST /callbacks/{stage.ACCOUNT}/ HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content

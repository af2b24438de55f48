"""One app (SDKAppID) of the simulated Tencent cloud."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sandbox.vendor import BadRequest
from sandbox.world import Group, JSONDict, Pair, Robot

ROBOT_PREFIX = "@RBT#"
BOT_CALLBACK = "Bot.OnC2CMessage"
AFTER_SEND_CALLBACK = "C2C.CallbackAfterSendMsg"
BOT_GROUP_CALLBACK = "Bot.OnGroupMessage"
GROUP_AFTER_SEND_CALLBACK = "Group.CallbackAfterSendMsg"


@dataclass(kw_only=True)
class AppSettings:
    """What one sets in Tencent's console, and what it leaves unsaid."""

    sdk_app_id: int
    secret_key: str
    admin_user_id: str = "administrator"
    name: str = ""
    callback_url: str = ""
    callback_token: str = ""  # empty: callbacks are not signed
    callbacks: list[str] = field(default_factory=lambda: [BOT_CALLBACK, BOT_GROUP_CALLBACK])
    callback_timeout_s: float = 2.0  # trtc.io/document/34354
    callback_retries: int = 0  # the console's switch; how often it then retries is not documented
    callback_retry_interval_s: float = 1.0
    rate_per_s: int = 200  # for each command; trtc.io/document/34419
    max_robots: int = 20
    friends_only: bool = False  # sendmsg between strangers is refused
    stream_gap_s: float = 15.0  # cloud.tencent.com/document/product/269/128596

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> AppSettings:
        """Raises BadRequest."""
        known = {each.name for each in fields(cls)}
        if unknown := set(settings) - known:
            raise BadRequest(f"an app has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        if type(settings.get("sdk_app_id")) is not int or not settings.get("secret_key"):
            raise BadRequest("an app needs sdk_app_id, a number, and secret_key")
        return cls(**settings)


@dataclass(kw_only=True)
class Stream:
    """What the cloud knows of a growing message besides the message."""

    id: str  # StreamMsgID
    message_key: str
    last_index: int = 0
    last_chunk: JSONDict = field(default_factory=dict)
    calls: list[float] = field(default_factory=list)  # times
    is_ended: bool = False


@dataclass(kw_only=True)
class App:
    settings: AppSettings
    robots: dict[str, Robot] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)  # accounts that have logged in or were written to
    friends: set[Pair] = field(default_factory=set)
    signatures: dict[str, str] = field(default_factory=dict)  # SelfSignature by account
    streams: dict[str, Stream] = field(default_factory=dict)  # by StreamMsgID
    calls_in_second: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.settings.sdk_app_id)

    def knows(self, account: str) -> bool:
        return account in self.robots or account in self.users or account == self.settings.admin_user_id

    def takes_call(self, command: str, now: float) -> bool:
        """Count one call; whether it is within the rate.  By clock second: guessed."""
        second = int(now)
        used = self.calls_in_second.get((command, second), 0) + 1
        self.calls_in_second = {
            slot: count for slot, count in self.calls_in_second.items() if slot[1] == second
        }
        self.calls_in_second[command, second] = used
        return used <= self.settings.rate_per_s

    def callback_query(self, command: str, platform: str, now: float) -> dict[str, str]:
        query = {
            "SdkAppid": self.id,
            "CallbackCommand": command,
            "contenttype": "json",
            "ClientIP": "127.0.0.1",
            "OptPlatform": platform,
        }
        if self.settings.callback_token:
            request_time = str(int(now))
            query["RequestTime"] = request_time
            query["Sign"] = sign(self.settings.callback_token, request_time)
        return query

    def to_json(self) -> JSONDict:
        robots = [
            {"user_id": robot.user_id, "nickname": robot.nickname, "avatar_url": robot.avatar_url}
            for robot in self.robots.values()
        ]
        groups = [asdict(group) for group in self.groups.values()]
        friends = sorted(sorted(pair) for pair in self.friends)
        return {"robots": robots, "users": sorted(self.users), "groups": groups, "friends": friends}

    def restore(self, state: JSONDict) -> None:
        self.robots = {robot["user_id"]: Robot(**robot) for robot in state.get("robots", [])}
        self.users = set(state.get("users", []))
        self.friends = {frozenset(pair) for pair in state.get("friends", [])}
        self.groups = {group["id"]: Group(**group) for group in state.get("groups", [])}


def sign(token: str, request_time: str) -> str:
    """The callback signature: cloud.tencent.com/document/product/269/32431."""
    return hashlib.sha256(f"{token}{request_time}".encode()).hexdigest()

"""One project (AppID) of the simulated ZEGO cloud."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any
from urllib.parse import quote

from sandbox.vendor import BadRequest
from sandbox.world import Group, JSONDict, Robot

ROBOT_PREFIX = "@RBT#"
SEND_CALLBACK, BOT_CALLBACK, BEFORE_SEND_CALLBACK = "send_msg", "bot_msg", "before_send_msg"


@dataclass(kw_only=True)
class AppSettings:
    """What one sets in ZEGO's console, and what it leaves unsaid."""

    app_id: int
    server_secret: str
    callback_secret: str
    name: str = ""
    callback_url: str = ""
    callbacks: list[str] = field(default_factory=lambda: [SEND_CALLBACK])
    is_url_encoded: bool = False  # the body of callbacks: the pages say so, the samples do not
    has_milliseconds: bool = False  # the `timestamp` of callbacks
    callback_timeout_s: float = 5.0  # of after-send callbacks: not documented
    before_send_timeout_s: float = 2.5
    callback_retries: int = 5
    callback_retry_interval_s: float = 2.0  # doubled with each
    rate_per_s: int = 20  # for each action
    agent_rate_per_s: int = 10  # … of the AI Agent service
    agent_callback_url: str = ""
    max_instances: int = 10
    idle_scale: float = 1.0  # of a call's MaxIdleTime: tests do not want to wait
    tells_of_archived: bool = False  # whether a call's words in the chat fire `send_msg`: not documented
    can_edit: bool = True  # whether the project's plan has editing
    max_text_bytes: int = 2000  # "2 KB": the smaller of the two

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> AppSettings:
        """Raises BadRequest."""
        known = {each.name for each in fields(cls)}
        if unknown := set(settings) - known:
            raise BadRequest(f"an app has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        secrets = (settings.get("server_secret"), settings.get("callback_secret"))
        if type(settings.get("app_id")) is not int or not all(secrets):
            raise BadRequest("an app needs app_id, a number, server_secret and callback_secret")
        return cls(**settings)


@dataclass(kw_only=True)
class App:
    settings: AppSettings
    groups: dict[str, Group] = field(default_factory=dict)
    robots: dict[str, Robot] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)  # who has logged in or was registered
    agents: dict[str, JSONDict] = field(default_factory=dict)  # as they were registered
    instances: dict[str, Any] = field(default_factory=dict)  # agents.Instance, by id
    calls_in_second: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.settings.app_id)

    def knows(self, account: str) -> bool:
        return account in self.robots or account in self.users

    def takes_call(self, action: str, now: float, rate_per_s: int) -> bool:
        """Count one call; whether it is within the rate.  By clock second: guessed."""
        second = int(now)
        used = self.calls_in_second.get((action, second), 0) + 1
        self.calls_in_second = {
            slot: count for slot, count in self.calls_in_second.items() if slot[1] == second
        }
        self.calls_in_second[action, second] = used
        share = 2 if action == "SendGroupMessage" else 1
        return used <= rate_per_s / share

    def signed(self, body: JSONDict, now: float) -> JSONDict:
        """A callback's body as it leaves now."""
        timestamp = int(now * 1000) if self.settings.has_milliseconds else int(now)
        nonce = str(random.randrange(10**6))
        signature = callback_signature(self.settings.callback_secret, timestamp, nonce)
        return {**body, "nonce": nonce, "timestamp": timestamp, "signature": signature}

    def encoded(self, body: JSONDict) -> bytes:
        text = json.dumps(body, ensure_ascii=False)
        return quote(text).encode() if self.settings.is_url_encoded else text.encode()

    def to_json(self) -> JSONDict:
        return {
            "robots": [asdict(robot) for robot in self.robots.values()],
            "users": sorted(self.users),
            "groups": [asdict(group) for group in self.groups.values()],
            "agents": list(self.agents.values()),
        }

    def restore(self, state: JSONDict) -> None:
        self.robots = {robot["user_id"]: Robot(**robot) for robot in state.get("robots", [])}
        self.users = set(state.get("users", []))
        self.groups = {group["id"]: Group(**group) for group in state.get("groups", [])}
        self.agents = {agent["AgentId"]: agent for agent in state.get("agents", [])}


def callback_signature(secret: str, timestamp: int, nonce: str) -> str:
    """/zim-server/callbacks/authenticating-server-to-server-callbacks"""
    return hashlib.sha1(
        "".join(sorted([secret, str(timestamp), nonce])).encode(), usedforsecurity=False
    ).hexdigest()


def agent_signature(settings: AppSettings, body: JSONDict, now: float) -> JSONDict:
    """A callback's body as the AI Agent service sends it now: /aiagent-server/callbacks/receiving-callback"""
    timestamp, nonce = int(now * 1000), str(random.randrange(10**6))
    signature = callback_signature(settings.callback_secret, timestamp, nonce)
    return {**body, "Nonce": nonce, "Timestamp": timestamp, "Signature": signature}


def request_signature(app_id: int, nonce: str, secret: str, timestamp: str) -> str:
    """/zim-server/accessing-server-apis"""
    return hashlib.md5(f"{app_id}{nonce}{secret}{timestamp}".encode(), usedforsecurity=False).hexdigest()

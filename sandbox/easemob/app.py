"""One app (App Key) of the simulated Easemob cloud."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sandbox.vendor import BadRequest
from sandbox.world import Group, JSONDict, Robot

GROUP_CALL, GROUP_RATE_PER_S = "messages/chatgroups", 20  # message_group.md
PRE_SEND, POST_SEND, OFFLINE = "pre_send", "chat", "chat_offline"


@dataclass(kw_only=True)
class AppSettings:
    """What one sets in Easemob's console, and what it leaves unsaid."""

    org_name: str
    app_name: str
    client_id: str
    client_secret: str
    callback_secret: str  # of all rules
    name: str = ""
    callback_url: str = ""
    callbacks: list[str] = field(default_factory=lambda: [POST_SEND])
    tells_of_rest: bool = False  # post-send callbacks for messages sent by the REST API too
    is_flat: bool = False  # the payload of pre-send callbacks: both shapes are documented
    pre_send_timeout_s: float = 0.2  # console/basic_webhook
    shows_error: bool = False  # to the sender of a message that was intercepted
    callback_timeout_s: float = 60.0
    callback_retries: int = 1
    callback_retry_interval_s: float = 0.0
    rate_per_s: int = 100  # for each call
    has_streams: bool = True
    has_edits: bool = False  # opened by sales
    largest_stream_group: int = 200  # members
    takes_empty_chunks: bool = True  # not documented
    chunk_gap_s: float = 30.0
    token_lifetime_s: int = 86400

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> AppSettings:
        """Raises BadRequest."""
        known = {each.name: each for each in fields(cls)}
        if unknown := set(settings) - set(known):
            raise BadRequest(f"an app has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        required = ("org_name", "app_name", "client_id", "client_secret", "callback_secret")
        if not all(isinstance(settings.get(name), str) and settings[name] for name in required):
            raise BadRequest(f"an app needs {', '.join(required)}")
        return cls(**settings)


@dataclass(kw_only=True)
class App:
    settings: AppSettings
    groups: dict[str, Group] = field(default_factory=dict)
    robots: dict[str, Robot] = field(default_factory=dict)  # who was registered through the REST API
    tokens: dict[str, float] = field(default_factory=dict)  # when each ends
    calls_in_second: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return app_key(self.settings.org_name, self.settings.app_name)

    def new_token(self, lifetime_s: int, now: float) -> str:
        token = f"YWMt{secrets.token_urlsafe(48)}"
        self.tokens[token] = now + lifetime_s
        return token

    def takes_call(self, call: str, now: float) -> bool:
        """Count one call; whether it is within the rate.  By clock second: guessed."""
        second = int(now)
        used = self.calls_in_second.get((call, second), 0) + 1
        self.calls_in_second = {slot: n for slot, n in self.calls_in_second.items() if slot[1] == second}
        self.calls_in_second[call, second] = used
        limit = (
            min(GROUP_RATE_PER_S, self.settings.rate_per_s)
            if call == GROUP_CALL
            else self.settings.rate_per_s
        )
        return used <= limit

    def signed(self, body: JSONDict, now: float) -> JSONDict:
        """A callback's body as it leaves now, with a callId of its own: it is not documented whether
        repeats keep theirs."""
        call_id, timestamp = f"{self.id}_{uuid.uuid4()}", int(now * 1000)
        security = callback_signature(call_id, self.settings.callback_secret, timestamp)
        return {"callId": call_id, "timestamp": timestamp, "security": security, **body}

    def to_json(self) -> JSONDict:
        return {
            "robots": [asdict(robot) for robot in self.robots.values()],
            "groups": [asdict(group) for group in self.groups.values()],
        }

    def restore(self, state: JSONDict) -> None:
        self.robots = {robot["user_id"]: Robot(**robot) for robot in state.get("robots", [])}
        self.groups = {group["id"]: Group(**group) for group in state.get("groups", [])}


def app_key(org_name: str, app_name: str) -> str:
    return f"{org_name}#{app_name}"


def callback_signature(call_id: str, secret: str, timestamp: int) -> str:
    """callback_presending.html, callback_postsending.html"""
    return hashlib.md5(f"{call_id}{secret}{timestamp}".encode(), usedforsecurity=False).hexdigest()

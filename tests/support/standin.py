"""A stand-in vendor: an IM cloud in memory, for tests of what stands between clouds and models."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from bots.errors import CallbackMalformed, CallbackRejected, MessageGone
from bots.events import (
    Address,
    Event,
    File,
    Ignored,
    Image,
    Interrupted,
    MessageReceived,
    MessageSent,
    OutgoingMessage,
    Receipt,
    RobotProfile,
    Said,
    Text,
)
from bots.vendors.base import Answer, IncomingCallback, Login, Vendor, at_once

START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class StandInConfig:
    secret: str = "s3cret"


@dataclass
class Cloud:
    """What the vendor's side knows."""

    history: list[list[Said]] = field(default_factory=list)  # in pages, newest first
    frames: dict[str, list[OutgoingMessage]] = field(default_factory=dict)  # by message id
    recalled: set[str] = field(default_factory=set)
    registered: list[RobotProfile] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    # What the next calls do besides: raise, before (True) or after (False) they took effect.
    trouble: deque[tuple[bool, Exception] | None] = field(default_factory=deque)
    on_call: Callable[[str], None] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def shown(self) -> list[str]:
        """What the user sees now, message by message."""
        return [frames[-1].text for id_, frames in self.frames.items() if id_ not in self.recalled]

    def last_frames(self) -> list[OutgoingMessage]:
        return [frames[-1] for id_, frames in self.frames.items() if id_ not in self.recalled]


class StandIn(Vendor):
    name = "standin"
    label = "Stand-in"
    Config = StandInConfig
    can_edit = True
    can_recall = True
    attachments = (Image, File)
    can_rewrite = True
    edit_interval_s = 0.0
    repeat_window_s = 60.0
    calls_per_s = 10_000.0
    max_bytes: ClassVar[int] = 2000
    cloud: ClassVar[Cloud] = Cloud()

    def check(self, callback: IncomingCallback) -> None:
        if callback.query.get("secret") != self.config.secret:  # type: ignore[attr-defined]
            raise CallbackRejected("wrong secret")
        if "kind" not in callback.json:
            raise CallbackMalformed("kind is missing")

    def delivery_id(self, callback: IncomingCallback) -> str:
        return str(callback.json["id"])

    def event_name(self, callback: IncomingCallback) -> str:
        return str(callback.json["kind"])

    def read(self, callback: IncomingCallback) -> list[Event]:
        body = callback.json
        happened_at = datetime.fromtimestamp(body.get("at", START.timestamp()), UTC)
        if body["kind"] == "interrupt":
            return [
                Interrupted(
                    event_id=body["id"],
                    happened_at=happened_at,
                    raw=body,
                    robot_id=body["to"],
                    conversation=Address(kind="peer", id=body["from"]),
                    vendor_message_id=body["message_id"],
                )
            ]
        if body["kind"] == "echo":
            return [
                MessageSent(
                    event_id=body["id"],
                    happened_at=happened_at,
                    raw=body,
                    robot_id=body["from"],
                    conversation=Address(kind="peer", id=body["to"]),
                    vendor_message_id=body["message_id"],
                    key=body["key"],
                    is_finished=body["is_finished"],
                )
            ]
        if body["kind"] != "message":
            return [Ignored(event_id=body["id"], happened_at=happened_at, raw=body, reason="nothing said")]
        group = body.get("group")
        return [
            MessageReceived(
                event_id=body["id"],
                happened_at=happened_at,
                raw=body,
                robot_id=None if group else body["to"],
                conversation=Address(kind="group", id=group)
                if group
                else Address(kind="peer", id=body["from"]),
                sender_id=body["from"],
                content=Text(text=body["text"]),
                vendor_message_id=body["message_id"],
                order=body.get("order", 0),
                mentions=None if body.get("mentions", []) is None else tuple(body.get("mentions", [])),
            )
        ]

    def answer(self, callback: IncomingCallback) -> Answer:
        return Answer(body={"ok": True})

    def verdict(self, callback: IncomingCallback) -> Answer | None:
        asks = b"may_it_be_sent" in callback.body
        return Answer(body={"may": True}) if asks else None

    def register(self, robot: RobotProfile) -> None:
        self._do("register", lambda: self.cloud.registered.append(robot))

    def admit(self, user_id: str) -> None:
        self._do("admit", lambda: None)

    def login(self, user_id: str) -> Login:
        return Login(app_id=7, token=f"token-of-{user_id}", expires_at=START)

    def send(self, message: OutgoingMessage) -> Receipt:
        id_ = f"m{message.key}"
        with self.cloud.lock:
            self._do("send", lambda: self.cloud.frames.setdefault(id_, [message]))
        return Receipt(vendor_message_id=id_, sent_at=datetime.now(UTC))

    def edit(self, message: OutgoingMessage) -> None:
        frames = self.cloud.frames.get(message.vendor_message_id or "")
        if frames is None:
            raise MessageGone("no such message", party=self.name)
        self._do("edit", lambda: frames.append(message))

    def find_sent(self, message: OutgoingMessage) -> Receipt | None:
        self.cloud.calls.append("find_sent")
        id_ = f"m{message.key}"
        return Receipt(vendor_message_id=id_, sent_at=START) if id_ in self.cloud.frames else None

    def history(
        self,
        *,
        robot_id: str,
        conversation: Address,
        since: datetime,
        before_call: Callable[[], None] = at_once,
    ) -> Iterator[list[Said]]:
        for page in self.cloud.history:
            before_call()
            self._do("history", lambda: None)
            yield [
                event for event in page if event.conversation == conversation and event.happened_at >= since
            ]

    def recall(self, message: OutgoingMessage) -> None:
        self._do("recall", lambda: self.cloud.recalled.add(message.vendor_message_id or ""))

    def fits(self, text: str, *, is_stream: bool) -> bool:
        return len(text.encode()) <= self.max_bytes

    def _do(self, call: str, effect: Callable[[], object]) -> None:
        self.cloud.calls.append(call)
        if self.cloud.on_call:
            self.cloud.on_call(call)
        trouble = self.cloud.trouble.popleft() if self.cloud.trouble else None
        if trouble and trouble[0]:
            raise trouble[1]
        effect()
        if trouble:
            raise trouble[1]


def callback_body(
    text: str, *, sender: str = "alice", to: str = "ada", id_: str = "1", at: float | None = None
) -> bytes:
    return json.dumps(
        {
            "kind": "message",
            "id": id_,
            "message_id": id_,
            "from": sender,
            "to": to,
            "text": text,
            **({} if at is None else {"at": at}),
        }
    ).encode()


def group_body(
    text: str,
    *,
    mentions: list[str] | None = None,
    sender: str = "alice",
    group: str = "club",
    id_: str = "1",
    delivery: str = "",
    at: float | None = None,
) -> bytes:
    """`mentions` None: the cloud does not say."""
    body = json.loads(callback_body(text, sender=sender, id_=id_, at=at))
    return json.dumps({**body, "id": delivery or id_, "group": group, "mentions": mentions}).encode()


def interrupt_body(
    message_id: str | None, *, sender: str = "alice", to: str = "ada", id_: str = "i1"
) -> bytes:
    return json.dumps(
        {"kind": "interrupt", "id": id_, "message_id": message_id, "from": sender, "to": to}
    ).encode()


def echo_body(
    key: int, *, message_id: str = "v1", to: str = "alice", sender: str = "ada", is_finished: bool = True
) -> bytes:
    """What the cloud tells of a robot's message."""
    told = {"kind": "echo", "id": f"echo-{message_id}-{is_finished}", "message_id": message_id}
    return json.dumps({**told, "from": sender, "to": to, "key": key, "is_finished": is_finished}).encode()


def incoming(body: bytes, *, secret: str = "s3cret") -> IncomingCallback:
    return IncomingCallback(query={"secret": secret}, headers={}, body=body, received_at=datetime.now(UTC))

"""What Parley tells.  Keys that a newer version adds are passed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

type JSONDict = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What the vendor's client SDK needs to log the user in."""

    vendor: str
    app_id: int | str
    user_id: str
    token: str
    expires_at: datetime

    @classmethod
    def read(cls, data: JSONDict) -> Self:
        return cls(
            vendor=data["vendor"],
            app_id=data["app_id"],
            user_id=data["user_id"],
            token=data["token"],
            expires_at=time(data["expires_at"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: str
    kind: str
    state: str
    conversation: str
    metadata: JSONDict
    im: Login | None  # when it was opened, or a fresh token was asked for

    @classmethod
    def read(cls, data: JSONDict) -> Self:
        return cls(
            id=data["id"],
            kind=data["kind"],
            state=data["state"],
            conversation=data["conversation"],
            metadata=data.get("metadata") or {},
            im=Login.read(data["im"]) if data.get("im") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserToken:
    token: str
    expires_at: datetime

    @classmethod
    def read(cls, data: JSONDict) -> Self:
        return cls(token=data["token"], expires_at=time(data["expires_at"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    id: str
    conversation: str
    sender: str  # user, robot, operator or system
    sender_id: str
    kind: str
    text: str
    created_at: datetime
    state: str
    reply_to: str | None
    model: str | None  # of a robot's message, to holders of an API key

    @classmethod
    def read(cls, data: JSONDict) -> Self:
        return cls(
            id=data["id"],
            conversation=data["conversation"],
            sender=data["sender"],
            sender_id=data["sender_id"],
            kind=data["kind"],
            text=data["text"],
            created_at=time(data["created_at"]),
            state=data["state"],
            reply_to=data["reply_to"],
            model=data["model"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    id: str
    account: str
    robot: str
    user_id: str
    state: str  # who answers: robot or operator
    last_message_at: datetime

    @classmethod
    def read(cls, data: JSONDict) -> Self:
        return cls(
            id=data["id"],
            account=data["account"],
            robot=data["robot"],
            user_id=data["user_id"],
            state=data["state"],
            last_message_at=time(data["last_message_at"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[Item]:
    results: list[Item]
    next: str | None  # the address of the next page

    @classmethod
    def read(cls, data: JSONDict, read_item: Callable[[JSONDict], Item]) -> Self:
        return cls(results=[read_item(each) for each in data["results"]], next=data["next"])


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)

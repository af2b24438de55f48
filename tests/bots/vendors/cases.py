"""What the contract tests have to know of a vendor: `case.py` in its folder holds a `CASE`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from bots.events import Address, JSONDict, OutgoingMessage, RobotProfile
from bots.vendors import vendor_class
from bots.vendors.base import IncomingCallback, Vendor
from bots.vendors.config import read_config
from tests.bots.vendors.cloud import Reply

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


class VendorCase(ABC):
    name: str
    fresh_for: timedelta  # how old a signature may be
    settings: ClassVar[JSONDict]  # a complete and valid `config`
    address_setting: str  # the key of `settings` that holds the API's address
    robot_id: str
    message: str  # a recorded body of a user's text …
    same_message: tuple[str, ...]  # … bodies that tell of it again …
    same_words: tuple[str, ...]  # … those of them that say it in the same words, whatever their shape
    own_reply: str = "own_reply"  # a body of the robot's own message
    repeat: str  # … and the same delivery, repeated
    unknown: str  # a body of an event that Parley does not know
    ill_typed: str  # a body of a known event with a field missing

    @abstractmethod
    def query(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        """The query of a callback; `secret` None: without a signature."""

    @abstractmethod
    def headers(self, body: bytes, *, signed_at: datetime, secret: str | None) -> dict[str, str]:
        """Likewise its headers, names in lower case."""

    def for_other_app(self) -> IncomingCallback:
        """The recorded text as another app of the vendor gets it.  Where nothing but the secret tells apps
        apart: with another secret."""
        return self.callback(secret="another")

    def signed(self, body: bytes, *, signed_at: datetime, secret: str | None) -> bytes:
        """Likewise its body, for a vendor whose signature stands there."""
        return body

    callback_secret: str
    is_signed_in_body: ClassVar[bool] = False

    sent: Reply  # the API's answer to a message …
    sent_id: str  # … and the message's id in it
    rate_limit: Reply
    refusal: Reply
    refusal_code: str

    def vendor(self, *, url: str, **settings: object) -> Vendor:
        cls = vendor_class(self.name)
        return cls(read_config(cls.Config, {**self.settings, self.address_setting: url, **settings}))

    def callback(
        self,
        name: str = "",
        *,
        body: bytes | None = None,
        signed_at: datetime = NOW,
        received_at: datetime = NOW,
        secret: str | None = "right",
    ) -> IncomingCallback:
        """A recorded body as it arrives."""
        body = self.recorded(name or self.message) if body is None else body
        secret = self.callback_secret if secret == "right" else secret
        body = self.signed(body, signed_at=signed_at, secret=secret)
        return IncomingCallback(
            query=self.query(body, signed_at=signed_at, secret=secret),
            headers=self.headers(body, signed_at=signed_at, secret=secret),
            body=body,
            received_at=received_at,
        )

    @property
    def folder(self) -> Path:
        return Path(__file__).parent / self.name

    def recorded_names(self, *, is_malformed: bool) -> list[str]:
        names = sorted(path.stem for path in self.folder.glob("*.json"))
        return [name for name in names if name.startswith("malformed__") is is_malformed]

    def recorded(self, name: str) -> bytes:
        return (self.folder / f"{name}.json").read_bytes()

    def outgoing(self, text: str = "Hello", **fields: Any) -> OutgoingMessage:
        defaults = {"robot_id": self.robot_id, "conversation": Address(kind="peer", id="user1"), "key": 2**62}
        return OutgoingMessage(**{**defaults, "text": text, **fields})

    def profile(self) -> RobotProfile:
        return RobotProfile(user_id=self.robot_id, nickname="Ada", avatar_url="https://example.org/ada.png")


@contextmanager
def closing[VendorT: Vendor](vendor: VendorT) -> Iterator[VendorT]:
    try:
        yield vendor
    finally:
        vendor.session.close()


def case_of(vendor_name: str) -> VendorCase:
    case: VendorCase = import_module(f"tests.bots.vendors.{vendor_name}.case").CASE
    return case

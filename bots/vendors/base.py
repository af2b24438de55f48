"""What every IM cloud has in common: the flow is here, a vendor fills in what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import ClassVar, Protocol

import requests

from bots.errors import CallbackMalformed, Unsupported
from bots.events import Event, JSONDict, OutgoingMessage, Receipt, RobotProfile


@dataclass(frozen=True, slots=False, kw_only=True)
class IncomingCallback:
    """A vendor's HTTP request to us, as it came."""

    query: Mapping[str, str]  # the address's query parameters
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    body: bytes = field(repr=False)
    received_at: datetime  # aware, UTC, by our clock

    @cached_property
    def json(self) -> JSONDict:
        """The body as a JSON object.  Raises CallbackMalformed."""
        try:
            body = json.loads(self.body)
        except ValueError as error:
            raise CallbackMalformed(f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise CallbackMalformed("the body is not a JSON object")
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the vendor wants to hear on a callback."""

    status: int = 200
    body: JSONDict = field(default_factory=dict)


class VendorConfig(Protocol):
    """A vendor's settings of one account: a frozen dataclass, made once from the account's JSON.

    Its fields are the keys of `config` in the configuration file.  A field whose metadata has
    `secret: True` is masked wherever it is shown; `help` speaks to the person at the form.
    """

    __dataclass_fields__: ClassVar[dict[str, object]]


class Vendor:
    """One account at an IM cloud.  Threads share it: it holds no state but an HTTP session.

    Blocking calls raise VendorError; reading callbacks is pure.
    """

    # What to fill in
    name: ClassVar[str]
    label: ClassVar[str]
    Config: ClassVar[type]
    can_edit: ClassVar[bool] = False  # a sent message can be replaced, so answers can grow
    can_recall: ClassVar[bool] = False
    edit_interval_s: ClassVar[float] = 1.0  # between two frames of one message
    repeat_window_s: ClassVar[float] = 0.0  # a send repeated within this is harmless (same `key`)
    calls_per_s: ClassVar[float] = 20.0  # an app's default allowance for each kind of call
    robot_prefix: ClassVar[str] = ""  # every robot's id begins with it
    max_robot_id_bytes: ClassVar[int] = 32

    def __init__(self, config: VendorConfig, session: requests.Session | None = None) -> None:
        self.config = config
        self.session = session or requests.Session()

    def check(self, callback: IncomingCallback) -> None:
        """Raises CallbackRejected unless the vendor signed this lately, for this account, and
        CallbackMalformed for a body it never sends."""
        raise NotImplementedError

    def delivery_id(self, callback: IncomingCallback) -> str:
        """The same text for the same delivery, however often the vendor repeats it."""
        raise NotImplementedError

    def event_name(self, callback: IncomingCallback) -> str:
        """The vendor's own name for what the callback reports: for people, lists and metrics."""
        raise NotImplementedError

    def read(self, callback: IncomingCallback) -> list[Event]:
        """What the callback says.  Pure, so that a stored callback can be read again."""
        raise NotImplementedError

    def answer(self, callback: IncomingCallback) -> Answer:
        """The acknowledgement in the vendor's form."""
        raise NotImplementedError

    def register(self, robot: RobotProfile) -> None:
        """Create the robot at the vendor, or bring its profile up to date.  Repeatable."""
        raise NotImplementedError

    def send(self, message: OutgoingMessage) -> Receipt:
        """Send a new message."""
        raise NotImplementedError

    def edit(self, message: OutgoingMessage) -> None:
        """Replace a sent message by what `message` says now."""
        raise Unsupported(f"{self.label} cannot edit messages", party=self.name)

    def find_sent(self, message: OutgoingMessage) -> Receipt | None:
        """The receipt of a message that may or may not have been sent, from the vendor's history."""
        raise Unsupported(f"{self.label} has no message history", party=self.name)

    def recall(self, message: OutgoingMessage) -> None:
        """Take a sent message back."""
        raise Unsupported(f"{self.label} cannot recall messages", party=self.name)

    def fits(self, text: str, *, is_stream: bool) -> bool:
        """Whether one message can carry the text."""
        raise NotImplementedError

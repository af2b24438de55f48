"""What every IM cloud has in common: the flow is here, a vendor fills in what differs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import ClassVar, Final, NoReturn

import requests
from django.utils.translation import gettext_noop

from bots.destinations import Adapter
from bots.errors import CallbackMalformed, Unsupported
from bots.events import Address, Attachment, Event, JSONDict, OutgoingMessage, Receipt, RobotProfile, Said
from bots.text import clean_json
from bots.vendors.breaks import EditingBreaks
from bots.vendors.config import VendorConfig
from bots.vendors.memory import Memory

CONNECTIONS: Final = 400  # kept open to a vendor: more than a worker process has threads
NO_EDITING: Final = gettext_noop(
    "This account may not edit messages: answers come in whole messages. "
    "Editing is tried again an hour after it was refused."
)
LOGIN_LIFETIME_S: Final = 24 * 3600  # client SDKs ask for a fresh token when one ends


def at_once() -> None:
    """For calls that need not wait."""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


@dataclass(frozen=True, slots=False, kw_only=True)
class IncomingCallback:
    """A vendor's HTTP request to us, as it came."""

    query: Mapping[str, str]  # the address's query parameters
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    body: bytes = field(repr=False)
    received_at: datetime  # aware, UTC, by our clock

    @cached_property
    def json(self) -> JSONDict:
        """The body as a JSON object whose texts can all be stored.  Raises CallbackMalformed."""
        try:
            text = self.body.decode()
            body = DECODER.decode(text)
        except (ValueError, RecursionError) as error:
            raise CallbackMalformed(f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise CallbackMalformed("the body is not a JSON object")
        # Only an escape can stand for a character that cannot be stored.
        cleaned: JSONDict = clean_json(body) if "\\u" in text else body
        return cleaned


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the vendor wants to hear on a callback."""

    status: int = 200
    body: JSONDict = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a client SDK needs to log a user in."""

    app_id: int | str  # the app's id at the vendor, as its SDKs take it
    token: str = field(repr=False)
    expires_at: datetime


class Vendor:
    """One account at an IM cloud.

    Threads share it: it holds no state but an HTTP session and what can be made anew, such as a token.
    What all workers should know of the account is in its memory.
    Blocking calls raise VendorError; reading callbacks is pure.
    """

    # What to fill in
    name: ClassVar[str]  # as in VENDORS
    label: ClassVar[str]  # for people
    Config: ClassVar[type[VendorConfig]]
    can_edit: ClassVar[bool] = False  # a sent message can be replaced, so answers can grow
    can_recall: ClassVar[bool] = False
    attachments: ClassVar[
        tuple[type[Attachment], ...]
    ] = ()  # what it takes from us, by address, besides texts
    can_rewrite: bool = False  # a plain message that was sent can be replaced, by class or by account
    # `order` counts what both sides say one to one, so that a number that is left out tells of a missed one.
    numbers_messages: ClassVar[bool] = False
    calls_per_s: ClassVar[float] = 20.0  # an app's default allowance for each kind of call
    group_send_weight: ClassVar[float] = 1.0  # of that allowance, a send to a group takes so many calls
    timeout_s: ClassVar[tuple[float, float]] = 3.0, 8.0  # for the connection, for the answer
    robot_prefix: ClassVar[str] = ""  # every robot's id begins with it
    max_robot_id_bytes: ClassVar[int] = 32
    robot_id_alphabet: ClassVar[str] = ""  # characters that a robot's id may have; "": any
    no_editing_note: ClassVar[str] = NO_EDITING  # for the admin of an account that may not edit

    # What to fill in, by class or by account
    shows_thinking: bool = False  # clients can be told that an answer is coming
    starts_empty: bool = True  # a growing answer may begin without words
    edit_interval_s: float = 1.0  # between two frames of one message
    longest_gap_s: float = math.inf  # a growing message that hears nothing for so long ends by itself
    repeat_window_s: float = 0.0  # a send repeated within this is harmless (same `key`)

    def __init__(
        self,
        config: VendorConfig,
        session: requests.Session | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.session = session or new_session()
        self.memory = Memory()  # shared by all workers where the client belongs to a stored account
        self._now = now
        self._breaks = EditingBreaks(lambda: self.memory, now)

    def can_edit_in(self, conversation: Address) -> bool:
        """Whether answers can grow there: the vendor can edit, and has not refused it lately to this account
        or in this group."""
        return self.can_edit and not self._breaks.covers(conversation)

    def note_editing_refused(self, place: Address | None = None) -> None:
        """Let the answers of all workers come in whole messages for a while, there or everywhere."""
        self._breaks.begin(place, note=self.no_editing_note)

    def check(self, callback: IncomingCallback) -> None:
        """Raises CallbackRejected unless the vendor signed this lately, for this account, and
        CallbackMalformed for a body it never sends."""
        raise NotImplementedError

    def risks(self) -> list[str]:
        """What is unsafe about the account's settings where strangers can reach us."""
        return []

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

    def verdict(self, callback: IncomingCallback) -> Answer | None:
        """The answer to a callback that asks whether a message may be sent; None for any other.

        From memory and at once: the vendor waits for it, and its user too.
        """
        return None

    def answer_for_robot(self, callback: IncomingCallback) -> Answer:
        """The acknowledgement of a message to one of our robots.  Asked for only if `intercepts`."""
        return self.answer(callback)

    @property
    def intercepts(self) -> bool:
        """Whether a message to one of our robots is acknowledged otherwise than others."""
        return False

    def register(self, robot: RobotProfile) -> None:
        """Create the robot at the vendor, or bring its profile up to date.  Repeatable."""
        raise NotImplementedError

    def admit(self, user_id: str) -> None:
        """Make a user of the app known at the vendor, as logging in does.  Repeatable."""
        raise NotImplementedError

    def login(self, user_id: str) -> Login:
        """What the client SDK needs to log this user of the app in, for LOGIN_LIFETIME_S at most."""
        raise NotImplementedError

    def send(self, message: OutgoingMessage) -> Receipt:
        """Send a new message.

        VendorUnreachable leaves open whether it was sent: the same message may be sent again within
        `repeat_window_s`, and has to be looked up by `find_sent` later on.
        """
        raise NotImplementedError

    def pause_after_s(self, vendor_message_id: str, frame: int) -> float:
        """Least time from a frame of a growing message to the next that may be skipped; inf: none follows but
        the last, which waits for `edit_interval_s` only."""
        return self.edit_interval_s

    def show_thinking(self, robot_id: str, conversation: Address) -> None:
        """Let clients show for some seconds that an answer is coming.  Asked for only if `shows_thinking`."""
        raise Unsupported(f"{self.label} has no sign for that", party=self.name)

    def takes_increments(self, vendor_message_id: str) -> bool:
        """Whether `edit` adds to this message, and takes each frame once and in order.  Else it replaces."""
        return False

    def edit(self, message: OutgoingMessage) -> None:
        """Make a sent message say what `message` says now.

        Raises MessageGone if there is none, MessageEnded if it takes no more.
        """
        raise Unsupported(f"{self.label} cannot edit messages", party=self.name)

    def find_sent(self, message: OutgoingMessage) -> Receipt | None:
        """The receipt of a message that may or may not have been sent, from the vendor's history."""
        raise Unsupported(f"{self.label} has no message history", party=self.name)

    def history(
        self,
        *,
        robot_id: str,
        conversation: Address,
        since: datetime,
        before_call: Callable[[], None] = at_once,
    ) -> Iterator[list[Said]]:
        """What the vendor keeps of a conversation since then: a list for each call of its API, newest first
        where it can be had so.

        In the words of callbacks and under their ids, so that a message is stored once, whichever way it
        came.  What was recalled is left out, and so is what cannot be read.  `before_call` may wait.
        """
        raise Unsupported(f"{self.label} has no message history", party=self.name)

    def recall(self, message: OutgoingMessage) -> None:
        """Take a sent message back."""
        raise Unsupported(f"{self.label} cannot recall messages", party=self.name)

    def fits(self, text: str, *, is_stream: bool) -> bool:
        """Whether one message can carry the text.  Holds for every prefix of a text for which it holds."""
        raise NotImplementedError


def increment_of(message: OutgoingMessage, *, party: str) -> str:
    """What is new in a message.  Raises Unsupported where it is not only longer."""
    if not message.text.startswith(message.shown):
        raise Unsupported("a stream can only be added to", party=party)
    return message.text[len(message.shown) :]


def new_session() -> requests.Session:
    """An HTTP session for many threads."""
    session = requests.Session()
    adapter = Adapter(pool_connections=4, pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # threads share no cookies
    session.auth = lambda request: request  # or requests would look into .netrc, for every call
    return session

"""The vendor-neutral words: events that come in, messages that go out.

Ids are the vendor's own, as text; times are aware and UTC; what is missing is None.  Vendor modules
translate at the edge, so nothing outside them knows a vendor's field names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

type JSONDict = dict[str, Any]
type ConversationKind = Literal["peer", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a conversation takes place at the vendor."""

    kind: ConversationKind
    id: str  # peer: the user's id; group: the group's id


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    kind: ClassVar[str] = "image"
    url: str
    width: int | None = None  # pixels
    height: int | None = None
    name: str = ""
    size: int | None = None  # bytes
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    kind: ClassVar[str] = "voice"
    url: str
    seconds: float | None = None
    text: str = ""  # transcript, where the vendor gives one


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    kind: ClassVar[str] = "file"
    url: str
    name: str = ""
    size: int | None = None  # bytes
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """An app's own content, and everything that Parley has no better word for."""

    kind: ClassVar[str] = "custom"
    data: str  # as it came
    text: str = ""  # the vendor's description, where there is one


type Attachment = Image | File
type Content = Text | Attachment | Voice | Custom
IN_CALL = "call"  # the kind of what is said in a voice call
CONTENT_KINDS = (*(content.kind for content in (Text, Image, Voice, File, Custom)), IN_CALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, as a vendor told it."""

    event_id: str  # the same again when the vendor repeats the callback
    happened_at: datetime  # by the vendor's clock
    raw: JSONDict = field(repr=False)  # the body as it came: for people, never for logic


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Event):
    """A user wrote to a robot, or in a group."""

    robot_id: str | None  # the vendor user id that was written to; None in a group: no one in particular
    conversation: Address
    sender_id: str
    content: Content
    vendor_message_id: str  # unique within the conversation
    order: int = 0  # decides between messages of the same `happened_at`
    # In a group: the members it speaks to; None: the vendor does not say, and the text has to be searched.
    mentions: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Event):
    """The vendor has a message of a robot's: one of ours, or what somebody else let it say."""

    robot_id: str
    conversation: Address
    vendor_message_id: str
    key: int | None  # of our message; None: it was not sent by Parley
    is_finished: bool  # False: it still grows, or the vendor does not tell
    order: int = 0  # as in MessageReceived


type Said = MessageReceived | MessageSent


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(Event):
    """A user asked a robot to stop the answer that it is giving."""

    robot_id: str
    conversation: Address
    vendor_message_id: str | None  # the answer's message; None: whichever is growing


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing(Event):
    """A user is writing to a robot, and has said nothing yet."""

    robot_id: str
    conversation: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Event):
    """Theirs, but nothing for us to act on: an echo, a failed send, an event we do not know."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """One message of a robot, as it should stand at the vendor after this call.

    `text` is always the whole text, never an increment: a vendor that takes increments finds what
    is new behind `shown`.
    """

    robot_id: str
    conversation: Address
    text: str
    key: int  # 63 bits, drawn once per message and kept across retries: makes a repeat harmless
    is_stream: bool = False  # an answer that grows; False: a plain message, sent once
    is_finished: bool = True  # no frame follows
    is_error: bool = False  # `text` tells the user that no answer can be given
    vendor_message_id: str | None = None  # None until the vendor has taken the first frame
    shown: str = ""  # what the vendor has accepted of this message so far
    frame: int = 0  # 0 for the first frame, rising
    is_repeat: bool = False  # this very frame was sent before, and may have been taken
    mentions: tuple[str, ...] = ()  # in a group: the members whom it answers
    attachment: Attachment | None = None  # what a plain message is made of instead of `text`
    extra: JSONDict = field(default_factory=dict)  # goes to the vendor as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The vendor's word that it took a message."""

    vendor_message_id: str
    sent_at: datetime
    order: int = 0  # as in MessageReceived


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotProfile:
    """What users see of a robot at the vendor."""

    user_id: str
    nickname: str
    avatar_url: str = ""

"""What all simulated clouds share: the clock, the faults, what was said, what went over the wire."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.faults import Faults

type JSONDict = dict[str, Any]
type Pair = frozenset[str]  # the two who talk, or the group in which somebody does

SHOWN_AT_ONCE = 200  # entries of the journal that a page gets to begin with
JOURNAL_LENGTH = 20_000  # entries kept of each kind; a long-running demo forgets the oldest


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """What a client of the app shows of a message body."""

    kind: str  # text, reply (grows), error, interrupt, image, voice, video, file, custom
    text: str = ""
    is_finished: bool = True
    url: str = ""
    name: str = ""


@dataclass(kw_only=True, slots=True)
class Frame:
    """One state of a message: as it was sent, then as each edit left it."""

    at: float
    body: Any  # as it was on the wire
    rendered: Rendered


@dataclass(kw_only=True, slots=True)
class Message:
    vendor: str
    app: str
    key: str  # the vendor's id, unique within the app
    sender: str
    recipient: str
    sent_at: float
    frames: list[Frame]
    recalled_at: float | None = None
    is_online_only: bool = False
    hidden_from_sender: bool = False  # not in the sender's own history
    is_in_group: bool = False  # `recipient` is a group
    extra: JSONDict = field(default_factory=dict)  # what else the vendor keeps

    @property
    def pair(self) -> Pair:
        return frozenset((self.recipient,) if self.is_in_group else (self.sender, self.recipient))

    @property
    def body(self) -> Any:
        return self.frames[-1].body

    @property
    def shown(self) -> Rendered:
        return self.frames[-1].rendered

    def to_json(self) -> JSONDict:
        frames = [{"at": frame.at, "body": frame.body, **asdict(frame.rendered)} for frame in self.frames]
        return {
            "key": self.key,
            "from": self.sender,
            "to": self.recipient,
            "sent_at": self.sent_at,
            "is_recalled": self.recalled_at is not None,
            "is_online_only": self.is_online_only,
            **asdict(self.shown),
            "frames": frames,
        }


@dataclass(kw_only=True, slots=True)
class Robot:
    user_id: str
    nickname: str = ""
    avatar_url: str = ""


@dataclass(kw_only=True, slots=True)
class Group:
    id: str
    name: str
    members: list[str]  # users and robots


class Journal:
    """What went over the wire, oldest first."""

    def __init__(self) -> None:
        self.calls: deque[JSONDict] = deque(maxlen=JOURNAL_LENGTH)
        self.callbacks: deque[JSONDict] = deque(maxlen=JOURNAL_LENGTH)
        self.violations: deque[JSONDict] = deque(maxlen=JOURNAL_LENGTH)

    def about(self, app: str, members: Pair) -> list[JSONDict]:
        """What went over the wire between these two lately, of all kinds, oldest first."""
        kinds = {"call": self.calls, "callback": self.callbacks, "violation": self.violations}
        entries = [
            {"kind": kind, **entry}
            for kind, journal in kinds.items()
            for entry in journal
            if entry["app"] == app and entry["members"] == sorted(members)
        ]
        return sorted(entries, key=lambda entry: entry["at"])[-SHOWN_AT_ONCE:]


class Hub:
    """Tells listeners what happens, while it happens."""

    def __init__(self) -> None:
        self.version = 0  # rises with every event
        self._changed = asyncio.Event()
        self._listeners: set[asyncio.Queue[JSONDict]] = set()

    def publish(self, name: str, *, app: str, members: Pair, data: Callable[[], JSONDict]) -> None:
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
        if not self._listeners:
            return  # under load nobody watches, and a long message is costly to lay out
        event = {"name": name, "app": app, "members": members, "data": data()}
        for queue in self._listeners:
            queue.put_nowait(event)

    async def wait_beyond(self, version: int, timeout_s: float) -> None:
        """Until something happened after `version`, at most `timeout_s`."""
        if self.version > version:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout_s)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Queue[JSONDict]]:
        queue: asyncio.Queue[JSONDict] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)


class World:
    def __init__(self) -> None:
        self.hub = Hub()
        self.clock_offset_s = 0.0
        self.forget()

    def forget(self) -> None:
        """Everything that was said and logged, and every fault; apps stay."""
        self.faults = Faults()
        self.journal = Journal()
        self._messages: dict[tuple[str, str], Message] = {}
        self._conversations: dict[tuple[str, Pair], list[Message]] = {}

    def now(self) -> float:
        return time.time() + self.clock_offset_s

    def add(self, message: Message) -> None:
        self.keep(message)
        self.announce(message)

    def keep(self, message: Message) -> None:
        self._messages[message.app, message.key] = message
        self._conversations.setdefault((message.app, message.pair), []).append(message)

    def announce(self, message: Message) -> None:
        self.hub.publish("message", app=message.app, members=message.pair, data=message.to_json)

    def message(self, app: str, key: str) -> Message | None:
        return self._messages.get((app, key))

    def conversation(self, app: str, pair: Pair) -> list[Message]:
        """All that the two said to each other, oldest first."""
        return self._conversations.get((app, pair), [])

    def messages(self) -> list[Message]:
        return list(self._messages.values())

    def log_call(self, *, app: str, members: Pair = frozenset(), **entry: Any) -> None:
        entry = {"at": self.now(), "app": app, "members": sorted(members), **entry}
        self.journal.calls.append(entry)
        self.hub.publish("call", app=app, members=members, data=lambda: entry)

    def log_callback(self, *, app: str, members: Pair = frozenset(), **entry: Any) -> None:
        entry = {"at": self.now(), "app": app, "members": sorted(members), **entry}
        self.journal.callbacks.append(entry)
        self.hub.publish("callback", app=app, members=members, data=lambda: entry)

    def log_violation(self, rule: str, *, app: str, members: Pair, key: str, detail: str) -> None:
        """The product did what a real client or cloud would choke on."""
        told = {"rule": rule, "key": key, "detail": detail}
        entry = {"at": self.now(), "app": app, "members": sorted(members), **told}
        self.journal.violations.append(entry)
        self.hub.publish("violation", app=app, members=members, data=lambda: entry)

"""Easemob as a vendor: who does what for whom."""

from __future__ import annotations

import math
import secrets
import string
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Final

import requests
from django.utils.translation import gettext_noop

from bots.errors import (
    EditingUnavailable,
    MessageEnded,
    MessageGone,
    Unsupported,
    VendorRefused,
    VendorUnreachable,
)
from bots.events import Address, Event, Image, JSONDict, OutgoingMessage, Receipt, RobotProfile, Said
from bots.keys import milliseconds_of
from bots.text import clean_text
from bots.vendors.base import (
    LOGIN_LIFETIME_S,
    Answer,
    IncomingCallback,
    Login,
    Vendor,
    at_once,
    increment_of,
)
from bots.vendors.breaks import EditingBreaks
from bots.vendors.easemob import callbacks, history, protocol
from bots.vendors.easemob.client import LONGEST_TOKEN, EasemobClient
from bots.vendors.easemob.config import EasemobConfig
from bots.vendors.easemob.errors import EMPTY, FINISHED, REWRITE, STALE_CHUNK
from bots.vendors.reading import Fields, read_each

HISTORY_PAGE: Final = 20  # messages; how many may be asked for is not documented, this is the example
MOST_HISTORY_PAGES: Final = 100
CLOCK_SKEW_MS: Final = 120_000  # between Easemob and us
ALREADY_THERE: Final = ("duplicate_unique_property_exists", "be unique", "exist")

EDITABLE: Final = "edit/"  # before the id of a message that grows by edits
# Seconds from the first words, and from each edit, to the next: ten edits are all, and one is for the end.
PAUSES_S: Final = (0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 5.0, 8.0, 13.0)

GROWS_BY_EDITS: Final = gettext_noop(
    "Stream messages are not opened for this app: answers grow by edits. "
    "They are tried again an hour after they were refused."
)
STREAMS_CLOSED: Final = gettext_noop(
    "Stream messages are not opened for this app: answers come in whole messages. "
    "They are tried again an hour after they were refused."
)


class Easemob(Vendor):
    name = "easemob"
    label = "Easemob IM"
    Config = EasemobConfig
    can_edit = True  # an answer grows as a stream message
    starts_empty = False  # whether a chunk may be without words is not documented
    can_recall = True
    attachments = (Image,)  # how a server sends other files is not documented
    edit_interval_s = 0.5  # 100 chunks a second are for all the app's conversations together
    repeat_window_s = 0.0  # nothing makes a repeat harmless: look the message up first
    calls_per_s = 50.0  # a stream's first chunk and the others share 100 calls …
    group_send_weight = 2.5  # … but plain messages to groups are limited to 20
    robot_id_alphabet = string.ascii_lowercase + string.digits + "_-."
    max_robot_id_bytes = 64
    no_editing_note = STREAMS_CLOSED

    config: EasemobConfig

    def __init__(
        self,
        config: EasemobConfig,
        session: requests.Session | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(config, session, now)
        self.shows_thinking = config.typing
        self.can_rewrite = config.edits
        self._stream_breaks = EditingBreaks(lambda: self.memory, now, kept="streams_again_at")
        self._client = EasemobClient(
            config, self.session, timeout_s=self.timeout_s, now=now, memory=lambda: self.memory
        )

    def can_edit_in(self, conversation: Address) -> bool:
        """Where editing is opened, a refused stream is no reason for whole messages yet."""
        breaks = self._breaks if self.config.edits else self._stream_breaks
        return not breaks.covers(conversation)

    def note_editing_refused(self, place: Address | None = None) -> None:
        if self.config.edits and self._stream_breaks.any_open:
            super().note_editing_refused(place)
        else:
            note = GROWS_BY_EDITS if self.config.edits else STREAMS_CLOSED
            self._stream_breaks.begin(place, note=note)

    def check(self, callback: IncomingCallback) -> None:
        callbacks.check(callback, self.config)

    def delivery_id(self, callback: IncomingCallback) -> str:
        return callbacks.delivery_id(callback)

    def event_name(self, callback: IncomingCallback) -> str:
        return callbacks.event_of(callback)

    def read(self, callback: IncomingCallback) -> list[Event]:
        return callbacks.read(callback)

    def answer(self, callback: IncomingCallback) -> Answer:
        """Of a post-send callback the answer's body is ignored, so there is no need to tell the two apart."""
        return Answer(body={"valid": True})

    @property
    def intercepts(self) -> bool:
        return self.config.pre_send == "intercept"

    def answer_for_robot(self, callback: IncomingCallback) -> Answer:
        return Answer(body={"valid": not self.intercepts})

    def register(self, robot: RobotProfile) -> None:
        """An ordinary user (account_register_authorized_single.md) whose password nobody knows: robots
        do not log in.  Then the profile, by the keys that the client SDKs understand (userprofile.md)."""
        user = {"username": robot.user_id, "password": secrets.token_urlsafe(24)}
        try:
            answer = self._client.call("users", user)
        except VendorRefused as error:
            if error.code != ALREADY_THERE[0] and ALREADY_THERE[1] not in error.detail:
                raise
        else:
            self._check_registration(answer)
        profile = {"nickname": robot.nickname, "avatarurl": robot.avatar_url}
        if given := {name: value for name, value in profile.items() if value}:
            self._client.put_form(f"metadata/user/{robot.user_id}", given)

    def admit(self, user_id: str) -> None:
        """Asking for a token creates who is not there."""
        self.login(user_id)

    def login(self, user_id: str) -> Login:
        """A user token (easemob_user_token.html).  The user is created if there is none."""
        request = {
            "grant_type": "inherit",
            "username": user_id,
            "autoCreateUser": True,
            "ttl": LOGIN_LIFETIME_S,
        }
        answer = self._fields(self._client.call("token", request))
        lifetime_s = min(answer.number("expires_in", LOGIN_LIFETIME_S), LOGIN_LIFETIME_S)
        return Login(
            app_id=f"{self.config.org_name}#{self.config.app_name}",
            token=answer.id("access_token", longest=LONGEST_TOKEN),
            expires_at=datetime.fromtimestamp(self._now() + lifetime_s, UTC),
        )

    def send(self, message: OutgoingMessage) -> Receipt:
        if not message.is_stream or message.is_error:
            return self._send_plain(message)
        if self._grows_by_edits(message):
            return self._send_editable(message)
        try:
            return self._start_stream(message)
        except EditingUnavailable as error:
            if not (self.config.edits and protocol.fits(message.text, is_stream=False)):
                raise
            self._stream_breaks.begin(error.place, note=GROWS_BY_EDITS)
            return self._send_editable(message)

    def _grows_by_edits(self, message: OutgoingMessage) -> bool:
        return self.config.edits and self._stream_breaks.covers(message.conversation)

    def _send_editable(self, message: OutgoingMessage) -> Receipt:
        receipt = self._send_plain(message)
        return replace(receipt, vendor_message_id=f"{EDITABLE}{receipt.vendor_message_id}")

    def _send_plain(self, message: OutgoingMessage) -> Receipt:
        call = protocol.PLAIN[message.conversation.kind]
        answer = self._client.call(call, protocol.plain_request(message))
        # The names in `data` are folded to lower case; we named one receiver.
        ids = list(self._fields(answer).object("data").source)
        if len(ids) != 1:
            raise self._fields(answer).wrong("data", "does not hold one id")
        return self._receipt(answer, self._fields(answer).object("data").id(ids[0], longest=100))

    def show_thinking(self, robot_id: str, conversation: Address) -> None:
        self._client.call(protocol.PLAIN[conversation.kind], protocol.typing_request(robot_id, conversation))

    def takes_increments(self, vendor_message_id: str) -> bool:
        return not vendor_message_id.startswith(EDITABLE)

    def pause_after_s(self, vendor_message_id: str, frame: int) -> float:
        if self.takes_increments(vendor_message_id):
            return self.edit_interval_s
        return PAUSES_S[frame] if frame < len(PAUSES_S) else math.inf

    def edit(self, message: OutgoingMessage) -> None:
        if message.is_stream and self.takes_increments(message.vendor_message_id or ""):
            self._grow(message)
        else:
            plain = _named_plainly(message)
            self._client.put(REWRITE, plain.vendor_message_id or "", protocol.rewrite_request(plain))

    def _grow(self, message: OutgoingMessage) -> None:
        increment = clean_text(increment_of(message, party=self.name))
        try:
            self._add(message, increment)
        except MessageEnded as error:
            # A frame that was sent before, and whose answer was lost, was taken after all.
            if not (message.is_repeat and error.code in {STALE_CHUNK, FINISHED}):
                raise
        except VendorRefused as error:
            if increment or error.code != EMPTY:
                raise
            self._add(message, protocol.BLANK)  # the end has to be said with something

    def recall(self, message: OutgoingMessage) -> None:
        with suppress(MessageGone):  # what a second recall is answered is not documented
            self._client.call("messages/msg_recall", protocol.recall_request(_named_plainly(message)))

    def find_sent(self, message: OutgoingMessage) -> Receipt | None:
        made_at_ms = milliseconds_of(message.key) - CLOCK_SKEW_MS
        pages = self._pages(message.conversation, message.robot_id, since_ms=made_at_ms)
        for record in chain.from_iterable(pages):
            if protocol.key_of(record) == message.key:
                sent = self._fields(record)
                sent_at = sent.time("timestamp", self._time(), per_second=1000)
                is_editable = message.is_stream and not message.is_error and self._grows_by_edits(message)
                id_ = (EDITABLE if is_editable else "") + history.id_of(sent)
                return Receipt(vendor_message_id=id_, sent_at=sent_at)
        return None

    def history(
        self,
        *,
        robot_id: str,
        conversation: Address,
        since: datetime,
        before_call: Callable[[], None] = at_once,
    ) -> Iterator[list[Said]]:
        read = partial(history.read_record, robot_id=robot_id, conversation=conversation)
        for page in self._pages(
            conversation, robot_id, since_ms=int(since.timestamp() * 1000), before_call=before_call
        ):
            yield read_each(page, read)

    def fits(self, text: str, *, is_stream: bool) -> bool:
        may_be_plain = self.config.edits and self._stream_breaks.any_open
        return protocol.fits(text, is_stream=is_stream and not may_be_plain)

    def _start_stream(self, message: OutgoingMessage) -> Receipt:
        call = protocol.STREAM[message.conversation.kind]
        try:
            answer = self._client.call(call, protocol.first_chunk(message))
        except EditingUnavailable:
            raise
        except VendorRefused as error:
            if message.conversation.kind == "peer":
                raise
            # A group of more than 200 takes no stream; how that is answered is not documented.
            raise EditingUnavailable(
                error.detail, party=self.name, code=error.code, place=message.conversation
            ) from error
        return self._receipt(answer, self._fields(answer).object("data").id("msgId", longest=100))

    def _add(self, message: OutgoingMessage, increment: str) -> None:
        call = protocol.STREAM[message.conversation.kind]
        self._client.call(call, protocol.next_chunk(message, increment))

    def _pages(
        self,
        conversation: Address,
        robot_id: str,
        *,
        since_ms: int,
        before_call: Callable[[], None] = at_once,
    ) -> Iterator[list[JSONDict]]:
        """The conversation since then, in what order is not documented (message_roam_single_obtain.html,
        message_roam_group_obtain.html)."""
        call = protocol.HISTORY[conversation.kind]
        request: JSONDict = {
            "username": robot_id,
            "groupId" if conversation.kind == "group" else "to": conversation.id,
            "limit": HISTORY_PAGE,
            "order": "down",
            "startTimestamp": since_ms,
            "endTimestamp": int(self._now() * 1000) + CLOCK_SKEW_MS,
        }
        for _page in range(MOST_HISTORY_PAGES):
            before_call()
            data = self._client.call_v6(call, request).get("data")
            if not protocol.has_list(data):
                raise Unsupported(f"{call}: the answer's form is unknown", party=self.name)
            records = list(protocol.records_in(data))
            yield records
            cursor = _cursor_in(data)
            if not records or not cursor or cursor == request.get("cursor"):
                return
            request["cursor"] = cursor
        raise VendorUnreachable("the history does not end", party=self.name)

    def _check_registration(self, answer: JSONDict) -> None:
        """Newer servers answer 200 and say in `data` who was not registered."""
        failures = answer.get("data")
        for failure in failures if isinstance(failures, list) else []:
            reason = str(failure.get("registerUserFailReason", "")) if isinstance(failure, dict) else ""
            if reason and not any(words in reason for words in ALREADY_THERE):
                raise VendorRefused(f"users: {reason}", party=self.name)

    def _receipt(self, answer: JSONDict, message_id: str) -> Receipt:
        sent_at = self._fields(answer).time("timestamp", self._time(), per_second=1000)
        return Receipt(vendor_message_id=message_id, sent_at=sent_at)

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def _fields(self, answer: JSONDict) -> Fields:
        return Fields(answer, path="answer: ", error=partial(VendorUnreachable, party=self.name))


def _named_plainly(message: OutgoingMessage) -> OutgoingMessage:
    id_ = message.vendor_message_id
    return replace(message, vendor_message_id=id_.removeprefix(EDITABLE) if id_ else None)


def _cursor_in(data: object) -> str:
    pagination = data.get("pagination") if isinstance(data, dict) else None
    return str(pagination.get("cursor") or "") if isinstance(pagination, dict) else ""

"""ZEGO ZIM as a vendor: who does what for whom."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Final

import requests
import structlog

from bots.errors import MessageGone, VendorRefused, VendorUnreachable
from bots.events import (
    Address,
    Event,
    File,
    Image,
    JSONDict,
    OutgoingMessage,
    Receipt,
    RobotProfile,
    Said,
)
from bots.keys import milliseconds_of
from bots.vendors.base import LOGIN_LIFETIME_S, Answer, IncomingCallback, Login, Vendor, at_once
from bots.vendors.reading import Fields, read_each
from bots.vendors.zego import callbacks, history, protocol
from bots.vendors.zego.client import ZegoClient
from bots.vendors.zego.config import ZegoConfig
from bots.vendors.zego.errors import ALREADY_RECALLED, ROBOT_EXISTS
from bots.vendors.zego.token04 import token04

log = structlog.get_logger(__name__)

HISTORY_PAGE: Final = 100  # messages; more are not given
MOST_HISTORY_PAGES: Final = 50
CLOCK_SKEW_MS: Final = 120_000  # between ZEGO and us
ALLOW: Final = {"result": 0}  # "neutral": the app's other rules decide


class Zego(Vendor):
    name = "zego"
    label = "ZEGO ZIM"
    Config = ZegoConfig
    can_edit = True
    can_recall = True
    attachments = (Image, File)
    can_rewrite = True  # for 24 hours
    edit_interval_s = 1.0  # the app's 20 edits a second are for all its conversations together
    repeat_window_s = 0.0  # nothing makes a repeat harmless: look the message up first
    calls_per_s = 20.0  # for each action …
    group_send_weight = 2.0  # … but 10 for SendGroupMessage
    numbers_messages = True  # guessed of MsgSeq; if it is wrong, some histories are read in vain
    robot_prefix = protocol.ROBOT_PREFIX
    max_robot_id_bytes = 32

    config: ZegoConfig

    def __init__(
        self,
        config: ZegoConfig,
        session: requests.Session | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(config, session, now)
        self._client = ZegoClient(config, self.session, timeout_s=self.timeout_s, now=now)

    def check(self, callback: IncomingCallback) -> None:
        callbacks.check(callback, self.config)

    def delivery_id(self, callback: IncomingCallback) -> str:
        return callbacks.delivery_id(callback)

    def event_name(self, callback: IncomingCallback) -> str:
        return callbacks.event_of(callback)

    def read(self, callback: IncomingCallback) -> list[Event]:
        return callbacks.read(callback)

    def answer(self, callback: IncomingCallback) -> Answer:
        """Any 2xx will do (/zim-server/callbacks/…); the sample answers an object."""
        return Answer(body={"message": "ok"})

    def verdict(self, callback: IncomingCallback) -> Answer | None:
        return Answer(body=dict(ALLOW)) if callbacks.asks_permission(callback) else None

    def register(self, robot: RobotProfile) -> None:
        """`RobotRegister` (/zim-server/bot/register-bots); that the robot exists is success.

        Robots have no documented call that changes them.  `ModifyUserInfo` for a robot is a guess, so a
        refusal only means that ZEGO keeps the profile of the first time.
        """
        profile = {"UserName": robot.nickname, "UserAvatar": robot.avatar_url}
        user_info = {"UserId": robot.user_id, **{name: value for name, value in profile.items() if value}}
        try:
            self._client.call("RobotRegister", {"UserInfo": [user_info]})
        except VendorRefused as error:
            if error.code != str(ROBOT_EXISTS):
                raise
            self._change_profile(user_info)

    def admit(self, user_id: str) -> None:
        """`UserRegister` (/zim-server/user/); that the user exists is success, as with robots (guessed)."""
        try:
            self._client.call("UserRegister", {"UserInfo": [{"UserId": user_id}]})
        except VendorRefused as error:
            if error.code != str(ROBOT_EXISTS):
                raise

    def login(self, user_id: str) -> Login:
        now = int(self._now())
        token = token04(
            self.config.app_id, self.config.server_secret, user_id, now=now, lifetime_s=LOGIN_LIFETIME_S
        )
        expires_at = datetime.fromtimestamp(now + LOGIN_LIFETIME_S, UTC)
        return Login(app_id=self.config.app_id, token=token, expires_at=expires_at)

    def send(self, message: OutgoingMessage) -> Receipt:
        action = protocol.SEND[message.conversation.kind]
        answer = self._fields(self._client.call(action, protocol.send_request(message)))
        sent = [answer] if protocol.is_in_group(message) else answer.objects("SuccList")
        if not sent:
            raise answer.wrong("SuccList", "is empty")
        sent_at = datetime.fromtimestamp(self._now(), UTC)  # the answer tells no time
        return _receipt(sent[0], sent_at)

    def edit(self, message: OutgoingMessage) -> None:
        self._client.call(protocol.EDIT[message.conversation.kind], protocol.edit_request(message))

    def recall(self, message: OutgoingMessage) -> None:
        try:
            self._client.call(protocol.RECALL[message.conversation.kind], protocol.recall_request(message))
        except MessageGone as error:
            if error.code != ALREADY_RECALLED:
                raise

    def find_sent(self, message: OutgoingMessage) -> Receipt | None:
        made_at_ms = milliseconds_of(message.key) - CLOCK_SKEW_MS
        pages = self._pages(message.conversation, message.robot_id, since_ms=made_at_ms)
        for sent in chain.from_iterable(pages):
            is_ours = sent.text("Sender", "") == message.robot_id
            if is_ours and protocol.key_in(sent.text("Payload", "")) == message.key:
                return _receipt(sent, sent.time("MsgTime", per_second=1000))
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
            yield read_each((record.source for record in page), read)

    def fits(self, text: str, *, is_stream: bool) -> bool:
        return protocol.fits(text)

    def _pages(
        self,
        conversation: Address,
        robot_id: str,
        *,
        since_ms: int,
        before_call: Callable[[], None] = at_once,
    ) -> Iterator[list[Fields]]:
        """The conversation since then, newest first
        (/zim-server/conversation/query-the-message-list-of-one-on-one-chats; the same for a group).

        It cannot be asked for a span of time.
        """
        is_group = conversation.kind == "group"
        place = {"GroupId" if is_group else "ToUserId": conversation.id}
        request: JSONDict = {"FromUserId": robot_id, **place, "Limit": HISTORY_PAGE, "Next": 0}
        for _ in range(MOST_HISTORY_PAGES):
            before_call()
            answer = self._fields(self._client.call(protocol.HISTORY[conversation.kind], request))
            page = answer.objects("List", [])
            recent = [record for record in page if record.number("MsgTime") >= since_ms]
            yield recent
            request["Next"] = answer.number("Next", 0)
            if request["Next"] == 0 or len(recent) < len(page):
                return
        raise VendorUnreachable("the history does not end", party=self.name)

    def _change_profile(self, user_info: JSONDict) -> None:
        try:
            self._client.call("ModifyUserInfo", {"UserInfo": [user_info]})
        except VendorRefused as error:
            log.warning("ZEGO keeps the robot's old profile", robot=user_info["UserId"], error=str(error))

    def _fields(self, answer: JSONDict) -> Fields:
        return Fields(answer, path="answer: ", error=partial(VendorUnreachable, party=self.name))


def _receipt(sent: Fields, sent_at: datetime) -> Receipt:
    number = sent.number("MsgSeq")
    message_id = protocol.message_id(sent.any_id("MsgId", longest=60), number)
    return Receipt(vendor_message_id=message_id, sent_at=sent_at, order=number)

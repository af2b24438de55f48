"""Tencent Cloud IM as a vendor: who does what for whom."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Final

import requests

from bots.errors import (
    EditingUnavailable,
    MessageEnded,
    MessageGone,
    Unsupported,
    VendorBusy,
    VendorRefused,
    VendorUnreachable,
)
from bots.events import (
    Address,
    ConversationKind,
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
from bots.vendors.tencent import callbacks, history, protocol, stream
from bots.vendors.tencent.client import TencentClient
from bots.vendors.tencent.config import TencentConfig
from bots.vendors.tencent.friends import Friends
from bots.vendors.tencent.usersig import user_sig

HISTORY_PAGE: Final = 100  # messages; a page of 13 KB holds fewer
GROUP_HISTORY_PAGE: Final = 20  # messages; more are not given
MOST_HISTORY_PAGES: Final = 50
CLOCK_SKEW_S: Final = 120  # between Tencent and us
ALREADY_RECALLED: Final = "20023"
NOT_FOR_THIS_GROUP: Final = "10007"


class Tencent(Vendor):
    name = "tencent"
    label = "Tencent Cloud IM"
    Config = TencentConfig
    can_edit = True
    can_recall = True
    attachments = (Image, File)
    can_rewrite = True
    # Undocumented; Tencent's bot plugin keeps a second.  Counted from answer to call: the way adds to it.
    edit_interval_s = 0.95
    repeat_window_s = 100.0  # 120 less what the call itself may take
    calls_per_s = 200.0  # for each command: trtc.io/document/34419
    timeout_s = 3.0, 8.0  # Tencent itself gives up after 3 (269/1519)
    robot_prefix = protocol.ROBOT_PREFIX
    max_robot_id_bytes = 32

    config: TencentConfig

    def __init__(
        self,
        config: TencentConfig,
        session: requests.Session | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(config, session, now)
        self._client = TencentClient(config, self.session, timeout_s=self.timeout_s, now=now)
        self._friends = Friends(self._client, self._fields)
        self._streams = config.transport == "stream"
        if self._streams:
            self.starts_empty = False  # or it would end by itself while a model thinks
            self.edit_interval_s = stream.INTERVAL_S
            self.longest_gap_s = stream.LONGEST_GAP_S
            self.repeat_window_s = 0.0  # that a repeat is known is documented of `sendmsg` only

    def check(self, callback: IncomingCallback) -> None:
        callbacks.check(callback, self.config)

    def risks(self) -> list[str]:
        if self.config.callback_token:
            return []
        return ["callback_token is empty, so callbacks are not signed and anybody can send them"]

    def delivery_id(self, callback: IncomingCallback) -> str:
        return callbacks.delivery_id(callback)

    def event_name(self, callback: IncomingCallback) -> str:
        return callbacks.command_of(callback)

    def read(self, callback: IncomingCallback) -> list[Event]:
        return callbacks.read(callback)

    def answer(self, callback: IncomingCallback) -> Answer:
        return Answer(body={"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""})

    def register(self, robot: RobotProfile) -> None:
        """`create_robot` (1047/55280), then the profile: it is not documented whether creating a robot
        that exists refreshes it, nor what that answers."""
        profile = {"Nick": robot.nickname, "FaceUrl": robot.avatar_url}
        given = {name: value for name, value in profile.items() if value}
        try:
            self._client.call("openim_robot_http_svc/create_robot", {"UserID": robot.user_id, **given})
        except VendorRefused:
            if robot.user_id not in self._robots():
                raise
        self._set_profile(robot)

    def admit(self, user_id: str) -> None:
        """`account_import` (269/1608; not read for this: its one field is guessed)."""
        self._client.call("im_open_login_svc/account_import", {"UserID": user_id})

    def login(self, user_id: str) -> Login:
        """A UserSig of the user (269/32688)."""
        now = int(self._now())
        config = self.config
        token = user_sig(config.sdk_app_id, config.secret_key, user_id, now=now, lifetime_s=LOGIN_LIFETIME_S)
        expires_at = datetime.fromtimestamp(now + LOGIN_LIFETIME_S, UTC)
        return Login(app_id=config.sdk_app_id, token=token, expires_at=expires_at)

    def send(self, message: OutgoingMessage) -> Receipt:
        return self._friends.send(message, self._send)

    def _send(self, message: OutgoingMessage) -> Receipt:
        if self._streams and message.is_stream:
            # Clients that show streams have nothing for the plugin's way to tell of a failure.
            whole = replace(message, is_stream=False)
            return self._send_whole(whole) if message.is_error else self._begin(message)
        return self._send_whole(message)

    def _send_whole(self, message: OutgoingMessage) -> Receipt:
        command = protocol.SEND[message.conversation.kind]
        answer = self._fields(self._client.call(command, protocol.send_request(message)))
        if dropped := answer.text("MsgDropReason", ""):  # by the group's limit of messages a second
            raise VendorBusy(f"{command}: dropped ({dropped})", party=self.name, retry_after=1.0)
        # What a repeat is answered is not documented: without the message's id it counts as no answer.
        return _receipt(answer, message.conversation.kind, time_field="MsgTime")

    def _begin(self, message: OutgoingMessage) -> Receipt:
        command = stream.SEND[message.conversation.kind]
        answer = self._fields(self._client.call(command, stream.request(message)))
        now = datetime.fromtimestamp(self._now(), UTC)
        return Receipt(vendor_message_id=str(stream.id_in(answer)), sent_at=answer.time("MsgTime", now))

    def takes_increments(self, vendor_message_id: str) -> bool:
        return stream.is_stream(vendor_message_id)

    def edit(self, message: OutgoingMessage) -> None:
        if stream.is_stream(message.vendor_message_id):
            self._add(message)
            return
        try:
            self._client.call(protocol.EDIT[message.conversation.kind], protocol.edit_request(message))
        except VendorRefused as error:
            if error.code != NOT_FOR_THIS_GROUP:
                raise
            # Live groups take no edits; that this is the code is guessed from its meaning.
            place = message.conversation
            raise EditingUnavailable(error.detail, party=self.name, code=error.code, place=place) from error

    def _add(self, message: OutgoingMessage) -> None:
        """Whatever is refused in the middle of a stream, the answer goes on in another message."""
        if not stream.StreamId.read(protocol.sent_id(message)).stream:
            raise MessageEnded("the stream's id was never told", party=self.name)
        try:
            self._client.call(stream.SEND[message.conversation.kind], stream.request(message))
        except VendorRefused as error:
            raise MessageEnded(error.detail, party=self.name, code=error.code) from error

    def recall(self, message: OutgoingMessage) -> None:
        message = self._named(message)
        try:
            self._client.call(protocol.RECALL[message.conversation.kind], protocol.recall_request(message))
        except MessageGone as error:
            if error.code != ALREADY_RECALLED:
                raise

    def _named(self, message: OutgoingMessage) -> OutgoingMessage:
        """The message by the name that all commands but those of streams know."""
        if not stream.is_stream(message.vendor_message_id):
            return message
        name = stream.StreamId.read(protocol.sent_id(message)).message
        if not name:
            raise Unsupported("a stream whose MsgKey was never told cannot be recalled", party=self.name)
        return replace(message, vendor_message_id=name)

    def find_sent(self, message: OutgoingMessage) -> Receipt | None:
        numbers = protocol.numbers_of(message).items()
        since_s = milliseconds_of(message.key) // 1000 - CLOCK_SKEW_S
        place = message.conversation.id
        pages = (
            self._group_pages(place, since_s=since_s)
            if protocol.is_in_group(message)
            else self._pages(place, message.robot_id, since_s=since_s)
        )
        for sent in chain.from_iterable(pages):
            is_ours = sent.text("From_Account", "") == message.robot_id
            if is_ours and all(sent.number(name, 0) == number for name, number in numbers):
                if self._streams and message.is_stream and not message.is_error:
                    name = str(stream.id_in_history(sent))
                    return Receipt(vendor_message_id=name, sent_at=sent.time("MsgTimeStamp"))
                return _receipt(sent, message.conversation.kind, time_field="MsgTimeStamp")
        return None

    def history(
        self,
        *,
        robot_id: str,
        conversation: Address,
        since: datetime,
        before_call: Callable[[], None] = at_once,
    ) -> Iterator[list[Said]]:
        """Without messages to those online only, which Tencent does not keep."""
        place, since_s = conversation.id, int(since.timestamp())
        if conversation.kind == "group":
            read = partial(history.read_group_record, robot_id=robot_id, conversation=conversation)
            pages = self._group_pages(place, since_s=since_s, before_call=before_call)
        else:
            read = partial(history.read_record, robot_id=robot_id)
            pages = self._pages(place, robot_id, since_s=since_s, before_call=before_call)
        for page in pages:
            yield read_each((record.source for record in page), read)

    def fits(self, text: str, *, is_stream: bool) -> bool:
        if is_stream and self._streams:
            return stream.fits(text)
        return protocol.fits(text, is_stream=is_stream)

    def _pages(
        self, user_id: str, robot_id: str, *, since_s: int, before_call: Callable[[], None] = at_once
    ) -> Iterator[list[Fields]]:
        """The conversation since then, newest first (`admin_getroammsg`, 1047/35478).

        Seen with the user's eyes: what we send is kept in the receiver's history only.
        """
        request: JSONDict = {
            "Operator_Account": user_id,
            "Peer_Account": robot_id,
            "MaxCnt": HISTORY_PAGE,
            "MinTime": since_s,
            "MaxTime": int(self._now()) + CLOCK_SKEW_S,
        }
        for _ in range(MOST_HISTORY_PAGES):
            before_call()
            page = self._fields(self._client.call("openim/admin_getroammsg", request))
            yield page.objects("MsgList", [])[::-1]
            if page.number("Complete") == 1:
                return
            request |= {"MaxTime": page.number("LastMsgTime"), "LastMsgKey": page.text("LastMsgKey")}
        raise VendorUnreachable("the history does not end", party=self.name)

    def _group_pages(
        self, group_id: str, *, since_s: int, before_call: Callable[[], None] = at_once
    ) -> Iterator[list[Fields]]:
        """The group since then, newest first (`group_msg_get_simple`).

        What was deleted leaves an entry that may lack every field but its number.
        """
        request: JSONDict = {"GroupId": group_id, "ReqMsgNumber": GROUP_HISTORY_PAGE}
        for _ in range(MOST_HISTORY_PAGES):
            before_call()
            answer = self._fields(self._client.call("group_open_http_svc/group_msg_get_simple", request))
            page = sorted(
                answer.objects("RspMsgList", []), key=lambda sent: sent.number("MsgSeq"), reverse=True
            )
            recent = [sent for sent in page if sent.number("MsgTimeStamp", since_s) >= since_s]
            yield recent
            if not page or len(recent) < len(page) or page[-1].number("MsgSeq") <= 1:
                return
            request["ReqMsgSeq"] = page[-1].number("MsgSeq") - 1
        raise VendorUnreachable("the history does not end", party=self.name)

    def _robots(self) -> list[str]:
        answer = self._client.call("openim_robot_http_svc/get_all_robots", {})
        return list(answer.get("Robot_Account") or [])

    def _set_profile(self, robot: RobotProfile) -> None:
        """Only what is given: whether Tencent takes an empty value is not documented."""
        profile = {"Tag_Profile_IM_Nick": robot.nickname, "Tag_Profile_IM_Image": robot.avatar_url}
        items = [{"Tag": tag, "Value": value} for tag, value in profile.items() if value]
        if items:
            request = {"From_Account": robot.user_id, "ProfileItem": items}
            self._client.call("profile/portrait_set", request)

    def _fields(self, answer: JSONDict) -> Fields:
        return Fields(answer, path="answer: ", error=partial(VendorUnreachable, party=self.name))


def _receipt(source: Fields, kind: ConversationKind, *, time_field: str) -> Receipt:
    id_ = source.id("MsgKey", longest=100) if kind == "peer" else str(source.number("MsgSeq"))
    return Receipt(vendor_message_id=id_, sent_at=source.time(time_field))

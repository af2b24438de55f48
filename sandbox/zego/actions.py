"""The actions of the simulated ZEGO cloud: a request's body in, an answer's body out.

Codes: /zim-server/return-codes unless another page is named.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.courier import Callback, Courier
from sandbox.world import Frame, Group, JSONDict, Message, Pair, Robot, World
from sandbox.zego import messages
from sandbox.zego.app import BEFORE_SEND_CALLBACK, BOT_CALLBACK, ROBOT_PREFIX, SEND_CALLBACK, App

MAX_ID_BYTES = 32
MAX_ROBOTS_IN_CALL = 20
MAX_EXTENSION_BYTES = 1024
RECALL_WINDOW_S = 120
EDIT_WINDOW_S = 24 * 3600
LARGEST_PAGE = 100
SEEN_FLAGS = (0, 1)


class Refused(Exception):
    """The cloud's answer is an error code."""

    def __init__(self, code: int, detail: str, **fields: Any) -> None:
        super().__init__(detail)
        self.code = code
        self.fields = fields  # what else the answer holds


@dataclass(kw_only=True)
class Actions:
    world: World
    courier: Courier
    # Ids lie beyond 2^53, as ZEGO's do.
    next_id: int = field(default_factory=lambda: 2**60 + random.getrandbits(50))

    # Robots and users: /zim-server/bot/register-bots, /zim-server/user/…

    async def robot_register(self, app: App, body: JSONDict) -> JSONDict:
        return self._register(app, body, MAX_ROBOTS_IN_CALL, self._add_robot)

    async def user_register(self, app: App, body: JSONDict) -> JSONDict:
        return self._register(app, body, 100, self._add_user)

    def _register(self, app: App, body: JSONDict, most: int, add: Callable[[App, JSONDict], int]) -> JSONDict:
        """If one succeeds, Code is 0; which Code says that all have failed is not documented."""
        entries = _objects(body, "UserInfo", most)
        codes = {str(entry.get("UserId", "")): add(app, entry) for entry in entries}
        errors = [
            {"UserId": user_id, "SubCode": code, "SubMessage": "refused"}
            for user_id, code in codes.items()
            if code
        ]
        if len(errors) == len(entries):
            raise Refused(660000003, "all failed", ErrorList=errors)
        return {"ErrorList": errors}

    def _add_robot(self, app: App, entry: JSONDict) -> int:
        user_id = entry.get("UserId")
        if not isinstance(user_id, str) or not user_id.startswith(ROBOT_PREFIX):
            return 660000002
        if code := _profile_error(entry):
            return code
        if user_id in app.robots:
            return 660700002
        app.robots[user_id] = Robot(
            user_id=user_id, nickname=entry.get("UserName", ""), avatar_url=entry.get("UserAvatar", "")
        )
        self._announce_robots(app)
        return 0

    def _add_user(self, app: App, entry: JSONDict) -> int:
        if code := _profile_error(entry):
            return code
        if entry["UserId"] in app.users:
            return 660700002
        app.users.add(entry["UserId"])
        return 0

    async def modify_user_info(self, app: App, body: JSONDict) -> JSONDict:
        """That it takes robots is guessed."""
        for entry in _objects(body, "UserInfo", 100):
            if code := _profile_error(entry):
                raise Refused(code, "refused")
            if not app.knows(entry["UserId"]):
                raise Refused(660700012, f"no user {entry['UserId']}")
            if robot := app.robots.get(entry["UserId"]):
                robot.nickname = entry.get("UserName", robot.nickname)
                robot.avatar_url = entry.get("UserAvatar", robot.avatar_url)
                self._announce_robots(app)
        return {"ErrorList": []}

    # Messages: /zim-server/messaging/…

    async def send_peer_message(self, app: App, body: JSONDict) -> JSONDict:
        sender, recipients = _text(body, "FromUserId"), body.get("ToUserId")
        if not isinstance(recipients, list) or not recipients or sender in recipients:
            raise Refused(660000002, "ToUserId is a list of others than FromUserId")
        if len(recipients) > 100:
            raise Refused(660000011, "at most 100 in ToUserId")
        if body.get("Priority") not in (1, 2, 3):
            raise Refused(660000002, "Priority is 1, 2 or 3")
        if not app.knows(sender):
            raise Refused(660500002, f"FromUserId {sender} is not registered")
        content = _message_body(app, body.get("MessageType"), body.get("MessageBody"))
        unknown = [user for user in recipients if not app.knows(user)]
        errors = [{"UserId": user, "SubCode": 660700012} for user in unknown]
        if len(unknown) == len(recipients):
            raise Refused(660000003, "all failed", ErrorList=errors)
        sent = [
            self.deliver(app, self.new_message(app, sender, user, content, is_from_server=True))
            for user in recipients
            if user not in unknown
        ]
        receipts = [
            {"UserId": message.recipient, "MsgId": message.key, "MsgSeq": message.extra["MsgSeq"]}
            for message in sent
        ]
        return {"ErrorList": errors, "SuccList": receipts, "AuditInfos": []}

    async def send_group_message(self, app: App, body: JSONDict) -> JSONDict:
        """…/send-a-group-message.  That one who is not a member may not send is guessed."""
        sender, group = _text(body, "FromUserId"), _group(app, body)
        if body.get("Priority") not in (1, 2, 3):
            raise Refused(660000002, "Priority is 1, 2 or 3")
        if sender not in group.members:
            raise Refused(660600024, f"{sender} is not in group {group.id}")
        content = _message_body(app, body.get("MessageType"), body.get("MessageBody"))
        message = self.new_message(app, sender, group.id, content, is_from_server=True, is_in_group=True)
        self.deliver(app, message)
        return {"MsgId": int(message.key), "MsgSeq": message.extra["MsgSeq"], "AuditInfos": []}

    def new_message(
        self,
        app: App,
        sender: str,
        recipient: str,
        body: JSONDict,
        *,
        is_from_server: bool,
        is_in_group: bool = False,
    ) -> Message:
        self.next_id += random.randrange(1, 1000)
        now = self.world.now()
        place = frozenset((recipient,) if is_in_group else (sender, recipient))
        said = self.world.conversation(app.id, place)
        return Message(
            vendor="zego",
            app=app.id,
            key=str(self.next_id),
            sender=sender,
            recipient=recipient,
            sent_at=now,
            frames=[Frame(at=now, body=body, rendered=messages.render(body))],
            is_in_group=is_in_group,
            extra={
                "MsgSeq": said[-1].extra["MsgSeq"] + 1 if said else 1,
                "is_from_server": is_from_server,
            },
        )

    def deliver(self, app: App, message: Message) -> Message:
        """To the recipient's client, and to the app's server."""
        self.world.add(message)
        self._tell(app, message)
        return message

    def _tell(self, app: App, message: Message) -> None:
        events = [SEND_CALLBACK]
        if message.recipient.startswith(ROBOT_PREFIX):
            events.append(BOT_CALLBACK)
        for event in events:
            if event in app.settings.callbacks:
                self.courier.post(self._callback(app, message, messages.callback_body(event, message)))

    async def is_allowed(self, app: App, message: Message) -> bool:
        """What the app's server says to `before_send_msg`; without an answer the message is not sent."""
        if BEFORE_SEND_CALLBACK not in app.settings.callbacks:
            return True
        answer = await self.courier.ask(self._callback(app, message, messages.question_body(message)))
        return answer is not None and answer.get("result") in SEEN_FLAGS

    def _callback(self, app: App, message: Message, body: JSONDict) -> Callback:
        settings = app.settings
        is_question = body["event"] == BEFORE_SEND_CALLBACK
        return Callback(
            app=app.id,
            command=body["event"],
            url=settings.callback_url,
            query=dict,
            body=body,
            sign=lambda body: app.signed(body, self.world.now()),
            encode=app.encoded,
            members=message.pair,
            timeout_s=settings.before_send_timeout_s if is_question else settings.callback_timeout_s,
            retries=1 if is_question else settings.callback_retries,
            retry_interval_s=0 if is_question else settings.callback_retry_interval_s,
            backoff=2.0,
            takes_any_2xx=True,
        )

    async def edit_c2c_msg_body(self, app: App, body: JSONDict) -> JSONDict:
        """…/edit-a-message"""
        return self._edit(app, body, frozenset((_text(body, "SenderId"), _text(body, "ConvId"))))

    async def edit_group_msg_body(self, app: App, body: JSONDict) -> JSONDict:
        return self._edit(app, body, frozenset((_text(body, "ConvId"),)))

    def _edit(self, app: App, body: JSONDict, place: Pair) -> JSONDict:
        """Which code says that the plan has no editing is not documented."""
        if not app.settings.can_edit:
            raise Refused(660000028, "not in this plan")
        message = self._message(app, body, place, _text(body, "SenderId"), "ConvMsgSeq")
        edits, changed = body.get("EditType"), body.get("MessageBody")
        if type(edits) is not int or not edits & 3 or not isinstance(changed, dict):
            raise Refused(660000002, "EditType has bit 1 or 2, and MessageBody is an object")
        if self.world.now() > message.sent_at + EDIT_WINDOW_S:
            raise Refused(661000001, "sent more than 24 hours ago")
        kept = {name: message.body[name] for name in ("Message", "ExtendedData")}
        given = {
            name: changed.get(name) for bit, name in ((1, "Message"), (2, "ExtendedData")) if edits & bit
        }
        content = _message_body(app, body.get("MsgType"), kept | given)
        if message.sender in app.robots:
            for rule, detail in messages.violations_of_edit(message, content):
                self.world.log_violation(
                    rule, app=app.id, members=message.pair, key=message.key, detail=detail
                )
        now = self.world.now()
        message.frames.append(Frame(at=now, body=content, rendered=messages.render(content)))
        self.world.announce(message)
        self._tell(app, message)  # an edit is told of like a message: …/callbacks/message-sent
        return {"StateMsgSeq": 0, "EditMsgSeq": 0, "LatestEditTime": int(now * 1000)}

    async def revoke_peer_message(self, app: App, body: JSONDict) -> JSONDict:
        return self._revoke(app, body, frozenset((_text(body, "FromUserId"), _text(body, "ToUserId"))))

    async def revoke_group_message(self, app: App, body: JSONDict) -> JSONDict:
        return self._revoke(app, body, frozenset((_text(body, "GroupId"),)))

    def _revoke(self, app: App, body: JSONDict, place: Pair) -> JSONDict:
        message = self._message(app, body, place, _text(body, "FromUserId"), "MsgSeq")
        if self.world.now() > message.sent_at + RECALL_WINDOW_S:
            raise Refused(660000024, "sent more than 2 minutes ago")
        message.recalled_at = self.world.now()
        self.world.announce(message)
        return {}

    def _message(self, app: App, body: JSONDict, place: Pair, sender: str, field_name: str) -> Message:
        sequence = body.get(field_name)
        if type(sequence) is not int:
            raise Refused(660000002, f"{field_name} is a number")
        said = self.world.conversation(app.id, place)
        found = [message for message in said if message.extra["MsgSeq"] == sequence]
        if not found or found[0].sender != sender:
            raise Refused(660000022, f"no message {sequence} from {sender} there")
        if found[0].recalled_at is not None:
            raise Refused(660000023, "the message was recalled")
        return found[0]

    async def query_peer_msg(self, app: App, body: JSONDict) -> JSONDict:
        return self._query(app, body, frozenset((_text(body, "FromUserId"), _text(body, "ToUserId"))))

    async def query_group_msg(self, app: App, body: JSONDict) -> JSONDict:
        return self._query(app, body, frozenset((_group(app, body).id,)))

    def _query(self, app: App, body: JSONDict, place: Pair) -> JSONDict:
        """/zim-server/conversation/query-the-message-list-of-one-on-one-chats: newest first.

        What `Next` holds is not documented, except that 0 begins and ends: here it is a MsgSeq.
        """
        limit = min(max(int(body.get("Limit", 10)), 1), LARGEST_PAGE)
        before = int(body.get("Next", 0))
        stored = [
            message
            for message in reversed(self.world.conversation(app.id, place))
            if (message.recalled_at is None or body.get("WithEmptyMsg") == 1)
            and (not before or message.extra["MsgSeq"] < before)
        ]
        page = stored[:limit]
        has_more = len(stored) > limit
        return {
            "List": [messages.history_entry(message) for message in page],
            "Next": page[-1].extra["MsgSeq"] if has_more else 0,
        }

    def _announce_robots(self, app: App) -> None:
        self.world.hub.publish("robots", app=app.id, members=frozenset(), data=dict)


type Handler = Callable[[Actions, App, JSONDict], Awaitable[JSONDict]]

HANDLERS: dict[str, Handler] = {
    "RobotRegister": Actions.robot_register,
    "UserRegister": Actions.user_register,
    "ModifyUserInfo": Actions.modify_user_info,
    "SendPeerMessage": Actions.send_peer_message,
    "EditC2cMsgBody": Actions.edit_c2c_msg_body,
    "RevokePeerMessage": Actions.revoke_peer_message,
    "QueryPeerMsg": Actions.query_peer_msg,
    "SendGroupMessage": Actions.send_group_message,
    "EditGroupMsgBody": Actions.edit_group_msg_body,
    "RevokeGroupMessage": Actions.revoke_group_message,
    "QueryGroupMsg": Actions.query_group_msg,
}


def _group(app: App, body: JSONDict) -> Group:
    group = app.groups.get(_text(body, "GroupId"))
    if group is None:
        raise Refused(660600001, f"no group {body['GroupId']}")
    return group


def _profile_error(entry: JSONDict) -> int:
    user_id = entry.get("UserId")
    if not isinstance(user_id, str) or not user_id:
        return 660000002
    if len(user_id.encode()) > MAX_ID_BYTES:
        return 660000012
    if len(str(entry.get("UserName", "")).encode()) > 256:
        return 660700006
    return 660700007 if len(str(entry.get("UserAvatar", "")).encode()) > 500 else 0


def _message_body(app: App, kind: Any, given: Any) -> JSONDict:
    """A message as it is kept."""
    if kind not in (messages.TEXT, messages.CUSTOM, messages.COMBINED, *messages.KINDS):
        raise Refused(660000002, f"unknown message type {kind}")
    if not isinstance(given, dict):
        raise Refused(660000002, "MessageBody is not an object")
    text, extension = given.get("Message"), given.get("ExtendedData", "")
    if not isinstance(text, str) or not text or not isinstance(extension, str):
        raise Refused(660000002, "Message is a text that is not empty, ExtendedData a text")
    if kind in (messages.IMAGE, messages.FILE) and not messages.is_media(kind, text):
        raise Refused(660000002, "Message is not the JSON of a picture or a file")
    if len(text.encode()) > app.settings.max_text_bytes or len(extension.encode()) > MAX_EXTENSION_BYTES:
        raise Refused(660400001, "the message is too big")
    return {"MessageType": kind, "Message": text, "ExtendedData": extension}


def _text(body: JSONDict, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(660000002, f"{name} is missing or not a text")
    return value


def _objects(body: JSONDict, name: str, most: int) -> list[JSONDict]:
    entries = body.get(name)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise Refused(660000002, f"{name} is a list of objects")
    if len(entries) > most:
        raise Refused(660000011, f"at most {most} in {name}")
    return entries

"""The REST commands of the simulated Tencent cloud: a request's body in, an answer's body out.

Error codes: trtc.io/document/34348 unless another page is named.
"""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.courier import Callback, Courier
from sandbox.tencent import chatbot
from sandbox.tencent.app import AFTER_SEND_CALLBACK, BOT_CALLBACK, ROBOT_PREFIX, App
from sandbox.world import Frame, JSONDict, Message, Robot, World

UINT32 = 2**32
REPEAT_WINDOW_S = 120  # cloud.tencent.com/document/product/269/2282
EDIT_TAKES_S = 0.005  # two edits of a message that overlap for this long conflict
MAX_HISTORY_BYTES = 13 * 1024  # of an answer of admin_getroammsg; tencentcloud.com product/1047/35478
MAX_KEY_LENGTH = 50


class Refused(Exception):
    """The cloud's answer is an error code."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(kw_only=True)
class Sent:
    """What makes a repeated sendmsg a repeat."""

    at: float
    checksum: int
    answer: JSONDict


@dataclass(kw_only=True)
class Commands:
    world: World
    courier: Courier
    sent: dict[tuple[str, str, int, int], Sent] = field(default_factory=dict)  # app, sender, seq, random
    being_edited: set[tuple[str, str]] = field(default_factory=set)  # app, message key

    # Robots: cloud.tencent.com/document/product/269/89991; profiles: tencentcloud.com product/1047

    async def account_import(self, app: App, body: JSONDict) -> JSONDict:
        app.users.add(text_of(body, "UserID", 40003))
        return {}

    async def create_robot(self, app: App, body: JSONDict) -> JSONDict:
        user_id = text_of(body, "UserID", 10004)
        if not user_id.startswith(ROBOT_PREFIX) or len(user_id.encode()) > 32:
            raise Refused(10004, f"UserID begins with {ROBOT_PREFIX} and has at most 32 bytes")
        robot = app.robots.get(user_id)
        if robot is None and len(app.robots) >= app.settings.max_robots:
            raise Refused(10008, f"at most {app.settings.max_robots} robots")
        # Whether a repeat refreshes the profile is not documented.  This cloud does not, so that a product
        # which relies on it is found out.
        if robot is None:
            app.robots[user_id] = Robot(
                user_id=user_id,
                nickname=body.get("Nick", ""),
                avatar_url=body.get("FaceUrl", ""),
            )
            self._announce_robots(app)
        return {}

    async def delete_robot(self, app: App, body: JSONDict) -> JSONDict:
        if app.robots.pop(text_of(body, "Robot_Account", 10004), None) is None:
            raise Refused(10004, "no such robot")
        self._announce_robots(app)
        return {}

    async def get_all_robots(self, app: App, body: JSONDict) -> JSONDict:
        return {"Robot_Account": list(app.robots)}

    async def portrait_set(self, app: App, body: JSONDict) -> JSONDict:
        account = text_of(body, "From_Account", 40001)
        if not app.knows(account):
            raise Refused(40003, f"no account {account}")
        items = body.get("ProfileItem")
        if not isinstance(items, list) or not items:
            raise Refused(40001, "ProfileItem is an array")
        values = dict(_profile_item(item) for item in items)
        if robot := app.robots.get(account):
            robot.nickname = values.get("Tag_Profile_IM_Nick", robot.nickname)
            robot.avatar_url = values.get("Tag_Profile_IM_Image", robot.avatar_url)
            self._announce_robots(app)
        if "Tag_Profile_IM_SelfSignature" in values:
            app.signatures[account] = values["Tag_Profile_IM_SelfSignature"]
        return {"ErrorDisplay": ""}

    async def portrait_get(self, app: App, body: JSONDict) -> JSONDict:
        accounts, tags = body.get("To_Account"), body.get("TagList")
        if not isinstance(accounts, list) or not isinstance(tags, list):
            raise Refused(40001, "To_Account and TagList are arrays")
        known = [account for account in accounts if app.knows(account)]
        items = [{"To_Account": account, **_profile(app, account, tags)} for account in known]
        unknown = [account for account in accounts if account not in known]
        return {"UserProfileItem": items, **({"Invalid_Account": unknown} if unknown else {})}

    # Messages

    async def sendmsg(self, app: App, body: JSONDict) -> JSONDict:
        """cloud.tencent.com/document/product/269/2282"""
        sender = body.get("From_Account") or app.settings.admin_user_id
        recipient = text_of(body, "To_Account", 90003)
        number = uint32_of(body, "MsgRandom", 90005)
        sequence = uint32_of(body, "MsgSeq", 90005) if "MsgSeq" in body else random.getrandbits(32)
        content = message_body(body)
        check_options(body)
        if not app.knows(sender):
            raise Refused(90008, f"From_Account {sender} is unknown")
        if not app.knows(recipient):
            raise Refused(90012, f"To_Account {recipient} is unknown")
        # REST is documented to skip this check; which apps have it all the same is not known.
        if app.settings.friends_only and frozenset((sender, recipient)) not in app.friends:
            raise Refused(20009, "sender and receiver are no friends")
        checksum = zlib.crc32(json.dumps(content, sort_keys=True).encode())
        if repeat := self._repeat(app, sender, recipient, sequence, number, checksum):
            return repeat.answer
        message = Message(
            vendor="tencent",
            app=app.id,
            key=f"{sequence}_{number}_{int(self.world.now())}",
            sender=sender,
            recipient=recipient,
            sent_at=self.world.now(),
            frames=[Frame(at=self.world.now(), body=content, rendered=chatbot.render(content))],
            is_online_only=body.get("OnlineOnlyFlag") == 1,
            hidden_from_sender=body.get("SyncOtherMachine") == 2,
            extra={
                "MsgSeq": sequence,
                "MsgRandom": number,
                "CloudCustomData": body.get("CloudCustomData", ""),
            },
        )
        if sender in app.robots:
            earlier = self.world.conversation(app.id, message.pair)
            self.log_violations(message, list(chatbot.violations_of_message(body)))
            self.log_violations(message, list(chatbot.violations_of_order(message, earlier)))
        skips_callback = "ForbidAfterSendMsgCallback" in body.get("ForbidCallbackControl", [])
        self.deliver(app, message, platform="RESTAPI", skips_callback=skips_callback)
        answer = {"MsgTime": int(message.sent_at), "MsgKey": message.key, "MsgId": message_id(message)}
        self.sent[app.id, sender, sequence, number] = Sent(
            at=message.sent_at, checksum=checksum, answer=answer
        )
        return answer

    def _repeat(
        self, app: App, sender: str, recipient: str, sequence: int, number: int, checksum: int
    ) -> Sent | None:
        """What was answered to the same message, if it is not long ago.

        What the vendor answers to a repeat is not documented; the first answer again is the guess.
        """
        sent = self.sent.get((app.id, sender, sequence, number))
        if sent is None or self.world.now() >= sent.at + REPEAT_WINDOW_S:
            return None
        if sent.checksum == checksum:
            return sent
        self.world.log_violation(
            "seq_random_reused",
            app=app.id,
            members=frozenset((sender, recipient)),
            key=sent.answer["MsgKey"],
            detail="another message has the same MsgSeq and MsgRandom",
        )
        return None

    def deliver(self, app: App, message: Message, *, platform: str, skips_callback: bool = False) -> None:
        """To the recipient's client, and to the app's server."""
        self.world.add(message)
        commands = [AFTER_SEND_CALLBACK] if not skips_callback else []
        if message.recipient.startswith(ROBOT_PREFIX):
            commands.append(BOT_CALLBACK)
        for command in commands:
            if command in app.settings.callbacks:
                self.courier.post(self._callback(app, command, message, platform))

    def _callback(self, app: App, command: str, message: Message, platform: str) -> Callback:
        settings = app.settings
        return Callback(
            app=app.id,
            command=command,
            url=settings.callback_url,
            query=lambda: app.callback_query(command, platform, self.world.now()),
            body=callback_body(command, message),
            members=message.pair,
            timeout_s=settings.callback_timeout_s,
            retries=settings.callback_retries,
            retry_interval_s=settings.callback_retry_interval_s,
        )

    async def modify_c2c_msg(self, app: App, body: JSONDict) -> JSONDict:
        """cloud.tencent.com/document/product/269/74740"""
        message = self._message(app, body)
        if "MsgBody" not in body and "CloudCustomData" not in body:
            raise Refused(90002, "neither MsgBody nor CloudCustomData")
        content = message_body(body) if "MsgBody" in body else message.body
        if message.is_online_only:
            raise Refused(20026, "an online-only message cannot be modified")
        await self.hold_for_edit(message)
        if message.sender in app.robots:
            self.log_violations(message, list(chatbot.violations_of_edit(message, content, self.world.now())))
        message.extra["CloudCustomData"] = body.get("CloudCustomData", message.extra["CloudCustomData"])
        message.frames.append(Frame(at=self.world.now(), body=content, rendered=chatbot.render(content)))
        self.world.announce(message)
        return {"ErrorInfo": "succeed"}

    async def hold_for_edit(self, message: Message) -> None:
        """Editing takes a moment, in which a second edit of the same message conflicts."""
        slot = (message.app, message.key)
        if slot in self.being_edited:
            self.log_violations(message, [("parallel_edits", "two edits of one message at once")])
            raise Refused(20028, "the message is being modified by another request")
        self.being_edited.add(slot)
        try:
            await asyncio.sleep(EDIT_TAKES_S)
        finally:
            self.being_edited.discard(slot)

    async def admin_msgwithdraw(self, app: App, body: JSONDict) -> JSONDict:
        """trtc.io/document/35015"""
        message = self._message(app, body)
        message.recalled_at = self.world.now()
        self.world.announce(message)
        return {}

    def _message(self, app: App, body: JSONDict) -> Message:
        sender, recipient = text_of(body, "From_Account", 90008), text_of(body, "To_Account", 90003)
        key = body.get("MsgKey")
        if not isinstance(key, str) or not key or len(key) > MAX_KEY_LENGTH:
            raise Refused(90054, "MsgKey is missing or malformed")
        message = self.world.message(app.id, key)
        if message is None or (message.sender, message.recipient) != (sender, recipient):
            raise Refused(20022, f"no message {key} from {sender} to {recipient}")
        if message.recalled_at is not None:
            raise Refused(20023, "the message was recalled")
        return message

    async def admin_getroammsg(self, app: App, body: JSONDict) -> JSONDict:
        """tencentcloud.com product/1047/35478: pages go backwards in time."""
        operator = body.get("Operator_Account") or text_of(body, "From_Account", 90008)
        peer = body.get("Peer_Account") or text_of(body, "To_Account", 90003)
        count = uint32_of(body, "MaxCnt", 90001)
        oldest, newest = uint32_of(body, "MinTime", 90001), uint32_of(body, "MaxTime", 90001)
        stored = [
            message
            for message in self.world.conversation(app.id, frozenset((operator, peer)))
            if oldest <= int(message.sent_at) <= newest and _is_seen_by(operator, message)
        ]
        stored.sort(key=lambda message: (int(message.sent_at), message.extra["MsgSeq"]))
        if last_key := body.get("LastMsgKey"):
            keys = [message.key for message in stored]
            stored = stored[: keys.index(last_key)] if last_key in keys else stored
        page = _page(stored, count)
        return {
            "Complete": 1 if len(page) == len(stored) else 0,
            "MsgCnt": len(page),
            "LastMsgTime": page[0]["MsgTimeStamp"] if page else 0,
            "LastMsgKey": page[0]["MsgKey"] if page else "",
            "MsgList": page,
        }

    def log_violations(self, message: Message, violations: list[chatbot.Violation]) -> None:
        for rule, detail in violations:
            self.world.log_violation(
                rule, app=message.app, members=message.pair, key=message.key, detail=detail
            )

    def _announce_robots(self, app: App) -> None:
        self.world.hub.publish("robots", app=app.id, members=frozenset(), data=dict)


type Handler = Callable[[Commands, App, JSONDict], Awaitable[JSONDict]]

HANDLERS: dict[str, Handler] = {
    "im_open_login_svc/account_import": Commands.account_import,
    "openim_robot_http_svc/create_robot": Commands.create_robot,
    "openim_robot_http_svc/delete_robot": Commands.delete_robot,
    "openim_robot_http_svc/get_all_robots": Commands.get_all_robots,
    "profile/portrait_set": Commands.portrait_set,
    "profile/portrait_get": Commands.portrait_get,
    "openim/sendmsg": Commands.sendmsg,
    "openim/modify_c2c_msg": Commands.modify_c2c_msg,
    "openim/admin_msgwithdraw": Commands.admin_msgwithdraw,
    "openim/admin_getroammsg": Commands.admin_getroammsg,
}


def message_id(message: Message) -> str:
    """As client SDKs show it: numeric id of the sender, time, random."""
    sender_number = 144115188075855872 + zlib.crc32(f"{message.app}/{message.sender}".encode())
    return f"{sender_number}-{int(message.sent_at)}-{message.extra['MsgRandom']}"


def callback_body(command: str, message: Message) -> JSONDict:
    """cloud.tencent.com/document/product/269/90407 and …/2716"""
    return {
        "CallbackCommand": command,
        "From_Account": message.sender,
        "To_Account": message.recipient,
        "MsgSeq": message.extra["MsgSeq"],
        "MsgRandom": message.extra["MsgRandom"],
        "MsgTime": int(message.sent_at),
        "MsgKey": message.key,
        "MsgId": message_id(message),
        "OnlineOnlyFlag": int(message.is_online_only),
        "SendMsgResult": 0,
        "ErrorInfo": "send msg succeed",
        "MsgBody": message.body,
        "CloudCustomData": message.extra["CloudCustomData"],
        "EventTime": int(message.sent_at * 1000),
    }


def _is_seen_by(account: str, message: Message) -> bool:
    if message.is_online_only:
        return False
    return account == message.recipient or not message.hidden_from_sender


def _page(stored: list[Message], count: int) -> list[JSONDict]:
    """The newest of `stored` that one answer holds, oldest first."""
    page: list[JSONDict] = []
    used = 0
    for message in reversed(stored[-count:] if count else []):
        entry = _history_entry(message)
        used += chatbot.size(entry)
        if page and used > MAX_HISTORY_BYTES:
            break
        page.insert(0, entry)
    return page


def _history_entry(message: Message) -> JSONDict:
    return {
        "From_Account": message.sender,
        "To_Account": message.recipient,
        "MsgSeq": message.extra["MsgSeq"],
        "MsgRandom": message.extra["MsgRandom"],
        "MsgTimeStamp": int(message.sent_at),
        "MsgFlagBits": 8 if message.recalled_at is not None else 0,
        "IsPeerRead": 0,
        "MsgKey": message.key,
        "MsgBody": message.body,
        "CloudCustomData": message.extra["CloudCustomData"],
    }


def text_of(body: JSONDict, name: str, code: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(code, f"{name} is missing or not a string")
    return value


def uint32_of(body: JSONDict, name: str, code: int) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value < UINT32:
        raise Refused(code, f"{name} is missing or not an unsigned 32-bit number")
    return value


def message_body(body: JSONDict) -> list[JSONDict]:
    content = body.get("MsgBody")
    if not isinstance(content, list):
        raise Refused(90010, "MsgBody is not an array")
    if not content or not all(isinstance(element, dict) for element in content):
        raise Refused(90007, "MsgBody holds at least one element, each an object")
    for element in content:
        _check_element(element)
    if sum(element["MsgType"] == "TIMCustomElem" for element in content) > 1:
        raise Refused(90002, "at most one TIMCustomElem in a message")
    if (size := chatbot.size(content)) > chatbot.MAX_BODY_BYTES:
        raise Refused(93000, f"MsgBody has {size} bytes, more than {chatbot.MAX_BODY_BYTES}")
    return content


def _check_element(element: JSONDict) -> None:
    kind, content = element.get("MsgType"), element.get("MsgContent")
    if kind not in chatbot.ELEMENTS or not isinstance(content, dict):
        raise Refused(90002, f"MsgBody has an element of unknown MsgType {kind!r} or without MsgContent")
    if kind == "TIMTextElem" and not isinstance(content.get("Text"), str):
        raise Refused(90002, "TIMTextElem without a Text")
    if kind == "TIMCustomElem" and not all(isinstance(value, str) for value in content.values()):
        raise Refused(90002, "the fields of TIMCustomElem are strings")
    if kind == "TIMImageElem":
        _check_image(content)
    if kind == "TIMFileElem" and not _is_typed(content, Url=str, UUID=str, FileSize=int, FileName=str):
        raise Refused(90002, "TIMFileElem without one of its fields")


def _check_image(content: JSONDict) -> None:
    sizes = content.get("ImageInfoArray")
    if not _is_typed(content, UUID=str, ImageFormat=int) or not isinstance(sizes, list) or not sizes:
        raise Refused(90002, "TIMImageElem without one of its fields")
    fields = {"Type": int, "Size": int, "Width": int, "Height": int, "URL": str}
    if not all(isinstance(size, dict) and _is_typed(size, **fields) for size in sizes):
        raise Refused(90002, "ImageInfoArray has a size without one of its fields")


def _is_typed(content: JSONDict, **fields: type) -> bool:
    return all(isinstance(content.get(name), kind) for name, kind in fields.items())


def check_options(body: JSONDict) -> None:
    if body.get("SyncOtherMachine", 1) not in (1, 2):
        raise Refused(90031, "SyncOtherMachine is 1 or 2")
    if not isinstance(body.get("OfflinePushInfo", {}), dict):
        raise Refused(90043, "OfflinePushInfo is not an object")
    life_time = body.get("MsgLifeTime", 0)
    if type(life_time) is not int:
        raise Refused(90044, "MsgLifeTime is not a number")
    if life_time > 604800:
        raise Refused(90026, "MsgLifeTime is at most 7 days")


def _profile_item(item: Any) -> tuple[str, str]:
    if not isinstance(item, dict) or "Tag" not in item or "Value" not in item:
        raise Refused(40001, "ProfileItem holds objects with Tag and Value")
    tag, value = item["Tag"], item["Value"]
    if tag not in PROFILE_TAGS:
        raise Refused(40009, f"unknown tag {tag}")
    if not isinstance(value, str):
        raise Refused(40610, f"{tag} is a string")
    if len(value.encode()) > 500:
        raise Refused(40601, f"{tag} has more than 500 bytes")
    return tag, value


PROFILE_TAGS = {
    f"Tag_Profile_IM_{name}" for name in ("Nick", "Image", "SelfSignature", "Gender", "Location", "AllowType")
}


def _profile(app: App, account: str, tags: list[str]) -> JSONDict:
    robot = app.robots.get(account) or Robot(user_id=account)
    values = {
        "Tag_Profile_IM_Nick": robot.nickname,
        "Tag_Profile_IM_Image": robot.avatar_url,
        "Tag_Profile_IM_SelfSignature": app.signatures.get(account, ""),
    }
    items = [{"Tag": tag, "Value": values[tag]} for tag in tags if tag in values]
    return {"ProfileItem": items, "ResultCode": 0, "ResultInfo": ""}

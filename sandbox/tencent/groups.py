"""Groups of the simulated Tencent cloud: their REST commands and what is told of their messages.

`send_group_msg` cloud.tencent.com/document/product/269/1629, `modify_group_msg` …/269/74741, callbacks
…/269/89994.  A message is named by its group and the number that the cloud gives it there.
"""

from __future__ import annotations

import json
import zlib

from sandbox.courier import Callback
from sandbox.tencent import chatbot
from sandbox.tencent.app import BOT_GROUP_CALLBACK, GROUP_AFTER_SEND_CALLBACK, App
from sandbox.tencent.commands import (
    Commands,
    Handler,
    Refused,
    Sent,
    check_options,
    message_body,
    text_of,
    uint32_of,
)
from sandbox.world import Frame, Group, JSONDict, Message

REPEAT_WINDOW_S = 300
LARGEST_PAGE = 20
MOST_MENTIONS = 30
MOST_RECALLED = 10


async def send_group_msg(commands: Commands, app: App, body: JSONDict) -> JSONDict:
    """An admin may send for one who is not a member."""
    group = group_of(app, body)
    sender = body.get("From_Account") or app.settings.admin_user_id
    number = uint32_of(body, "Random", 10004)
    content = message_body(body)
    check_options(body)
    if not app.knows(sender):
        raise Refused(10019, f"From_Account {sender} is unknown")
    mentions = _mentions(body)
    checksum = zlib.crc32(json.dumps(content, sort_keys=True).encode())
    sent = commands.sent.get((app.id, group.id, checksum, number))
    if sent is not None and commands.world.now() < sent.at + REPEAT_WINDOW_S:
        return sent.answer  # what is answered to a repeat is not documented
    message = new_message(commands, app, group, sender, number, content)
    message.is_online_only = body.get("OnlineOnlyFlag") == 1
    message.extra |= {"CloudCustomData": body.get("CloudCustomData", ""), "mentions": mentions}
    if sender in app.robots:
        commands.log_violations(message, list(chatbot.violations_of_message(body)))
    deliver(commands, app, message, platform="RESTAPI")
    answer = {"MsgTime": int(message.sent_at), "MsgSeq": message.extra["MsgSeq"]}
    commands.sent[app.id, group.id, checksum, number] = Sent(
        at=message.sent_at, checksum=checksum, answer=answer
    )
    return answer


def _mentions(body: JSONDict) -> list[str]:
    entries = body.get("GroupAtInfo", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Refused(10004, "GroupAtInfo is an array of objects")
    if len(entries) > MOST_MENTIONS:
        raise Refused(10053, f"more than {MOST_MENTIONS} mentions")
    return [text_of(entry, "GroupAt_Account", 10004) for entry in entries if entry.get("GroupAtAllFlag") == 0]


def new_message(
    commands: Commands, app: App, group: Group, sender: str, number: int, body: list[JSONDict]
) -> Message:
    world = commands.world
    said = world.conversation(app.id, frozenset((group.id,)))
    sequence = said[-1].extra["MsgSeq"] + 1 if said else 1
    return Message(
        vendor="tencent",
        app=app.id,
        key=f"{group.id}/{sequence}",
        sender=sender,
        recipient=group.id,
        sent_at=world.now(),
        frames=[Frame(at=world.now(), body=body, rendered=chatbot.render(body))],
        is_in_group=True,
        extra={"MsgSeq": sequence, "MsgRandom": number, "CloudCustomData": "", "mentions": []},
    )


def deliver(
    commands: Commands, app: App, message: Message, *, platform: str, robots: list[str] | None = None
) -> None:
    """To the members' clients, and to the app's server: `robots` are those whom a user mentions."""
    commands.world.add(message)
    told: dict[str, JSONDict] = {GROUP_AFTER_SEND_CALLBACK: {}}
    if robots:
        told[BOT_GROUP_CALLBACK] = {"AtRobots_Account": robots}
    for command, fields in told.items():
        if command in app.settings.callbacks:
            commands.courier.post(_callback(commands, app, command, message, platform, fields))


def _callback(
    commands: Commands, app: App, command: str, message: Message, platform: str, fields: JSONDict
) -> Callback:
    settings = app.settings
    return Callback(
        app=app.id,
        command=command,
        url=settings.callback_url,
        query=lambda: app.callback_query(command, platform, commands.world.now()),
        body=callback_body(command, message) | fields,
        members=message.pair,
        timeout_s=settings.callback_timeout_s,
        retries=settings.callback_retries,
        retry_interval_s=settings.callback_retry_interval_s,
    )


def callback_body(command: str, message: Message) -> JSONDict:
    return {
        "CallbackCommand": command,
        "GroupId": message.recipient,
        "Type": "Public",
        "From_Account": message.sender,
        "Operator_Account": message.sender,
        "Random": message.extra["MsgRandom"],
        "MsgSeq": message.extra["MsgSeq"],
        "MsgTime": int(message.sent_at),
        "OnlineOnlyFlag": int(message.is_online_only),
        "MsgBody": message.body,
        "CloudCustomData": message.extra["CloudCustomData"],
        "EventTime": int(message.sent_at * 1000),
    }


async def modify_group_msg(commands: Commands, app: App, body: JSONDict) -> JSONDict:
    message = _message(commands, app, body, uint32_of(body, "MsgSeq", 10004))
    if message.is_online_only:
        raise Refused(20026, "an online-only message cannot be modified")
    content = message_body(body) if "MsgBody" in body else message.body
    await commands.hold_for_edit(message)
    now = commands.world.now()
    if message.sender in app.robots:
        commands.log_violations(message, list(chatbot.violations_of_edit(message, content, now)))
    message.extra["CloudCustomData"] = body.get("CloudCustomData", message.extra["CloudCustomData"])
    message.frames.append(Frame(at=now, body=content, rendered=chatbot.render(content)))
    commands.world.announce(message)
    return {"ErrorInfo": "succeed"}


async def group_msg_recall(commands: Commands, app: App, body: JSONDict) -> JSONDict:
    entries = body.get("MsgSeqList")
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_RECALLED:
        raise Refused(10004, f"MsgSeqList holds one to {MOST_RECALLED} objects")
    for entry in entries:
        message = _message(commands, app, body, uint32_of(entry, "MsgSeq", 10004))
        message.recalled_at = commands.world.now()
        commands.world.announce(message)
    return {}


async def group_msg_get_simple(commands: Commands, app: App, body: JSONDict) -> JSONDict:
    """Pages go backwards, from the message of number ReqMsgSeq on."""
    group = group_of(app, body)
    count = min(uint32_of(body, "ReqMsgNumber", 10004), LARGEST_PAGE)
    newest = uint32_of(body, "ReqMsgSeq", 10004) if "ReqMsgSeq" in body else None
    stored = [
        message
        for message in commands.world.conversation(app.id, frozenset((group.id,)))
        if not message.is_online_only and (newest is None or message.extra["MsgSeq"] <= newest)
    ]
    page = [_history_entry(message) for message in reversed(stored[-count:])]
    return {"GroupId": group.id, "IsFinished": 1, "RspMsgList": page}


def _history_entry(message: Message) -> JSONDict:
    if message.recalled_at is not None:
        return {"MsgSeq": message.extra["MsgSeq"], "IsPlaceMsg": 2, "MsgBody": {}}
    return {
        "From_Account": message.sender,
        "IsPlaceMsg": 0,
        "MsgBody": message.body,
        "MsgRandom": message.extra["MsgRandom"],
        "MsgSeq": message.extra["MsgSeq"],
        "MsgTimeStamp": int(message.sent_at),
    }


def group_of(app: App, body: JSONDict) -> Group:
    group = app.groups.get(text_of(body, "GroupId", 10004))
    if group is None:
        raise Refused(10010, f"no group {body['GroupId']}")
    return group


def _message(commands: Commands, app: App, body: JSONDict, sequence: int) -> Message:
    group = group_of(app, body)
    message = commands.world.message(app.id, f"{group.id}/{sequence}")
    if message is None:
        raise Refused(20022, f"no message {sequence} in group {group.id}")
    if message.recalled_at is not None:
        raise Refused(20023, "the message was recalled")
    return message


HANDLERS: dict[str, Handler] = {
    "group_open_http_svc/send_group_msg": send_group_msg,
    "openim/modify_group_msg": modify_group_msg,
    "group_open_http_svc/group_msg_recall": group_msg_recall,
    "group_open_http_svc/group_msg_get_simple": group_msg_get_simple,
}

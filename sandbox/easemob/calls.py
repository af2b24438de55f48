"""The REST calls of the simulated Easemob cloud: a request's body in, an answer's body out.

Codes: message_single.html, error.md and message_stream_send_single.html.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.courier import Callback, Courier
from sandbox.easemob import messages
from sandbox.easemob.app import OFFLINE, POST_SEND, PRE_SEND, App
from sandbox.world import Frame, JSONDict, Message, Pair, Robot, World

MAX_BODY_BYTES = 5 * 1024
MAX_STREAM_BYTES = 128 * 1024
MOST_EDITS = 10
PAGE = 20


class Refused(Exception):
    """The cloud's answer is an error."""

    def __init__(self, status: int, name: str, words: str, code: int = 0) -> None:
        super().__init__(words)
        self.status = status
        self.name = name
        self.code = code  # 0: none


@dataclass(kw_only=True)
class Calls:
    world: World
    courier: Courier
    # Ids have 19 digits, as Easemob's do.
    ids: Any = field(default_factory=lambda: itertools.count(10**18 + random.getrandbits(50)))
    sequences: dict[tuple[str, str], int] = field(default_factory=dict)  # app, message → its last chunk

    # Tokens and users: easemob_app_token.html, account_register_authorized_single.md, userprofile.md

    async def token(self, app: App, body: JSONDict) -> JSONDict:
        settings = app.settings
        if body.get("grant_type") == "inherit":
            return self._user_token(app, body)
        if body.get("grant_type") != "client_credentials":
            raise Refused(400, "illegal_argument", "grant_type is missing")
        for name in ("client_id", "client_secret"):
            if body.get(name) != getattr(settings, name):
                raise Refused(400, "invalid_grant", f"{name} does not match")
        lifetime_s = min(int(body.get("ttl", settings.token_lifetime_s)), settings.token_lifetime_s)
        token = app.new_token(lifetime_s, self.world.now())
        return {"access_token": token, "expires_in": lifetime_s, "application": "8be024f0"}

    def _user_token(self, app: App, body: JSONDict) -> JSONDict:
        """easemob_user_token.html.  Users of the app are not registered here: everybody is there."""
        lifetime_s = min(int(body.get("ttl", app.settings.token_lifetime_s)), app.settings.token_lifetime_s)
        user = {"type": "user", "username": _text(body, "username").lower(), "activated": True}
        token = f"YWMt{secrets.token_urlsafe(48)}"  # for logging in only: it opens no API
        return {"access_token": token, "expires_in": lifetime_s, "user": user}

    async def users(self, app: App, body: JSONDict) -> JSONDict:
        name = _text(body, "username").lower()
        if not re.fullmatch(r"[a-z0-9_.-]{1,64}", name) or not 0 < len(_text(body, "password")) <= 64:
            raise Refused(400, "illegal_argument", "username or password is illegal")
        if name in app.robots:
            words = f"property named username be unique, value of {name} exists"
            raise Refused(400, "duplicate_unique_property_exists", words)
        app.robots[name] = Robot(user_id=name)
        self._announce_robots(app)
        return {"entities": [{"type": "user", "username": name, "activated": True}]}

    async def metadata(self, app: App, body: JSONDict, name: str) -> JSONDict:
        robot = app.robots.get(name)
        if robot is None:
            raise Refused(404, "service_resource_not_found", "Service resource not found")
        robot.nickname = body.get("nickname", robot.nickname)
        robot.avatar_url = body.get("avatarurl", robot.avatar_url)
        self._announce_robots(app)
        return {"data": body}

    # Messages: message_single.html, message_recall_single.md

    async def messages_users(self, app: App, body: JSONDict) -> JSONDict:
        return self._send(app, body, is_in_group=False)

    async def messages_chatgroups(self, app: App, body: JSONDict) -> JSONDict:
        """message_group.md: whether the group exists is not checked."""
        return self._send(app, body, is_in_group=True)

    def _send(self, app: App, body: JSONDict, *, is_in_group: bool) -> JSONDict:
        sender, receivers, content = body.get("from", "admin"), body.get("to"), body.get("body")
        if not sender or not isinstance(receivers, list) or not receivers or not isinstance(content, dict):
            raise Refused(400, "illegal_argument", "from, to or body is illegal")
        if len(receivers) > 1:
            raise Refused(400, "illegal_argument", "the sandbox takes one receiver")
        if body.get("type") == "img" and not content.get("url"):
            raise Refused(400, "illegal_argument", "an image has a url")
        ext = _ext(body)
        if _size(content) + _size(ext) > MAX_BODY_BYTES:
            raise Refused(400, "message_send_error", "message is too large", 14007)
        receiver = str(receivers[0]).lower()
        kept = {"type": body.get("type"), **content}
        message = self.new_message(app, sender, receiver, kept, ext, is_in_group=is_in_group)
        if kept["type"] == "cmd":
            return {"data": {receiver: message.key}}  # clients show no command
        self.deliver(app, message, is_from_rest=True)
        return {"data": {receiver: message.key}}

    async def rewrite(self, app: App, body: JSONDict, key: str) -> JSONDict:
        """message_modify.html"""
        if not app.settings.has_edits:
            raise Refused(403, "message_rewrite_error", "message rewrite is not open")
        content = body.get("new_msg")
        if not isinstance(content, dict) or content.get("type") != "txt" or not content.get("msg"):
            raise Refused(400, "illegal_argument", "new_msg is illegal")
        message = self.world.message(app.id, key)
        if message is None or message.recalled_at is not None:
            raise Refused(404, "service_resource_not_found", "the message does not exist")
        if len(message.frames) > MOST_EDITS:
            raise Refused(403, "message_rewrite_error", "message has reached its edit limit")
        if _size(content) > MAX_BODY_BYTES:
            raise Refused(400, "message_send_error", "message is too large", 14007)
        message.frames.append(Frame(at=self.world.now(), body=content, rendered=messages.render(content)))
        self.world.announce(message)
        return {"data": "success"}

    async def recall(self, app: App, body: JSONDict) -> JSONDict:
        message = self.world.message(app.id, _text(body, "msg_id"))
        ends = (_text(body, "from"), _text(body, "to"), body.get("chat_type") == "groupchat")
        found = message and (message.sender, message.recipient, message.is_in_group)
        if message is None or found != ends or message.recalled_at is not None:
            raise Refused(403, "forbidden_op", "not_found msg")
        message.recalled_at = self.world.now()
        self.world.announce(message)
        return {"data": {"recalled": "yes", "chattype": body.get("chat_type"), "msg_id": message.key}}

    async def roaming(self, app: App, body: JSONDict) -> JSONDict:
        """message_roam_single_obtain.html; the form of the answer is guessed, but for the cursor."""
        return self._history(app, body, frozenset((_text(body, "username"), _text(body, "to"))))

    async def roaming_group(self, app: App, body: JSONDict) -> JSONDict:
        return self._history(app, body, frozenset((_text(body, "groupId"),)))

    def _history(self, app: App, body: JSONDict, place: Pair) -> JSONDict:
        stored = [
            message
            for message in self.world.conversation(app.id, place)
            if body.get("startTimestamp", 0) <= message.sent_at * 1000 <= body.get("endTimestamp", 2**53)
            and message.recalled_at is None
            and not message.extra.get("is_intercepted")
        ]
        start, limit = int(body.get("cursor") or 0), min(int(body.get("limit", PAGE)), PAGE)
        page, more = stored[start : start + limit], len(stored) > start + limit
        cursor = str(start + limit) if more else ""
        return {
            "data": {"messages": list(map(messages.history_entry, page)), "pagination": {"cursor": cursor}}
        }

    # Streams: message_stream_send_single.html

    async def stream_group(self, app: App, body: JSONDict) -> JSONDict:
        """How a group that is too large is refused is not documented."""
        group = app.groups.get(str(body.get("to")))
        if group is None or len(group.members) > app.settings.largest_stream_group:
            raise Refused(400, "message_send_error", "the group takes no stream messages")
        return await self.stream(app, body)

    async def stream(self, app: App, body: JSONDict) -> JSONDict:
        if not app.settings.has_streams:
            raise Refused(403, "forbidden_op", "stream message service is unopened")
        for name, code in (("from", 14001), ("to", 14002)):
            if not isinstance(body.get(name), str) or not body[name]:
                raise Refused(400, "message_send_error", f"{name} is empty", code)
        chunk = body.get("body")
        if not isinstance(chunk, dict) or not isinstance(chunk.get("msg"), str):
            raise Refused(400, "message_send_error", "body is empty", 14005)
        if not chunk["msg"] and not app.settings.takes_empty_chunks:
            raise Refused(400, "message_send_error", "body is empty", 14005)
        if type(chunk.get("seq")) is not int:
            raise Refused(400, "message_send_error", "seq is illegal", 14030)
        return self._continue(app, body, chunk) if "msgId" in chunk else self._begin(app, body, chunk)

    def _begin(self, app: App, body: JSONDict, chunk: JSONDict) -> JSONDict:
        if chunk["seq"] != 0:
            raise Refused(400, "message_send_error", "seq is illegal", 14030)
        content = {"type": messages.STREAM, "msg": chunk["msg"], "finish": bool(chunk.get("finish"))}
        is_in_group = body["to"] in app.groups
        message = self.new_message(
            app, body["from"], body["to"], content, _ext(body), is_in_group=is_in_group
        )
        self.sequences[app.id, message.key] = 0
        self.world.add(message)  # no callback tells of a stream
        return {"data": {"msgId": message.key}}

    def _continue(self, app: App, body: JSONDict, chunk: JSONDict) -> JSONDict:
        message = self.world.message(app.id, str(chunk["msgId"]))
        if message is None or message.body["type"] != messages.STREAM:
            raise Refused(400, "message_send_error", "msgId does not exist", 14031)
        self._check_chunk(app, message, body, chunk)
        self.sequences[app.id, message.key] = chunk["seq"]
        text = message.body["msg"] + chunk["msg"]
        content = {"type": messages.STREAM, "msg": text, "finish": bool(chunk.get("finish"))}
        message.frames.append(Frame(at=self.world.now(), body=content, rendered=messages.render(content)))
        self.world.announce(message)
        return {"data": {}}

    def _check_chunk(self, app: App, message: Message, body: JSONDict, chunk: JSONDict) -> None:
        last = self.sequences.get((app.id, message.key), 0)
        is_late = self.world.now() - message.frames[-1].at > app.settings.chunk_gap_s
        text = message.body["msg"] + chunk["msg"]
        for is_wrong, code, words in (
            (message.body["finish"], 14035, "stream is finished"),
            (chunk["seq"] <= last, 14038, "seq does not increase"),
            (body["from"] != message.sender, 14036, "from differs"),
            (body["to"] != message.recipient, 14037, "to differs"),
            (is_late, 14033, "chunk interval is too long"),
            (len(text.encode()) > MAX_STREAM_BYTES, 14032, "stream is too large"),
        ):
            if is_wrong:
                raise Refused(400, "message_send_error", words, code)
        if chunk["seq"] != last + 1:
            self.world.log_violation(
                "chunk_missing",
                app=app.id,
                members=message.pair,
                key=message.key,
                detail=f"chunk {chunk['seq']} follows {last}",
            )

    # Both ways

    def new_message(
        self,
        app: App,
        sender: str,
        recipient: str,
        body: JSONDict,
        ext: JSONDict,
        *,
        is_in_group: bool = False,
    ) -> Message:
        now = self.world.now()
        return Message(
            vendor="easemob",
            app=app.id,
            key=str(next(self.ids)),
            sender=sender,
            recipient=recipient,
            sent_at=now,
            frames=[Frame(at=now, body=body, rendered=messages.render(body))],
            is_in_group=is_in_group,
            extra={"ext": ext},
        )

    async def is_let_through(self, app: App, message: Message) -> bool:
        """What the app's server says before a client's message is sent; without an answer: yes."""
        if PRE_SEND not in app.settings.callbacks:
            return True
        body = messages.callback_body(message, event="", is_flat=app.settings.is_flat)
        callback = self._callback(app, PRE_SEND, message, body, app.settings.pre_send_timeout_s, 0)
        answer = await self.courier.ask(callback)
        return answer is None or answer.get("valid") is not False

    def deliver(self, app: App, message: Message, *, is_from_rest: bool = False) -> None:
        if message.body["type"] != "cmd":  # clients show no command
            self.world.add(message)
        if is_from_rest and not app.settings.tells_of_rest:
            return
        for event in (POST_SEND, OFFLINE):
            if event in app.settings.callbacks:
                body = messages.callback_body(message, event=event)
                settings = app.settings
                self.courier.post(
                    self._callback(
                        app, event, message, body, settings.callback_timeout_s, settings.callback_retries
                    )
                )

    def _callback(
        self, app: App, command: str, message: Message, body: JSONDict, timeout_s: float, retries: int
    ) -> Callback:
        return Callback(
            app=app.id,
            command=command,
            url=app.settings.callback_url,
            query=dict,
            body=body,
            members=message.pair,
            timeout_s=timeout_s,
            retries=retries,
            retry_interval_s=app.settings.callback_retry_interval_s,
            sign=lambda told: app.signed(told, self.world.now()),
        )

    def _announce_robots(self, app: App) -> None:
        self.world.hub.publish("robots", app=app.id, members=frozenset(), data=dict)


type Handler = Callable[[Calls, App, JSONDict], Awaitable[JSONDict]]

HANDLERS: dict[str, Handler] = {
    "token": Calls.token,
    "users": Calls.users,
    "messages/users": Calls.messages_users,
    "messages/msg_recall": Calls.recall,
    "stream_message/user": Calls.stream,
    "roaming/chat": Calls.roaming,
    "messages/chatgroups": Calls.messages_chatgroups,
    "stream_message/chatgroup": Calls.stream_group,
    "roaming/group": Calls.roaming_group,
}


def _ext(body: JSONDict) -> JSONDict:
    ext = body.get("ext", {})
    if not isinstance(ext, dict):
        raise Refused(400, "illegal_argument", "ext must be an object")
    return ext


def _size(value: JSONDict) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def _text(body: JSONDict, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(400, "illegal_argument", f"{name} is missing")
    return value

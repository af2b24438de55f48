"""The front of the simulated Tencent cloud: who may call what, and the app users' clients."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
import uuid
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.courier import Courier
from sandbox.failing import fail
from sandbox.tencent import chatbot, commands, friends, groups, streams, usersig
from sandbox.tencent.app import ROBOT_PREFIX, App, AppSettings
from sandbox.tencent.commands import Commands, Refused
from sandbox.vendor import BadRequest, VendorCloud
from sandbox.world import Frame, Group, JSONDict, Message, Pair, Rendered, Robot, World

MAX_ACCOUNT_BYTES = 32
HANDLERS = commands.HANDLERS | friends.HANDLERS | groups.HANDLERS | streams.HANDLERS


class Tencent(VendorCloud):
    name = "tencent"
    label = "Tencent Cloud IM"
    can_interrupt = True
    locks_input = True  # the mobile UIKits: TIMSDK Android 8.6 and later

    def __init__(self, world: World, courier: Courier) -> None:
        super().__init__(world, courier)
        self.apps: dict[str, App] = {}
        self.commands = Commands(world=world, courier=courier)
        # Clients number what they send: it decides between messages of the same second.
        self._sequences = itertools.count(random.getrandbits(16))
        self._kept: JSONDict = {}  # state of apps that were not registered again yet

    def routes(self) -> list[BaseRoute]:
        return [Route("/v4/{service}/{command}", self.handle, methods=["POST"])]

    def register_app(self, settings: JSONDict) -> str:
        wanted = AppSettings.from_json(settings)
        app = self.apps.setdefault(str(wanted.sdk_app_id), App(settings=wanted))
        app.settings = wanted
        if state := self._kept.pop(app.id, None):
            app.restore(state)
        return app.id

    def app_ids(self) -> list[str]:
        return list(self.apps)

    def robots(self, app_id: str) -> list[Robot]:
        return list(self.apps[app_id].robots.values())

    def groups(self, app_id: str) -> dict[str, Group]:
        return self.apps[app_id].groups

    def render(self, body: Any) -> Rendered:
        return chatbot.render(body)

    def forget(self) -> None:
        self.apps = {app_id: App(settings=app.settings) for app_id, app in self.apps.items()}
        self.commands = Commands(world=self.world, courier=self.courier)

    def to_json(self) -> JSONDict:
        return self._kept | {app_id: app.to_json() for app_id, app in self.apps.items()}

    def restore(self, state: JSONDict) -> None:
        self._kept = dict(state)

    # The app users' clients

    async def send_as_user(self, app_id: str, *, sender: str, recipient: str, content: JSONDict) -> Message:
        app = self.apps[app_id]
        for account in (sender, recipient):
            if not account or len(account.encode()) > MAX_ACCOUNT_BYTES:
                raise BadRequest("from and to are account ids of at most 32 bytes")
        if recipient.startswith(ROBOT_PREFIX) and recipient not in app.robots:
            raise BadRequest(f"there is no robot {recipient} in app {app_id}")
        app.users.update(account for account in (sender, recipient) if not account.startswith(ROBOT_PREFIX))
        body = user_body(content)
        now = self.world.now()
        sequence, number = next(self._sequences), random.getrandbits(32)
        message = Message(
            vendor="tencent",
            app=app_id,
            key=f"{sequence}_{number}_{int(now)}",
            sender=sender,
            recipient=recipient,
            sent_at=now,
            frames=[Frame(at=now, body=body, rendered=chatbot.render(body))],
            is_online_only=bool(content.get("online_only")),
            extra={
                "MsgSeq": sequence,
                "MsgRandom": number,
                "CloudCustomData": content.get("cloud_custom_data", ""),
            },
        )
        self.commands.deliver(app, message, platform=content.get("platform", "Android"))
        return message

    async def send_to_group(
        self, app_id: str, *, sender: str, group: str, mentions: list[str], content: JSONDict
    ) -> Message:
        app = self.apps[app_id]
        place = self.group_to_write_in(app_id, sender=sender, group=group, mentions=mentions)
        body = user_body(self.with_mentions(app_id, content, mentions))
        message = groups.new_message(self.commands, app, place, sender, random.getrandbits(32), body)
        message.extra["CloudCustomData"] = content.get("cloud_custom_data", "")
        message.is_online_only = bool(content.get("online_only"))
        robots = [account for account in mentions if account in app.robots]
        groups.deliver(
            self.commands, app, message, platform=content.get("platform", "Android"), robots=robots
        )
        return message

    # The REST API

    async def handle(self, request: Request) -> Response:
        command = f"{request.path_params['service']}/{request.path_params['command']}"
        started = time.monotonic()
        fate = self.world.faults.fate(command)
        raw = await request.body()
        if fate.latency_s:
            await asyncio.sleep(fate.latency_s)
        body: JSONDict | None = None
        answer: JSONDict = {}
        if not fate.before:
            body, answer = await self._answer(request, command, raw, fate.code)
        self.world.log_call(
            app=request.query_params.get("sdkappid", ""),
            members=_members(body),
            command=command,
            body=body if body is not None else raw.decode(errors="replace")[:2000],
            answer=answer,
            fault=str(fate),
            ms=round((time.monotonic() - started) * 1000, 1),
        )
        if how := fate.before or fate.after:
            return await fail(request, how, self.world.faults.api.timeout_s)
        return Response(json.dumps(answer, ensure_ascii=False), media_type="application/json")

    async def _answer(
        self, request: Request, command: str, raw: bytes, injected_code: int
    ) -> tuple[JSONDict | None, JSONDict]:
        """The request's body, and the answer to it; HTTP 200 whatever comes of it."""
        body: JSONDict | None = None
        try:
            if injected_code:
                raise Refused(injected_code, "injected by the sandbox")
            handler = HANDLERS.get(command)
            if handler is None:
                raise Refused(60009, f"no command {command}")
            app = self._authenticated_app(request)
            body = _json_object(raw)
            if not app.takes_call(command, self.world.now()):
                raise Refused(60011, f"more than {app.settings.rate_per_s} calls of {command} in a second")
            answer = await handler(self.commands, app, body)
            return body, {"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0} | answer
        except Refused as refused:
            return body, {"ActionStatus": "FAIL", "ErrorInfo": str(refused), "ErrorCode": refused.code}

    def _authenticated_app(self, request: Request) -> App:
        query = request.query_params
        if "sdkappid" not in query:
            raise Refused(60012, "sdkappid is missing")
        if not query["sdkappid"].isdecimal():
            raise Refused(60006, "sdkappid is not a number")
        if query.get("contenttype") != "json" or not query.get("random", "").isdecimal():
            raise Refused(60002, "contenttype=json and random, an unsigned number, belong into the address")
        app = self.apps.get(query["sdkappid"])
        if app is None:
            raise Refused(70020, f"no app {query['sdkappid']} in this data centre")
        identifier = query.get("identifier", "")
        if not identifier:
            raise Refused(60004, "identifier is missing")
        try:
            usersig.check(
                query.get("usersig", ""),
                sdk_app_id=app.settings.sdk_app_id,
                identifier=identifier,
                key=app.settings.secret_key,
                now=self.world.now(),
            )
        except usersig.BadUserSig as bad:
            raise Refused(bad.code, str(bad)) from bad
        if identifier != app.settings.admin_user_id:
            raise Refused(60010, f"{identifier} is not an administrator of the app")
        return app


def _json_object(raw: bytes) -> JSONDict:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(60003, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise Refused(60003, "the body is not a JSON object")
    return body


def _members(body: JSONDict | None) -> Pair:
    """Who is talking, where the command says it: for those who watch the conversation."""
    names = ("GroupId",) if body and "GroupId" in body else ("From_Account", "To_Account")
    accounts = [(body or {}).get(name) for name in names]
    return frozenset(account for account in accounts if isinstance(account, str))


def user_body(content: JSONDict) -> list[JSONDict]:
    """The MsgBody that a client makes of `{text | image | voice | file | custom | interrupt}`.

    Raises BadRequest.
    """
    for name, (kind, build) in USER_ELEMENTS.items():
        if name in content:
            if not isinstance(content[name], str) or not content[name]:
                raise BadRequest(f"{name} is a string with something in it")
            return [{"MsgType": kind, "MsgContent": build(content)}]
    raise BadRequest(f"nothing to send: one of {', '.join(USER_ELEMENTS)} is needed")


def _image_content(content: JSONDict) -> JSONDict:
    sizes = [(1, 1024), (2, 720), (3, 198)]  # original, large, thumbnail
    images = [
        {"Type": kind, "Size": 4096, "Width": width, "Height": width, "URL": content["image"]}
        for kind, width in sizes
    ]
    return {"UUID": _file_id(), "ImageFormat": 3, "ImageInfoArray": images}


def _voice_content(content: JSONDict) -> JSONDict:
    return {
        "Url": content["voice"],
        "UUID": _file_id(),
        "Size": content.get("size", 0),
        "Second": content.get("seconds", 1),
        "Download_Flag": 2,
    }


def _file_content(content: JSONDict) -> JSONDict:
    return {
        "Url": content["file"],
        "UUID": _file_id(),
        "FileSize": content.get("size", 0),
        "FileName": content.get("name", content["file"].rsplit("/", 1)[-1]),
        "Download_Flag": 2,
    }


def _custom_content(content: JSONDict) -> JSONDict:
    return {"Data": content["custom"], "Desc": content.get("description", ""), "Ext": "", "Sound": ""}


def _interrupt_content(content: JSONDict) -> JSONDict:
    data = {"chatbotPlugin": 2, "src": chatbot.INTERRUPT, "msgKey": content["interrupt"]}
    return {"Data": json.dumps(data), "Desc": "", "Ext": "", "Sound": ""}


def _text_content(content: JSONDict) -> JSONDict:
    return {"Text": content["text"]}


def _file_id() -> str:
    return uuid.uuid4().hex


USER_ELEMENTS = {
    "text": ("TIMTextElem", _text_content),
    "image": ("TIMImageElem", _image_content),
    "voice": ("TIMSoundElem", _voice_content),
    "file": ("TIMFileElem", _file_content),
    "custom": ("TIMCustomElem", _custom_content),
    "interrupt": ("TIMCustomElem", _interrupt_content),
}

"""The front of the simulated ZEGO cloud: who may call what, and the app users' clients."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.courier import Courier
from sandbox.failing import fail
from sandbox.vendor import BadRequest, VendorCloud
from sandbox.world import Group, JSONDict, Message, Pair, Rendered, Robot, World
from sandbox.zego import agents, messages, rooms
from sandbox.zego.actions import HANDLERS, MAX_ID_BYTES, Actions, Refused
from sandbox.zego.agents import AgentService, Instance
from sandbox.zego.app import ROBOT_PREFIX, App, AppSettings, request_signature

SIGNATURE_LIFE_S = 600


class Zego(VendorCloud):
    name = "zego"
    label = "ZEGO ZIM"

    def __init__(self, world: World, courier: Courier) -> None:
        super().__init__(world, courier)
        self.apps: dict[str, App] = {}
        self.actions = Actions(world=world, courier=courier)
        self.agents = AgentService(world, courier, self.actions)
        self._kept: JSONDict = {}  # state of apps that were not registered again yet

    def routes(self) -> list[BaseRoute]:
        return [Route("/", self.handle, methods=["POST"])]

    def register_app(self, settings: JSONDict) -> str:
        wanted = AppSettings.from_json(settings)
        app = self.apps.setdefault(str(wanted.app_id), App(settings=wanted))
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
        return messages.render(body)

    def forget(self) -> None:
        self.apps = {app_id: App(settings=app.settings) for app_id, app in self.apps.items()}

    def to_json(self) -> JSONDict:
        return self._kept | {app_id: app.to_json() for app_id, app in self.apps.items()}

    def restore(self, state: JSONDict) -> None:
        self._kept = dict(state)

    # The app users' clients

    async def send_as_user(self, app_id: str, *, sender: str, recipient: str, content: JSONDict) -> Message:
        app = self.apps[app_id]
        for account in (sender, recipient):
            if not account or len(account.encode()) > MAX_ID_BYTES:
                raise BadRequest(f"from and to are user ids of at most {MAX_ID_BYTES} bytes")
        if recipient.startswith(ROBOT_PREFIX) and recipient not in app.robots:
            raise BadRequest(f"there is no robot {recipient} in app {app_id}")
        app.users.update(account for account in (sender, recipient) if not account.startswith(ROBOT_PREFIX))
        body = messages.user_body(content)
        message = self.actions.new_message(app, sender, recipient, body, is_from_server=False)
        if not await self.actions.is_allowed(app, message):
            raise BadRequest("the app's server does not allow this message, or has not answered")
        return self.actions.deliver(app, message)

    async def send_to_group(
        self, app_id: str, *, sender: str, group: str, mentions: list[str], content: JSONDict
    ) -> Message:
        """The client's list of whom it mentions is not told in callbacks: only the text has their names."""
        app = self.apps[app_id]
        self.group_to_write_in(app_id, sender=sender, group=group, mentions=mentions)
        body = messages.user_body(self.with_mentions(app_id, content, mentions))
        message = self.actions.new_message(app, sender, group, body, is_from_server=False, is_in_group=True)
        if not await self.actions.is_allowed(app, message):
            raise BadRequest("the app's server does not allow this message, or has not answered")
        return self.actions.deliver(app, message)

    # Calls, as the app's client and its user have them

    def instances(self, app_id: str) -> list[JSONDict]:
        return [instance.to_json() for instance in self.apps[app_id].instances.values()]

    def act_in_call(self, app_id: str, deed: str, content: JSONDict) -> JSONDict:
        """`enter` a room with a token, `say` something there, `leave` it; or `lose` the instance, which then
        is gone without a word.  Raises BadRequest."""
        app = self.apps[app_id]
        instance = self._instance_in(app, str(content.get("room", "")))
        if deed == "enter":
            user = str(content.get("user", ""))
            rooms.check_token(
                app, str(content.get("token", "")), user=user, room=instance.room_id, now=self.world.now()
            )
            self.agents.enter(app, instance)
        elif deed == "say":
            self.agents.say(app, instance, str(content.get("text", "")))
        elif deed == "leave":
            self.agents.leave(app, instance)
        elif deed == "lose":
            del app.instances[instance.id]
        else:
            raise BadRequest("in a call one can enter, say, leave and lose")
        return instance.to_json()

    def _instance_in(self, app: App, room: str) -> Instance:
        found: list[Instance] = [each for each in app.instances.values() if each.room_id == room]
        if not found:
            raise BadRequest(f"there is no agent in room {room}")
        return found[-1]

    # The server API

    async def handle(self, request: Request) -> Response:
        query = request.query_params
        action = query.get("Action", "")
        started = time.monotonic()
        fate = self.world.faults.fate(action)
        raw = await request.body()
        if fate.latency_s:
            await asyncio.sleep(fate.latency_s)
        body: JSONDict | None = None
        answer: JSONDict = {}
        if not fate.before:
            body, answer = await self._answer(request, action, raw, fate.code)
        self.world.log_call(
            app=query.get("AppId", ""),
            members=_members(action, body),
            command=action,
            body=body if body is not None else raw.decode(errors="replace")[:2000],
            answer=answer,
            fault=str(fate),
            ms=round((time.monotonic() - started) * 1000, 1),
        )
        if how := fate.before or fate.after:
            return await fail(request, how, self.world.faults.api.timeout_s)
        return Response(json.dumps(answer, ensure_ascii=False), media_type="application/json")

    async def _answer(
        self, request: Request, action: str, raw: bytes, injected_code: int
    ) -> tuple[JSONDict | None, JSONDict]:
        """The request's body, and the answer to it; HTTP 200 whatever comes of it."""
        body: JSONDict | None = None
        try:
            if injected_code:
                raise Refused(injected_code, "injected by the sandbox")
            if action not in HANDLERS and action not in agents.HANDLERS:
                raise Refused(100000007 if action else 100000006, f"no action {action}")
            app = self._authenticated_app(request)
            body = _json_object(raw)
            answer = await self._done(app, action, body)
            return body, {"Code": 0, "Message": "success", "RequestId": _request_id()} | answer
        except Refused as refused:
            failure = {"Code": refused.code, "Message": str(refused), "RequestId": _request_id()}
            return body, failure | refused.fields

    async def _done(self, app: App, action: str, body: JSONDict) -> JSONDict:
        """What an action answers besides Code.  The two products share the host here, and nothing else."""
        if handler := HANDLERS.get(action):
            if not app.takes_call(action, self.world.now(), app.settings.rate_per_s):
                raise Refused(660300005, f"too many calls of {action} in a second")
            return await handler(self.actions, app, body)
        if not app.takes_call(action, self.world.now(), app.settings.agent_rate_per_s):
            raise Refused(410000010, f"too many calls of {action} in a second")
        return {"Data": await agents.HANDLERS[action](self.agents, app, body)}

    def _authenticated_app(self, request: Request) -> App:
        query = request.query_params
        _check_query(query)
        app = self.apps.get(query["AppId"])
        if app is None:
            raise Refused(100000010, f"no app {query['AppId']}")
        if abs(self.world.now() - int(query["Timestamp"])) > SIGNATURE_LIFE_S:
            raise Refused(100000004, "the signature has expired")
        settings = app.settings
        right = request_signature(
            settings.app_id, query["SignatureNonce"], settings.server_secret, query["Timestamp"]
        )
        if not hmac.compare_digest(right, query["Signature"]):
            raise Refused(100000005, "the signature is wrong")
        return app


def _check_query(query: Mapping[str, str]) -> None:
    for name, code in REQUIRED.items():
        if not query.get(name):
            raise Refused(code, f"{name} is missing")
    if not query["AppId"].isdecimal():
        raise Refused(100000001, "AppId is not a number")
    if not query["Timestamp"].isdecimal():
        raise Refused(100000003, "Timestamp is not a number of seconds")
    if query["SignatureVersion"] != "2.0":
        raise Refused(100000014, "SignatureVersion is 2.0")


REQUIRED = {
    "AppId": 100000001,
    "Timestamp": 100000002,
    "SignatureNonce": 100000008,
    "Signature": 100000009,
    "SignatureVersion": 100000013,
}


def _json_object(raw: bytes) -> JSONDict:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(100000012, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise Refused(100000012, "the body is not a JSON object")
    return body


def _members(action: str, body: JSONDict | None) -> Pair:
    """Who is talking, where the action says it: for those who watch the conversation."""
    given = body or {}
    group = given.get("GroupId") or (given.get("ConvId") if action == "EditGroupMsgBody" else None)
    if isinstance(group, str):
        return frozenset((group,))
    receiver = given.get("ConvId") or given.get("ToUserId")
    receivers = receiver if isinstance(receiver, list) else [receiver]
    return frozenset(each for each in (given.get("FromUserId"), *receivers) if isinstance(each, str))


def _request_id() -> str:
    return str(time.time_ns())

"""The front of the simulated Easemob cloud: who may call what, and the app users' clients."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from sandbox.courier import Courier
from sandbox.easemob import messages
from sandbox.easemob.app import App, AppSettings, app_key
from sandbox.easemob.calls import HANDLERS, Calls, Refused
from sandbox.failing import fail
from sandbox.vendor import BadRequest, VendorCloud
from sandbox.world import Group, JSONDict, Message, Pair, Rendered, Robot, World

MAX_NAME_BYTES = 64
PROFILE = "metadata/user/"
REWRITE = "messages/rewrite/"
GROUP_CALLS = ("messages/chatgroups", "stream_message/chatgroup")
INJECTED = {403: "stream message service is unopened", 429: "This request has reached api limit"}


class Easemob(VendorCloud):
    name = "easemob"
    label = "Easemob IM"

    def __init__(self, world: World, courier: Courier) -> None:
        super().__init__(world, courier)
        self.apps: dict[str, App] = {}
        self.calls = Calls(world=world, courier=courier)
        self._kept: JSONDict = {}  # state of apps that were not registered again yet

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/api/server/v6/{org}/{app}/{call:path}", self.handle, methods=["POST"]),
            Route("/{org}/{app}/{call:path}", self.handle, methods=["POST", "PUT"]),
        ]

    def register_app(self, settings: JSONDict) -> str:
        wanted = AppSettings.from_json(settings)
        app = self.apps.setdefault(app_key(wanted.org_name, wanted.app_name), App(settings=wanted))
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
        for name in (sender, recipient):
            if not name or len(name.encode()) > MAX_NAME_BYTES:
                raise BadRequest(f"from and to are user names of at most {MAX_NAME_BYTES} bytes")
        body = messages.user_body(content)
        message = self.calls.new_message(app, sender.lower(), recipient.lower(), body, {})
        return await self._send(app, message)

    async def send_to_group(
        self, app_id: str, *, sender: str, group: str, mentions: list[str], content: JSONDict
    ) -> Message:
        """The UIKits put the list of whom a message mentions into `ext`."""
        app = self.apps[app_id]
        self.group_to_write_in(app_id, sender=sender, group=group, mentions=mentions)
        body = messages.user_body(self.with_mentions(app_id, content, mentions))
        ext = {"em_at_list": mentions} if mentions else {}
        message = self.calls.new_message(app, sender.lower(), group, body, ext, is_in_group=True)
        return await self._send(app, message)

    async def _send(self, app: App, message: Message) -> Message:
        if await self.calls.is_let_through(app, message):
            self.calls.deliver(app, message)
        elif app.settings.shows_error:
            raise BadRequest("the app's server does not let this message through")
        else:
            message.extra["is_intercepted"] = True  # it stays on the device that sent it
            self.world.add(message)
        return message

    # The REST API

    async def handle(self, request: Request) -> Response:
        path = request.path_params
        call, app_id = path["call"], app_key(path["org"], path["app"])
        started = time.monotonic()
        fate = self.world.faults.fate(call)
        raw = await request.body()
        if fate.latency_s:
            await asyncio.sleep(fate.latency_s)
        status = 200
        body: JSONDict = {}
        answer: JSONDict = {}
        if not fate.before:
            status, body, answer = await self._answer(request, app_id, call, raw, fate.code)
        self.world.log_call(
            app=app_id,
            members=_members(call, body),
            command=call,
            body=body,
            answer=answer if call != "token" else {},
            fault=str(fate),
            ms=round((time.monotonic() - started) * 1000, 1),
        )
        if how := fate.before or fate.after:
            return await fail(request, how, self.world.faults.api.timeout_s)
        return Response(json.dumps(answer, ensure_ascii=False), status, media_type="application/json")

    async def _answer(
        self, request: Request, app_id: str, call: str, raw: bytes, injected_code: int
    ) -> tuple[int, JSONDict, JSONDict]:
        """Status, the request's body, and the answer to it."""
        body: JSONDict = {}
        try:
            app = self._app(request, app_id, call, injected_code)
            if not app.takes_call(call, self.world.now()):
                raise Refused(429, "reach_limit", "This request has reached api limit")
            body = _body(request, raw)
            if body.get("grant_type") == "inherit" and "authorization" not in request.headers:
                raise Refused(401, "unauthorized", "Unable to authenticate (OAuth)")
            answer = await self._handled(request, app, call, body)
            if call == "token":
                body = body | {"client_secret": "…"}
            return 200, body, {"timestamp": int(self.world.now() * 1000), "duration": 0, **answer}
        except Refused as refused:
            code = {"error_code": refused.code} if refused.code else {}
            return refused.status, body, {"error": refused.name, "error_description": str(refused), **code}

    async def _handled(self, request: Request, app: App, call: str, body: JSONDict) -> JSONDict:
        if request.method == "PUT" and call.startswith(PROFILE):
            return await self.calls.metadata(app, body, call.removeprefix(PROFILE))
        if request.method == "PUT" and call.startswith(REWRITE):
            return await self.calls.rewrite(app, body, call.removeprefix(REWRITE))
        handler = HANDLERS.get(call)
        if handler is None or request.method != "POST":
            raise Refused(404, "service_resource_not_found", f"no call {request.method} {call}")
        return await handler(self.calls, app, body)

    def _app(self, request: Request, app_id: str, call: str, injected_code: int) -> App:
        if injected_code >= 1000:
            raise Refused(400, "message_send_error", "injected by the sandbox", injected_code)
        if injected_code:
            name = {401: "unauthorized", 403: "forbidden_op", 429: "reach_limit"}.get(
                injected_code, "injected"
            )
            raise Refused(injected_code, name, INJECTED.get(injected_code, "injected by the sandbox"))
        app = self.apps.get(app_id)
        if app is None:
            raise Refused(404, "organization_application_not_found", f"no app {app_id}")
        if call != "token" or "authorization" in request.headers:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if app.tokens.get(token, 0) < self.world.now():
                raise Refused(401, "unauthorized", "Unable to authenticate (OAuth)")
        return app


def _body(request: Request, raw: bytes) -> JSONDict:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode(), keep_blank_values=True))
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(400, "json_parse", "the body is not JSON") from error
    if not isinstance(body, dict):
        raise Refused(400, "json_parse", "the body is not a JSON object")
    return body


def _members(call: str, body: JSONDict) -> Pair:
    """Who is talking, where the call says it: for those who watch the conversation."""
    receivers = body.get("to")
    if call in GROUP_CALLS or body.get("chat_type") == "groupchat":
        return frozenset(receivers if isinstance(receivers, list) else [str(receivers)])
    given = (body.get("from"), *(receivers if isinstance(receivers, list) else [receivers]))
    return frozenset(each for each in given if isinstance(each, str))

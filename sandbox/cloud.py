"""The simulated clouds in one process: the vendors' APIs, the sandbox's own, and the chat page.

Under /_sandbox/: what tests and the chat page use.  Errors there are `{"error": "…"}` with status 400.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox import samples, state
from sandbox.courier import Courier
from sandbox.easemob import Easemob
from sandbox.events import event_stream
from sandbox.faults import BadFaults, Faults
from sandbox.tencent import Tencent
from sandbox.vendor import BadRequest, VendorCloud
from sandbox.world import Group, JSONDict, World
from sandbox.zego import Zego

VENDORS: list[type[VendorCloud]] = [Tencent, Zego, Easemob]
STATIC = Path(__file__).parent / "static"
LONGEST_WAIT_S = 60.0
SAVE_INTERVAL_S = 1.0
# Pictures and sounds may come from anywhere, as in a chat; scripts and calls stay here.
CONTENT_POLICY = "default-src 'self'; img-src * data:; media-src *; frame-ancestors 'none'"
# Like a sample client of the voice service, the page asks the app's server, wherever that is.
CALL_POLICY = "default-src 'self'; connect-src *; frame-ancestors 'none'"

type Endpoint = Callable[[Request], Awaitable[Response]]


def application(*, state_file: Path | None = None, apps: list[JSONDict] | None = None) -> Starlette:
    """The whole sandbox cloud.  With a state file, robots and messages outlive the process."""
    desk = Desk(state_file)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await desk.open(apps or [])
        try:
            yield
        finally:
            await desk.close()

    return Starlette(routes=desk.routes(), lifespan=lifespan)


class Desk:
    """The sandbox's own API, over the simulated vendors."""

    def __init__(self, state_file: Path | None) -> None:
        self.state_file = state_file
        self.world = World()
        self.courier = Courier(self.world)
        self.vendors = {vendor.name: vendor(self.world, self.courier) for vendor in VENDORS}
        self._saved_version = 0

    def routes(self) -> list[BaseRoute]:
        own: list[BaseRoute] = [
            Route("/health", self.health),
            Route("/apps", _answered(self.register_app), methods=["POST"]),
            Route("/apps", _answered(self.list_apps)),
            Route("/reset", self.reset, methods=["POST"]),
            Route("/clock", _answered(self.set_clock), methods=["POST"]),
            Route("/faults", self.get_faults),
            Route("/faults", _answered(self.set_faults), methods=["POST"]),
            Route("/groups", _answered(self.create_group), methods=["POST"]),
            Route("/users/send", _answered(self.send_as_user), methods=["POST"]),
            Route("/instances", _answered(self.list_instances)),
            Route("/instances/{deed}", _answered(self.act_in_call), methods=["POST"]),
            Route("/messages", _answered(self.list_messages)),
            Route("/events", _answered(self.events)),
            Route("/calls", self.list_calls),
            Route("/callbacks", self.list_callbacks),
            Route("/violations", self.list_violations),
            Route("/samples/{name}", self.sample),
        ]
        page: list[BaseRoute] = [
            Route("/", self.page),
            Route("/call", self.call_page),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        vendors = [route for vendor in self.vendors.values() for route in vendor.routes()]
        return [Mount("/_sandbox", routes=own), *page, *vendors]

    async def open(self, apps: list[JSONDict]) -> None:
        if self.state_file is not None:
            state.load(self.state_file, self.world, self.vendors)
        for settings in apps:
            self._register(settings)
        self._saver = asyncio.create_task(self._save_regularly())

    async def close(self) -> None:
        self._saver.cancel()
        await self.courier.close()
        self._save()

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(SAVE_INTERVAL_S)
            self._save()

    def _save(self) -> None:
        if self.state_file is not None and self.world.hub.version != self._saved_version:
            self._saved_version = self.world.hub.version
            state.save(self.state_file, self.world, self.vendors)

    # Setting the scene

    async def health(self, request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def register_app(self, request: Request) -> Response:
        return JSONResponse({"app": self._register(await _body(request))}, status_code=201)

    def _register(self, settings: JSONDict) -> str:
        settings = dict(settings)
        vendor = self.vendors.get(settings.pop("vendor", "tencent"))
        if vendor is None:
            raise BadRequest(f"vendor is one of {', '.join(self.vendors)}")
        groups = [Group(**group) for group in settings.pop("groups", [])]  # to begin with
        app_id = vendor.register_app(settings)
        for group in groups:
            vendor.groups(app_id).setdefault(group.id, group)
        return app_id

    async def list_apps(self, request: Request) -> Response:
        """What the chat page offers; no secrets.  Waits like `list_messages`."""
        await self._wait(request)
        version = self.world.hub.version
        apps = [
            {
                "app": app_id,
                "vendor": vendor.name,
                "label": vendor.label,
                "locks_input": vendor.locks_input,
                "can_interrupt": vendor.can_interrupt,
                "robots": [asdict(robot) for robot in vendor.robots(app_id)],
                "groups": [asdict(group) for group in vendor.groups(app_id).values()],
            }
            for vendor in self.vendors.values()
            for app_id in vendor.app_ids()
        ]
        return JSONResponse({"version": version, "apps": apps})

    async def reset(self, request: Request) -> Response:
        """Forget all that was said, the robots, the faults and the logs; the apps stay."""
        self.world.forget()
        for vendor in self.vendors.values():
            vendor.forget()
        return JSONResponse({})

    async def set_clock(self, request: Request) -> Response:
        """Move the clouds' clock ahead of the machine's, or behind it."""
        offset = (await _body(request)).get("offset_s")
        if not isinstance(offset, int | float):
            raise BadRequest("offset_s is a number of seconds")
        self.world.clock_offset_s = float(offset)
        return JSONResponse({"now": self.world.now()})

    async def get_faults(self, request: Request) -> Response:
        return JSONResponse(self.world.faults.to_json())

    async def set_faults(self, request: Request) -> Response:
        self.world.faults = Faults.from_json(await _body(request))
        return JSONResponse(self.world.faults.to_json())

    # Talking

    async def create_group(self, request: Request) -> Response:
        settings = await _body(request)
        app_id, vendor = self._app(settings.pop("app", ""))
        group = Group(**settings)
        vendor.create_group(app_id, group)
        return JSONResponse(asdict(group), status_code=201)

    async def send_as_user(self, request: Request) -> Response:
        content = await _body(request)
        app_id, vendor = self._app(content.pop("app", ""))
        sender, recipient = str(content.pop("from", "")), str(content.pop("to", ""))
        group, mentions = str(content.pop("group", "")), list(content.pop("mentions", []))
        if group:
            message = await vendor.send_to_group(
                app_id, sender=sender, group=group, mentions=mentions, content=content
            )
        else:
            message = await vendor.send_as_user(app_id, sender=sender, recipient=recipient, content=content)
        return JSONResponse(message.to_json(), status_code=201)

    def _app(self, app_id: Any) -> tuple[str, VendorCloud]:
        for vendor in self.vendors.values():
            if str(app_id) in vendor.app_ids():
                return str(app_id), vendor
        raise BadRequest(f"there is no app {app_id}")

    async def list_messages(self, request: Request) -> Response:
        """A conversation, oldest first.  With `beyond`, waits until something happened after that version."""
        conversation = self._conversation(request)
        await self._wait(request)
        version = self.world.hub.version
        messages = [message.to_json() for message in self.world.conversation(*conversation)]
        return JSONResponse({"version": version, "messages": messages})

    async def list_instances(self, request: Request) -> Response:
        """Agents that are in calls.  Waits like `list_messages`."""
        app_id, cloud = self._calling(request.query_params.get("app", ""))
        await self._wait(request)
        version = self.world.hub.version
        return JSONResponse({"version": version, "instances": cloud.instances(app_id)})

    async def act_in_call(self, request: Request) -> Response:
        content = await _body(request)
        app_id, cloud = self._calling(content.pop("app", ""))
        return JSONResponse(cloud.act_in_call(app_id, request.path_params["deed"], content))

    def _calling(self, app_id: Any) -> tuple[str, Zego]:
        app_id, vendor = self._app(app_id)
        if not isinstance(vendor, Zego):
            raise BadRequest(f"{vendor.label} has no calls")
        return app_id, vendor

    async def _wait(self, request: Request) -> None:
        query = request.query_params
        if "beyond" in query:
            wait_s = min(float(query.get("wait_s", LONGEST_WAIT_S)), LONGEST_WAIT_S)
            await self.world.hub.wait_beyond(int(query["beyond"]), wait_s)

    async def events(self, request: Request) -> Response:
        """A conversation, live: `snapshot`, then `message`, `call`, `callback`, `violation`, `robots`."""
        app_id, members = self._conversation(request)

        def snapshot() -> JSONDict:
            messages = [message.to_json() for message in self.world.conversation(app_id, members)]
            return {"messages": messages, "wire": self.world.journal.about(app_id, members)}

        return event_stream(self.world.hub, app=app_id, members=members, snapshot=snapshot)

    def _conversation(self, request: Request) -> tuple[str, frozenset[str]]:
        query = request.query_params
        app_id, _ = self._app(query.get("app", ""))
        if group := query.get("group"):
            return app_id, frozenset((group,))
        if not query.get("user") or not query.get("peer"):
            raise BadRequest("user and peer, or group, say which conversation")
        return app_id, frozenset((query["user"], query["peer"]))

    # What went over the wire

    async def list_calls(self, request: Request) -> Response:
        return _entries(request, self.world.journal.calls)

    async def list_callbacks(self, request: Request) -> Response:
        return _entries(request, self.world.journal.callbacks)

    async def list_violations(self, request: Request) -> Response:
        return _entries(request, self.world.journal.violations)

    # The chat page

    async def page(self, request: Request) -> Response:
        return FileResponse(STATIC / "chat.html", headers={"content-security-policy": CONTENT_POLICY})

    async def call_page(self, request: Request) -> Response:
        return FileResponse(STATIC / "call.html", headers={"content-security-policy": CALL_POLICY})

    async def sample(self, request: Request) -> Response:
        sample = samples.SAMPLES.get(request.path_params["name"])
        if sample is None:
            return _error("no such sample", 404)
        return Response(sample.content(), media_type=sample.media_type)


def _answered(endpoint: Endpoint) -> Endpoint:
    """What makes no sense is answered with status 400 and the reason."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (BadRequest, BadFaults, TypeError, ValueError) as error:
            return _error(str(error), 400)

    return answer


def _error(text: str, status: int) -> JSONResponse:
    return JSONResponse({"error": text}, status_code=status)


async def _body(request: Request) -> JSONDict:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def _entries(request: Request, journal: Any) -> JSONResponse:
    """All of a journal, or one app's."""
    app = request.query_params.get("app")
    return JSONResponse({"results": [entry for entry in journal if app in (None, entry["app"])]})

"""The addresses that ZEGO's official sample clients call, in the shapes that they insist on.

From the samples' own backend (ai_agent_quick_start_server): top-level keys, `code` 0 for success, HTTP
status 200 exactly, and `expire_time` in milliseconds, which one client reads as a 64-bit number.  The clients
send no credentials, so the addresses are off until an admin names a template that serves them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from agents import calls
from agents.api.voice import CallRequest
from agents.errors import CallError, NoCapacity
from agents.models import AgentTemplate, Call
from agents.tokens import login_of
from bots.errors import VendorError

log = structlog.get_logger(__name__)

CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization",
}

type JSONDict = dict[str, Any]
type Handler = Callable[[AgentTemplate, JSONDict], JSONDict]


class Failed(Exception):
    """What the client is told instead, as `code` and as the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def sample_view(method: str) -> Callable[[Handler], Callable[[HttpRequest], HttpResponseBase]]:
    """A view that gets the template and the query or body, and answers in the samples' shape."""

    def decorate(handler: Handler) -> Callable[[HttpRequest], HttpResponseBase]:
        @csrf_exempt
        @wraps(handler)
        def view(request: HttpRequest) -> HttpResponseBase:
            if request.method == "OPTIONS":
                return HttpResponse(status=204, headers=CORS)
            try:
                if request.method != method:
                    raise Failed(405, "method not allowed")
                answer = handler(find_template(), content_of(request))
            except Failed as failure:
                return told(failure.status, {"message": str(failure)})
            except (VendorError, CallError) as error:
                log.warning("a sample client was not served", error=str(error))
                return told(503 if isinstance(error, NoCapacity) else 500, {"message": str(error)})
            return told(200, {"message": "success", **answer})

        return view

    return decorate


def told(status: int, answer: JSONDict) -> JsonResponse:
    code = 0 if status == 200 else status
    return JsonResponse({"code": code, **answer}, status=status, headers=CORS)


def find_template() -> AgentTemplate:
    templates = AgentTemplate.objects.able().filter(serves_samples=True)
    template = templates.select_related("account", "model", "robot__account", "robot__default_tier").first()
    if template is None:
        raise Failed(404, _("No agent template serves the samples."))
    return template


def content_of(request: HttpRequest) -> JSONDict:
    if request.method == "GET":
        return dict(request.GET.items())
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Failed(400, _("The body is not a JSON object."))
    return content


@sample_view("GET")
def zego_token(template: AgentTemplate, query: JSONDict) -> JSONDict:
    """Good for the chat and for rooms.  Some pages write `user_id`, clients `userId`."""
    user_id = query.get("userId") or query.get("user_id")
    if not user_id:
        raise Failed(400, "userId")
    login = login_of(template.account, user_id)
    return {
        "token": login.token,
        "user_id": user_id,
        "expire_time": int(login.expires_at.timestamp() * 1000),
    }


@sample_view("POST")
def get_agent_info(template: AgentTemplate, content: JSONDict) -> JSONDict:
    """Which robot to chat with: one for all users, whoever asks."""
    return {
        "agent_id": template.agent_id,
        "agent_name": template.name or str(template.robot),
        "robot_id": template.robot.user_id,
    }


@sample_view("POST")
def start(template: AgentTemplate, content: JSONDict) -> JSONDict:
    wanted = {name: content.get(name) for name in ("user_id", "room_id", "user_stream_id")}
    form = CallRequest(data={"kind": "voice", "template": template.slug, **wanted})
    missing = [name for name, value in wanted.items() if not value]
    if missing or not form.is_valid():
        raise Failed(400, ", ".join(missing or form.errors))
    call = calls.start(template=template, **{name: form.validated_data[name] for name in wanted})
    return {
        "agent_id": template.agent_id,
        "agent_name": template.name or str(template.robot),
        "agent_instance_id": call.instance_id,
        "agent_stream_id": call.agent_stream_id,
        "agent_user_id": call.agent_user_id,
    }


@sample_view("POST")
def stop(template: AgentTemplate, content: JSONDict) -> JSONDict:
    instance_id = str(content.get("agent_instance_id") or "")
    running = Call.objects.select_related(*calls.RELATED).filter(template=template)
    call = running.filter(instance_id=instance_id).first() if instance_id else None
    if call is None:
        raise Failed(404, _("There is no such instance."))
    calls.end(call)
    return {"agent_instance_id": instance_id}

"""What operators see of a call, and do in it: parse, call, render."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from agents import operating
from agents.models import Call
from agents.operating import NoCall
from bots.errors import VendorError
from conversations import handoffs
from conversations.console import rights
from conversations.console.views import find, for_those_who, is_theirs, refused, sent
from conversations.operating import TooLong


@require_GET
@for_those_who(rights.may_read)
def call(request: HttpRequest, public_id: str) -> HttpResponse:
    """The call that is under way or about to be; null for none."""
    found = operating.shown_call(find(request, public_id))
    return JsonResponse({"call": as_json(found) if found else None})


@require_POST
@for_those_who(rights.may_operate)
def interrupt(request: HttpRequest, public_id: str) -> HttpResponse:
    return act(request, public_id, operating.interrupt)


@require_POST
@for_those_who(rights.may_operate)
def say(request: HttpRequest, public_id: str) -> HttpResponse:
    assert isinstance(request.user, User)
    name = request.user.get_username()
    return act_with_text(request, public_id, lambda call, text: operating.say(call, text, name=name))


@require_POST
@for_those_who(rights.may_operate)
def whisper(request: HttpRequest, public_id: str) -> HttpResponse:
    return act_with_text(request, public_id, operating.whisper)


def act_with_text(request: HttpRequest, public_id: str, move: Callable[[Call, str], object]) -> HttpResponse:
    text = str(sent(request).get("text", "")).strip()
    if not text:
        return refused(_("There is nothing to send."), status=400)
    return act(request, public_id, lambda call: move(call, text))


def act(request: HttpRequest, public_id: str, move: Callable[[Call], object]) -> HttpResponse:
    """Make the move in the call, unless somebody else has the conversation."""
    found = find(request, public_id)
    assert isinstance(request.user, User)
    handoff = handoffs.current(found)
    if handoff and handoff.taken_at and not is_theirs(handoff, request.user):
        return refused(_("%(name)s has this conversation.") % {"name": handoff.taken_by})
    try:
        move(operating.the_call(found))
    except NoCall as error:
        return refused(str(error))
    except TooLong as error:
        return refused(str(error), status=400)
    except VendorError as error:
        return refused(str(error), status=502)
    return JsonResponse({})


def as_json(call: Call) -> dict[str, Any]:
    return {
        "id": call.session.public_id,
        "template": call.template.slug,
        "is_running": call.state == Call.State.RUNNING,
        "status": call.get_status_display() or call.get_state_display(),
        "error": call.error,
        "started_at": call.started_at and call.started_at.isoformat(),
    }

"""The console's pages, and what operators do there: parse, call, render."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bots.models import Robot
from conversations import announcing, handoffs, operating, ownership
from conversations.console import lists, rights
from conversations.models import Conversation, Handoff, Message, Turn

PAGE_MESSAGES: Final = 50
SIGN_IN: Final = "console:login"

type Page = Callable[..., HttpResponseBase]


class Login(LoginView):
    template_name = "console/login.html"
    next_page = "console:home"
    redirect_authenticated_user = False


class Logout(LogoutView):
    next_page = SIGN_IN


def for_those_who(may: Callable[[Any], bool]) -> Callable[[Page], Page]:
    """Let only those in who have the right; the others are asked to log in, or told so."""

    def guard(page: Page) -> Page:
        @wraps(page)
        def guarded(request: HttpRequest, *arguments: Any, **names: Any) -> HttpResponseBase:
            if may(request.user):
                return page(request, *arguments, **names)
            if request.method == "POST":
                return refused(_("You may not do this."), status=403)
            if request.user.is_authenticated:
                return render(request, "console/forbidden.html", status=403)
            return redirect_to_login(request.get_full_path(), resolve_url(SIGN_IN))

        return guarded

    return guard


def refused(reason: str, *, status: int = 409) -> JsonResponse:
    return JsonResponse({"error": reason}, status=status)


@require_GET
@for_those_who(rights.may_read)
def console(request: HttpRequest) -> HttpResponse:
    return render(request, "console/console.html", inbox(request))


@require_GET
@for_those_who(rights.may_read)
def listed(request: HttpRequest) -> HttpResponse:
    """The list alone: its next page, or as it is now."""
    return render(request, "console/list.html", inbox(request))


@require_GET
@for_those_who(rights.may_read)
def conversation(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(public_id)
    state = {
        # Before anything is read, or what changes meanwhile would be missed.
        "cursor": announcing.cursor_of_page(),
        **messages_before(found, None),
        "id": found.pk,
        "peer": found.peer_id,
        "handoff": current_handoff(found),
        "user": request.user.pk,
        "name": str(request.user),
        "may_operate": rights.may_operate(request.user),
        "may_supervise": rights.may_supervise(request.user),
        "words": words(),
    }
    return render(request, "console/console.html", {**inbox(request), "open": found, "state": state})


@require_GET
@for_those_who(rights.may_read)
def messages(request: HttpRequest, public_id: str) -> HttpResponse:
    """A page of earlier messages."""
    before = request.GET.get("before", "")
    if not (before.isascii() and before.isdecimal()):
        return refused(_("`before` is the number of a message."), status=400)
    return JsonResponse(messages_before(find(public_id), int(before)))


@require_POST
@for_those_who(rights.may_read)
def read(request: HttpRequest, public_id: str) -> HttpResponse:
    message_id = sent(request).get("message")
    if not isinstance(message_id, int):
        return refused(_("`message` is the number of a message."), status=400)
    assert isinstance(request.user, User)
    lists.mark_read(find(public_id), request.user, message_id)
    return JsonResponse({})


@require_POST
@for_those_who(rights.may_operate)
def take_over(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(public_id)
    assert isinstance(request.user, User)
    if not ownership.take_over(found, operator=request.user):
        holder = handoffs.current(found)
        if holder is None or holder.operator_id != request.user.pk:
            return refused(_("%(name)s has this conversation.") % {"name": holder.taken_by if holder else ""})
    return JsonResponse({"handoff": current_handoff(found)})


@require_POST
@for_those_who(rights.may_operate)
def hand_back(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(public_id)
    assert isinstance(request.user, User)
    handoff = handoffs.current(found)
    if handoff and not (is_theirs(handoff, request.user) or rights.may_supervise(request.user)):
        return refused(_("%(name)s has this conversation.") % {"name": handoff.taken_by})
    ownership.hand_back(found, by=request.user.get_username())
    return JsonResponse({"handoff": current_handoff(found)})


@require_POST
@for_those_who(rights.may_operate)
def say(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(public_id)
    text = str(sent(request).get("text", "")).strip()
    if not text:
        return refused(_("There is nothing to send."), status=400)
    assert isinstance(request.user, User)
    try:
        message = operating.say(found, text, operator=request.user)
    except (operating.NotTakenOver, operating.TakenByAnother) as error:
        return refused(str(error))
    except operating.TooLong as error:
        return refused(str(error), status=400)
    return JsonResponse({"message": announcing.message_changed(message)})


def inbox(request: HttpRequest) -> dict[str, Any]:
    """What the list shows."""
    assert isinstance(request.user, User)
    wanted = lists.asked(request.GET)
    return {
        "wanted": wanted,
        "views": lists.VIEWS.values(),
        "page": lists.page(request.user, wanted),
        "counts": lists.counts(request.user),
        "robots": Robot.objects.select_related("account").order_by("account__slug", "nickname", "user_id"),
        "may_operate": rights.may_operate(request.user),
    }


def find(public_id: str) -> Conversation:
    return get_object_or_404(Conversation.objects.select_related("robot__account"), public_id=public_id)


def sent(request: HttpRequest) -> dict[str, Any]:
    """The request's JSON object; empty where it is none."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def is_theirs(handoff: Handoff, user: User) -> bool:
    return handoff.operator_id == user.pk


def current_handoff(found: Conversation) -> announcing.Event | None:
    handoff = handoffs.current(found)
    return announcing.handoff_changed(handoff) if handoff else None


def messages_before(found: Conversation, before: int | None) -> dict[str, Any]:
    """Messages with their turns as events, and where the page before begins."""
    rows = found.messages.select_related("turn__model").order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    newest: list[Message] = list(rows[: PAGE_MESSAGES + 1])
    shown = newest[:PAGE_MESSAGES]
    turns = {message.turn_id: message.turn for message in shown if message.turn}
    return {
        "events": [
            *(announcing.turn_changed(turn) for turn in turns.values()),
            *(announcing.message_changed(message) for message in shown),
        ],
        "earlier": shown[-1].pk if len(newest) > PAGE_MESSAGES else None,
    }


def words() -> dict[str, Any]:
    """What the page's scripts say."""
    return {
        "states": dict(Message.State.choices),
        "kinds": dict(Message.Kind.choices),
        "turns": dict(Turn.State.choices),
        "causes": dict(Handoff.Cause.choices),
        "with_robot": _("the robot answers"),
        "waiting": _("waiting for a person"),
        "with_you": _("you answer"),
        "with": _("answered by"),
        "tokens": _("tokens"),
        "cost": _("cost"),
        "error": _("error"),
        "seconds": {
            "waited": _("waited"),
            "first_token": _("first token"),
            "first_words": _("first words"),
            "in_all": _("in all"),
        },
        "unreachable": _("The server cannot be reached: nothing was done."),
    }

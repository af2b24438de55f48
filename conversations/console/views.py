"""The console's pages, and what operators do there: parse, call, render."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bots.clients import vendor_for
from conversations import announcing, attaching, closing, handoffs, operating, ownership, seats
from conversations.console import finding, lists, masking, notes, rights
from conversations.models import Conversation, Handoff, Message, Note, Seat, Tag, Turn
from conversations.seats import IsAway, NoRoom
from logins.forms import ConsoleLogin

PAGE_MESSAGES: Final = 50
LONGEST_INSTRUCTION: Final = 1000  # characters: it is part of every prompt
MOST_TAGS: Final = 20  # of one conversation
MOST_TRIED: Final = 20  # of those who wait: others may take them at the same moment
PUBLIC_ID: Final = re.compile(r"[A-Za-z0-9_-]{16}")
SIGN_IN: Final = "console:login"

type Page = Callable[..., HttpResponseBase]


class Login(LoginView):
    authentication_form = ConsoleLogin
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
    return render(request, "console/console.html", desk(request))


@require_GET
@for_those_who(rights.may_read)
def listed(request: HttpRequest) -> HttpResponse:
    """The list alone: its next page, or as it is now."""
    assert isinstance(request.user, User)
    return render(request, "console/list.html", inbox(request, rights.scope_of(request.user)))


@require_GET
@for_those_who(rights.may_read)
def found(request: HttpRequest) -> HttpResponse:
    """The next page of what a search has found in messages."""
    assert isinstance(request.user, User)
    before = finding.before_in(request.GET)
    hits = finding.hits(request.user, rights.scope_of(request.user), lists.asked(request.GET), before)
    return render(request, "console/found.html", {"found": hits})


@require_GET
@for_those_who(rights.may_read)
def conversation(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    # Before anything is read, or what changes meanwhile would be missed.
    cursor = announcing.cursor_of_page()
    until = last_around(found, request.GET.get("message", ""))
    name = masking.name_for(request.user)(found)
    state = {
        "cursor": cursor,
        **messages_before(request, found, until and until + 1),
        "until": until,
        "shown": request.GET.get("message", ""),
        "id": found.pk,
        "peer": name,
        "handoff": current_handoff(found),
        "instruction": masking.cover_for(request.user)(found.instruction),
        **announcing.standing_of(found),
        "user": request.user.pk,
        "name": str(request.user),
        "may_operate": rights.may_operate(request.user),
        "may_supervise": rights.may_supervise(request.user),
        "can_recall": vendor_for(found.robot.account).can_recall,
        "can_rewrite": vendor_for(found.robot.account).can_rewrite,
        "attach": attaching.state_of(found),
        "words": words(),
    }
    context = {**desk(request), "open": found, "name": name, "state": state, "operators": rights.operators()}
    return render(request, "console/console.html", context)


@require_GET
@for_those_who(rights.may_read)
def messages(request: HttpRequest, public_id: str) -> HttpResponse:
    """A page of earlier messages."""
    before = request.GET.get("before", "")
    if not (before.isascii() and before.isdecimal()):
        return refused(_("`before` is the number of a message."), status=400)
    return JsonResponse(messages_before(request, find(request, public_id), int(before)))


@require_POST
@for_those_who(rights.may_read)
def read(request: HttpRequest, public_id: str) -> HttpResponse:
    message_id = sent(request).get("message")
    if not isinstance(message_id, int):
        return refused(_("`message` is the number of a message."), status=400)
    assert isinstance(request.user, User)
    found = find(request, public_id)
    lists.mark_read(found, request.user, message_id)
    notes.mark_seen(found, request.user)
    return JsonResponse({})


@require_POST
@for_those_who(rights.may_operate)
def take_over(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    assert isinstance(request.user, User)
    try:
        is_taken = ownership.take_over(found, operator=request.user)
    except NoRoom as error:
        return refused(str(error))
    if not is_taken:
        holder = handoffs.current(found)
        if holder is None or holder.operator_id != request.user.pk:
            return refused(_("%(name)s has this conversation.") % {"name": holder.taken_by if holder else ""})
    return JsonResponse({"handoff": current_handoff(found)})


@require_POST
@for_those_who(rights.may_operate)
def hand_back(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    assert isinstance(request.user, User)
    if holder := other_holder(found, request.user):
        return refused(_("%(name)s has this conversation.") % {"name": holder})
    instruction = str(sent(request).get("instruction", "")).strip()
    if len(instruction) > LONGEST_INSTRUCTION:
        return refused(_("The robot takes %d characters at most.") % LONGEST_INSTRUCTION, status=400)
    ownership.hand_back(found, by=request.user.get_username(), instruction=instruction)
    return JsonResponse({"handoff": current_handoff(found)})


@require_POST
@for_those_who(rights.may_operate)
def assign(request: HttpRequest, public_id: str) -> HttpResponse:
    """Give the conversation to an operator: supervisors any, others what they have or what waits."""
    found = find(request, public_id)
    assert isinstance(request.user, User)
    handoff = handoffs.current(found)
    is_free_to_give = handoff and (not handoff.taken_at or is_theirs(handoff, request.user))
    if not (is_free_to_give or rights.may_supervise(request.user)):
        return refused(_("Only supervisors assign what you do not have."), status=403)
    operator = rights.operators().filter(username=sent(request).get("operator")).first()
    if operator is None or not rights.scope_of(operator).holds(found):
        return refused(_("This operator does not answer here."), status=400)
    try:
        ownership.assign(found, operator=operator, by=request.user.get_username())
    except (NoRoom, IsAway) as error:
        return refused(str(error))
    return JsonResponse({"handoff": current_handoff(found)})


@require_POST
@for_those_who(rights.may_operate)
def resolve(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    assert isinstance(request.user, User)
    if holder := other_holder(found, request.user):
        return refused(_("%(name)s has this conversation.") % {"name": holder})
    closing.resolve(found, operator=request.user, asks_rating=sent(request).get("asks_rating") is True)
    return JsonResponse({"handoff": None, **announcing.standing_of(found)})


@require_POST
@for_those_who(rights.may_operate)
def tag(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    closing.tag(found, str(sent(request).get("tags", "")).replace("，", ",").split(",")[:MOST_TAGS])
    return JsonResponse(announcing.standing_of(found))


@require_POST
@for_those_who(rights.may_operate)
def take_next(request: HttpRequest) -> HttpResponse:
    """Take over who has waited longest; where that is.  "": nobody waits."""
    assert isinstance(request.user, User)
    waiting = handoffs.waiting() & rights.scope_of(request.user).handoffs()
    try:
        for handoff in waiting.select_related("conversation")[:MOST_TRIED]:
            if ownership.take_over(handoff.conversation, operator=request.user):
                place = resolve_url("console:conversation", handoff.conversation.public_id)
                return JsonResponse({"place": f"{place}?view=mine"})
    except NoRoom as error:
        return refused(str(error))
    return JsonResponse({"place": ""})


@require_POST
@for_those_who(rights.may_operate)
def away(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    seats.set_away(request.user, sent(request).get("is_away") is True)
    return JsonResponse({})


@require_POST
@for_those_who(rights.may_operate)
def say(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    text = str(sent(request).get("text", "")).strip()
    if not text:
        return refused(_("There is nothing to send."), status=400)
    assert isinstance(request.user, User)
    try:
        message = operating.say(found, text, operator=request.user, public_id=drawn_id(sent(request)))
    except (operating.NotTakenOver, operating.TakenByAnother) as error:
        return refused(str(error))
    except operating.TooLong as error:
        return refused(str(error), status=400)
    return JsonResponse({"message": announcing.message_changed(message)})


def drawn_id(body: dict[str, Any]) -> str:
    """The id that the page has drawn for what it says; "" for none, or for one that we would not draw."""
    drawn = str(body.get("id", ""))
    return drawn if PUBLIC_ID.fullmatch(drawn) else ""


def inbox(request: HttpRequest, scope: rights.Scope) -> dict[str, Any]:
    """What the list shows."""
    assert isinstance(request.user, User)
    wanted = lists.asked(request.GET)
    return {
        "wanted": wanted,
        "views": lists.VIEWS.values(),
        "page": lists.page(request.user, scope, wanted),
        "found": finding.hits(request.user, scope, wanted) if wanted.query else None,
        "counts": lists.counts(request.user, scope),
        "may_operate": rights.may_operate(request.user),
        "may_supervise": rights.may_supervise(request.user),
        "seat": Seat.objects.filter(user=request.user).first(),
    }


def desk(request: HttpRequest) -> dict[str, Any]:
    """What a whole page shows: the list, and what it can be narrowed to."""
    assert isinstance(request.user, User)
    scope = rights.scope_of(request.user)
    robots = scope.all_robots().prefetch_related("account").order_by("account__slug", "nickname", "user_id")
    return {
        **inbox(request, scope),
        "robots": robots,
        "accounts": dict.fromkeys(robot.account for robot in robots),
        "tags": Tag.objects.all(),
    }


def find(request: HttpRequest, public_id: str) -> Conversation:
    """One of the conversations that the user sees."""
    assert isinstance(request.user, User)
    seen = rights.scope_of(request.user).conversations()
    return get_object_or_404(seen.select_related("robot__account"), public_id=public_id)


def sent(request: HttpRequest) -> dict[str, Any]:
    """The request's JSON object; empty where it is none."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def other_holder(found: Conversation, user: User) -> str:
    """Who else has it, and does not let go of it for this user; "": nobody."""
    handoff = handoffs.current(found)
    is_others = handoff and handoff.taken_at and not (is_theirs(handoff, user) or rights.may_supervise(user))
    return handoff.taken_by if handoff and is_others else ""


def is_theirs(handoff: Handoff, user: User) -> bool:
    return handoff.operator_id == user.pk


def current_handoff(found: Conversation) -> announcing.Event | None:
    handoff = handoffs.current(found)
    return announcing.handoff_changed(handoff) if handoff else None


def messages_before(request: HttpRequest, found: Conversation, before: int | None) -> dict[str, Any]:
    """Messages with their turns as events, and where the page before begins."""
    rows = found.messages.prefetch_related("turn__model").order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    newest: list[Message] = list(rows[: PAGE_MESSAGES + 1])
    shown, has_more = newest[:PAGE_MESSAGES], len(newest) > PAGE_MESSAGES
    turns = {message.turn_id: message.turn for message in shown if message.turn}
    events = [
        *(announcing.turn_changed(turn) for turn in turns.values()),
        *(announcing.message_changed(message) for message in shown),
        *(announcing.note_changed(note) for note in notes_since(found, shown[-1] if has_more else None)),
    ]
    assert isinstance(request.user, User)
    return {
        "events": masking.read(events, found, request.user),
        "earlier": shown[-1].pk if has_more else None,
    }


def notes_since(found: Conversation, first: Message | None) -> QuerySet[Note]:
    """All of them, or those written since a message."""
    return found.notes.filter(created_at__gte=first.created_at) if first else found.notes.all()


def last_around(found: Conversation, message_id: str) -> int | None:
    """The last of a page around this message; None where that is the newest page, or there is no such one."""
    message = found.messages.filter(public_id=message_id).first() if message_id else None
    if message is None:
        return None
    later = found.messages.filter(pk__gt=message.pk).order_by("pk").values_list("pk", flat=True)
    numbers = list(later[:PAGE_MESSAGES])
    return numbers[PAGE_MESSAGES // 2] if len(numbers) == PAGE_MESSAGES else None


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
        "resolved": _("resolved"),
        "rated": _("rated %(score)s of 5"),
        "told": _("the robot was told:"),
        "note": _("note"),
        "edited": _("edited"),
        "note_text": _("A note for your colleagues: @name mentions somebody"),
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

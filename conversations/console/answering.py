"""What operators have beside answering: whom they speak to and what a turn went through, suggestions, canned
replies, notes, and what was said, otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bots.errors import VendorError
from conversations import amending, announcing, attaching, canned, suggesting, transcript
from conversations.console import notes, panel, rights
from conversations.console.views import drawn_id, find, for_those_who, refused, sent
from conversations.errors import ConversationError, NoModelAnswered, OverLimit
from conversations.models import Message
from conversations.screening import Withheld
from conversations.uploads import Unacceptable


@require_GET
@for_those_who(rights.may_read)
def about_user(request: HttpRequest, public_id: str) -> HttpResponse:
    assert isinstance(request.user, User)
    shown = panel.panel_of(find(request, public_id), request.user)
    return render(request, "console/panel.html", {"panel": shown})


@require_GET
@for_those_who(rights.may_read)
def about_turn(request: HttpRequest, public_id: str, turn_id: int) -> HttpResponse:
    """What a turn went through, beside what everybody is shown of it."""
    turns = find(request, public_id).turns.select_related("tier")
    turns = turns.prefetch_related(Prefetch("calls", transcript.CALLS_IN_ORDER))
    return render(request, "console/turn.html", {"turn": get_object_or_404(turns, pk=turn_id)})


@require_GET
@for_those_who(rights.may_operate)
def canned_replies(request: HttpRequest, public_id: str) -> HttpResponse:
    replies = canned.replies_for(find(request, public_id), operator=request.user.get_username())
    return JsonResponse({"replies": replies})


@require_POST
@for_those_who(rights.may_operate)
def suggest(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    try:
        return JsonResponse({"text": suggesting.suggest(found)})
    except suggesting.NothingToAnswer as error:
        return refused(str(error))
    except Withheld:
        return refused(_("The robot's policy withholds what the model has written."))
    except OverLimit:
        return refused(_("The budget is used up."))
    except NoModelAnswered:
        return refused(_("No model has answered."), status=502)


@require_POST
@for_those_who(rights.may_operate)
def send_file(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    uploaded = request.FILES.get("file")
    if uploaded is None:
        return refused(_("There is nothing to send."), status=400)
    assert isinstance(request.user, User)
    try:
        message = attaching.send(
            found, uploaded, operator=request.user, public_id=drawn_id(request.POST.dict())
        )
    except Unacceptable as error:
        return refused(str(error), status=400)
    except ConversationError as error:
        return refused(str(error))
    return JsonResponse({"message": announcing.message_changed(message)})


@require_POST
@for_those_who(rights.may_operate)
def add_note(request: HttpRequest, public_id: str) -> HttpResponse:
    found = find(request, public_id)
    text = str(sent(request).get("text", "")).replace("\0", "").strip()
    if not text or len(text) > notes.LONGEST:
        return refused(_("A note has 1 to %d characters.") % notes.LONGEST, status=400)
    assert isinstance(request.user, User)
    note = notes.add(found, author=request.user, text=text)
    note.refresh_from_db()
    return JsonResponse({"note": announcing.note_changed(note)})


@require_POST
@for_those_who(rights.may_operate)
def recall(request: HttpRequest, public_id: str, message_id: int) -> HttpResponse:
    return changed(request, public_id, message_id, amending.recall)


@require_POST
@for_those_who(rights.may_operate)
def send_again(request: HttpRequest, public_id: str, message_id: int) -> HttpResponse:
    return changed(request, public_id, message_id, amending.send_again)


@require_POST
@for_those_who(rights.may_operate)
def edit(request: HttpRequest, public_id: str, message_id: int) -> HttpResponse:
    text = str(sent(request).get("text", "")).replace("\0", "").strip()
    if not text:
        return refused(_("There is nothing to send."), status=400)
    return changed(request, public_id, message_id, amending.edit, text)


def changed(
    request: HttpRequest, public_id: str, message_id: int, change: Callable[..., None], *values: Any
) -> HttpResponse:
    """Change a message, and tell what became of it or why not."""
    found = find(request, public_id)
    message = get_object_or_404(found.messages.select_related("turn"), pk=message_id)
    message.conversation = found
    try:
        change(message, *values, operator=request.user)
    except ConversationError as error:
        return refused(str(error))
    except VendorError as error:
        return refused(_("The IM cloud refuses: %(reason)s") % {"reason": error}, status=502)
    message = Message.objects.select_related("turn").get(pk=message.pk)
    return JsonResponse({"message": announcing.message_changed(message)})

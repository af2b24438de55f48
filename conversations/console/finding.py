"""What the console's search finds in messages: a page at a time, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Prefetch, QuerySet
from django.http import QueryDict

from bots.models import Robot
from conversations import searching
from conversations.console import lists, masking, rights
from conversations.console.lists import Asked
from conversations.console.rights import Scope, Visitor
from conversations.models import Conversation, Message
from conversations.searching import Piece

PAGE: Final = 20
ROBOTS: Final = Prefetch("conversation__robot", Robot.objects.select_related("account"))  # once for all hits


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    message: Message
    name: str  # of whom the conversation is with, as the user may see it
    excerpt: list[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    hits: list[Hit]
    next: int | None  # `before` of the next page; None: this is the last one
    since: datetime | None  # how far back was looked, where the rest is left to the next page


def hits(user: Visitor, scope: Scope, wanted: Asked, before: int | None = None) -> Hits:
    """The messages that have all that was asked for, of conversations that the list would show; with `before`
    those older than the one of that id."""
    searching.bring_up_to_date()
    within = where_to_look(user, scope, wanted)
    found = searching.found(wanted.query, within=within, before=before, most=PAGE)
    rows = Message.objects.select_related("conversation").prefetch_related(ROBOTS).in_bulk(found.ids)
    shown = [rows[pk] for pk in found.ids if pk in rows]
    masking.note_list(user, "search", [searching.text_of(each) for each in shown], wanted.query)
    return Hits(
        hits=hits_in(shown, user, wanted.query),
        next=found.before,
        since=said_at(found.before) if found.before and found.is_cut else None,
    )


def said_at(place: int) -> datetime | None:
    """When the first message from this id on was said."""
    later = Message.objects.filter(pk__gte=place).order_by("pk").values_list("happened_at", flat=True)
    return later.first()


def hits_in(messages: list[Message], user: Visitor, query: str) -> list[Hit]:
    cover, name = masking.cover_for(user), masking.name_for(user)
    texts = {message.pk: cover(searching.text_of(message).strip()) for message in messages}
    return [
        Hit(
            message=message,
            name=name(message.conversation),
            excerpt=searching.excerpt(texts[message.pk], query),
        )
        for message in messages
        # What is covered must not be found: who may not read a number could spell it out.
        if rights.may_read_personal(user) or searching.stands_in(texts[message.pk], query)
    ]


def where_to_look(user: Visitor, scope: Scope, wanted: Asked) -> QuerySet[Conversation] | None:
    """The conversations whose messages may be found; None: all there are."""
    conversations = lists.narrowed(user, scope, wanted)
    return conversations if conversations.query.where else None


def before_in(parameters: QueryDict | dict[str, Any]) -> int | None:
    """Where a page begins.  What is not understood counts as not asked for."""
    text = parameters.get("before", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

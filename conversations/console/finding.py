"""What the console's search finds in messages: a page at a time, newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.http import QueryDict

from conversations import searching
from conversations.console import lists, masking
from conversations.console.lists import Asked
from conversations.console.rights import Scope, Visitor
from conversations.models import Conversation, Message
from conversations.searching import Piece

PAGE: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    message: Message
    excerpt: list[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    hits: list[Hit]
    next: int | None  # `before` of the next page; None: this is the last one


def hits(user: Visitor, scope: Scope, wanted: Asked, before: int | None = None) -> Hits:
    """The messages that have all that was asked for, of conversations that the list would show; with `before`
    those older than the one of that id."""
    cover = masking.cover_for(user)
    searching.bring_up_to_date()
    within = where_to_look(user, scope, wanted)
    ids = searching.found(wanted.query, within=within, before=before, most=PAGE + 1)
    rows = Message.objects.select_related("conversation__robot__account").in_bulk(ids[:PAGE])
    shown = [rows[pk] for pk in ids[:PAGE] if pk in rows]
    return Hits(
        hits=[Hit(message=each, excerpt=excerpt_of(each, wanted.query, cover)) for each in shown],
        next=ids[PAGE - 1] if len(ids) > PAGE else None,
    )


def where_to_look(user: Visitor, scope: Scope, wanted: Asked) -> QuerySet[Conversation] | None:
    """The conversations whose messages may be found; None: all there are."""
    conversations = lists.narrowed(user, scope, wanted)
    return conversations if conversations.query.where else None


def excerpt_of(message: Message, query: str, cover: Callable[[str], str]) -> list[Piece]:
    return searching.excerpt(cover(searching.text_of(message).strip()), query)


def before_in(parameters: QueryDict | dict[str, Any]) -> int | None:
    """Where a page begins.  What is not understood counts as not asked for."""
    text = parameters.get("before", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None

"""The console's lists of conversations: which, in what order, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import (
    Count,
    DateTimeField,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.expressions import Combinable
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from bots.models import Robot
from conversations.console import masking, rights
from conversations.console.rights import Scope
from conversations.models import Conversation, Handoff, Mention, Message, ReadMark

PAGE: Final = 30
MOST_UNREAD: Final = 99
LONGEST_QUERY: Final = 100
FEW: Final = 1000  # conversations of users whose ids begin alike, that are still looked up one by one

# Up to so many are counted, however long it is that nobody has read.
UNREAD: Final = """
SELECT place.id, (SELECT count(*) FROM (
    SELECT FROM conversations_message
     WHERE conversation_id = place.id AND id > place.mark AND sender = 'user' ORDER BY id DESC LIMIT %s
) AS unread)
  FROM unnest(%s::bigint[], %s::bigint[]) AS place (id, mark)
"""

OPEN_HANDOFFS: Final = Prefetch("handoffs", Handoff.objects.filter(ended_at=None), to_attr="open_handoffs")
# Once for all rows: joined to each, personas would travel and accounts be decrypted as often.
ROBOTS: Final = Prefetch("robot", Robot.objects.select_related("account"))


@dataclass(frozen=True, slots=True)
class View:
    name: str
    label: Any
    choose: Callable[[QuerySet[Conversation], User], QuerySet[Conversation]]
    time: Combinable  # by which it is sorted
    is_oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a list was asked for."""

    view: View
    robot: int | None = None
    account: int | None = None
    tag: int | None = None
    query: str = ""  # the beginning of a user's id, a conversation's or a message's id, or words
    after: tuple[datetime, int] | None = None  # the last row of the page before


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    conversation: Conversation
    name: str  # with whom it is, as the user may see it
    handoff: Handoff | None
    last: Message | None
    unread: int

    # What `get_…_display` tells, for which Django translates all choices each time.
    @property
    def said_by(self) -> Any:
        return Message.Sender(self.last.sender).label if self.last else ""

    @property
    def need(self) -> Any:
        return Conversation.Need(self.conversation.need).label

    @property
    def cause(self) -> Any:
        return Handoff.Cause(self.handoff.cause).label if self.handoff else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    rows: list[Row]
    next: str  # "": this is the last one


def mine(conversations: QuerySet[Conversation], user: User) -> QuerySet[Conversation]:
    return conversations.filter(handoffs__ended_at=None, handoffs__operator=user)


def waiting(conversations: QuerySet[Conversation], user: User) -> QuerySet[Conversation]:
    return conversations.filter(handoffs__isnull=False, handoffs__ended_at=None, handoffs__taken_at=None)


def needy(conversations: QuerySet[Conversation], user: User) -> QuerySet[Conversation]:
    return conversations.filter(need__gt=Conversation.Need.NONE)


def mentioned(conversations: QuerySet[Conversation], user: User) -> QuerySet[Conversation]:
    unseen = Mention.objects.filter(user=user, seen_at=None).values("note__conversation")
    return conversations.filter(pk__in=unseen)


def still_open(conversations: QuerySet[Conversation], user: User) -> QuerySet[Conversation]:
    return conversations.filter(resolved_at=None)


def closed(conversations: QuerySet[Conversation], user: User) -> QuerySet[Conversation]:
    return conversations.filter(resolved_at__isnull=False)


# What is needed more comes first, as if it had begun years earlier.
URGENCY: Final = ExpressionWrapper(
    F("need_since") - F("need") * Value(timedelta(days=3650)), output_field=DateTimeField()
)

VIEWS: Final = {
    view.name: view
    for view in (
        # Who has waited longest comes first.
        View("waiting", _("Waiting"), waiting, time=F("handoffs__began_at"), is_oldest_first=True),
        View("mine", _("Mine"), mine, time=F("last_message_at")),
        View("needy", _("Attention"), needy, time=URGENCY, is_oldest_first=True),
        View("all", _("Open"), still_open, time=F("last_message_at")),
        View("closed", _("Closed"), closed, time=F("resolved_at")),
        View("mentioned", _("Mentions"), mentioned, time=F("last_message_at")),
    )
}


def asked(parameters: Any) -> Asked:
    """From an address's parameters.  What is not understood counts as not asked for."""
    return Asked(
        view=VIEWS.get(parameters.get("view", ""), VIEWS["all"]),
        robot=_read_number(parameters.get("robot", "")),
        account=_read_number(parameters.get("account", "")),
        tag=_read_number(parameters.get("tag", "")),
        query=parameters.get("q", "").strip()[:LONGEST_QUERY].replace("\0", ""),
        after=_read_place(parameters.get("after", "")),
    )


def page(user: User, scope: Scope, wanted: Asked) -> Page:
    """Some of the conversations, each with its last words and how much of it the user has not read."""
    found = list(chosen(user, scope, wanted)[: PAGE + 1])
    shown = found[:PAGE]
    last = _last_messages(shown)
    masking.note_list(user, "list of conversations", [message.text for message in last.values()])
    cover, name = masking.cover_for(user), masking.name_for(user)
    for message in last.values():
        message.text = cover(message.text)
    unread = _unread(shown, user)
    rows = [
        Row(
            conversation=conversation,
            name=name(conversation),
            handoff=next(iter(conversation.open_handoffs), None),  # type: ignore[attr-defined]  # OPEN_HANDOFFS
            last=last.get(conversation.pk),
            unread=unread.get(conversation.pk, 0),
        )
        for conversation in shown
    ]
    return Page(rows=rows, next=_place(shown[-1]) if len(found) > PAGE else "")


def counts(user: User, scope: Scope) -> dict[str, int]:
    """How many users wait for a person, how many conversations the user has, and how many others somebody
    should look at, and how many notes mention the user."""
    open_handoffs = scope.handoffs().filter(ended_at=None)
    found: dict[str, int] = open_handoffs.aggregate(
        waiting=Count("pk", filter=Q(taken_at=None)), mine=Count("pk", filter=Q(operator=user))
    )
    others = needy(scope.conversations(), user).exclude(need=Conversation.Need.PERSON)
    mentioned = Mention.objects.filter(user=user, seen_at=None).count()
    return found | {"needy": others.count(), "mentioned": mentioned}


def narrowed(user: Any, scope: Scope, wanted: Asked) -> QuerySet[Conversation]:
    """What the list's view and filters leave, whatever is looked for in it."""
    conversations = scope.conversations()
    if not (wanted.query and wanted.view.name == "all"):  # a search finds what is closed, too
        conversations = wanted.view.choose(conversations, user)
    if wanted.robot is not None:
        conversations = conversations.filter(robot=wanted.robot)
    if wanted.account is not None:
        conversations = conversations.filter(robot__account=wanted.account)
    if wanted.tag is not None:
        conversations = conversations.filter(tags=wanted.tag)
    return conversations


def chosen(user: User, scope: Scope, wanted: Asked) -> QuerySet[Conversation]:
    conversations = narrowed(user, scope, wanted)
    if wanted.query:
        conversations = conversations.filter(named(wanted.query, user))
    rows = conversations.annotate(at=wanted.view.time).prefetch_related(ROBOTS, OPEN_HANDOFFS, "tags")
    return _behind(wanted.after, rows, wanted.view.is_oldest_first)


def named(query: str, user: User) -> Q:
    """Conversations by an id: their own, one of their messages, or the user's, whose beginning will do."""
    # By its beginnings, somebody who is not shown an id could spell it out.
    how = "startswith" if rights.may_read_personal(user) else "exact"
    of_user = Q(**{f"peer_id__{how}": query})
    by_id = Conversation.objects.filter(public_id=query).values_list("pk", Value(False))
    by_message = Message.objects.filter(public_id=query).values_list("conversation", Value(False))
    by_user = Conversation.objects.filter(of_user).values_list("pk", Value(True))[: FEW + 1]
    found = list(by_id.union(by_message, by_user, all=True))
    if sum(is_users for _pk, is_users in found) > FEW:  # met soon wherever a list begins
        return Q(pk__in=[pk for pk, is_users in found if not is_users]) | of_user
    return Q(pk__in=[pk for pk, _is_users in found])  # looked up: all conversations need never be read


def _behind(
    place: tuple[datetime, int] | None, rows: QuerySet[Any], is_oldest_first: bool
) -> QuerySet[Conversation]:
    """In order, from this place on."""
    beyond, sign = ("gt", "") if is_oldest_first else ("lt", "-")
    if place:
        at, pk = place
        # The first condition is the one by which an index is entered.
        rows = rows.filter(**{f"at__{beyond}e": at})
        rows = rows.filter(Q(**{f"at__{beyond}": at}) | Q(at=at, **{f"pk__{beyond}": pk}))
    return rows.order_by(f"{sign}at", f"{sign}pk")


def _read_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _place(conversation: Any) -> str:
    return f"{conversation.at.isoformat()}~{conversation.pk}"


def _read_place(text: str) -> tuple[datetime, int] | None:
    time, _tilde, pk = text.replace(" ", "+").partition("~")
    try:
        at = parse_datetime(time)
        return (at, int(pk)) if at and at.tzinfo else None
    except ValueError:
        return None


def _last_messages(conversations: list[Conversation]) -> dict[int, Message]:
    newest = Message.objects.filter(conversation=OuterRef("pk")).order_by("-id").values("pk")[:1]
    pks = Conversation.objects.filter(pk__in=[each.pk for each in conversations]).values_list(
        Subquery(newest), flat=True
    )
    return {message.conversation_id: message for message in Message.objects.filter(pk__in=list(pks))}


def _unread(conversations: list[Any], user: User) -> dict[int, int]:
    """How many messages of users came behind what this operator has read, where people have the
    conversation or the operator has looked into it: nobody reads all that robots do."""
    marks = dict(
        ReadMark.objects.filter(user=user, conversation__in=conversations).values_list(
            "conversation", "message_id"
        )
    )
    watched = [each.pk for each in conversations if each.open_handoffs or each.pk in marks]
    if not watched:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(UNREAD, [MOST_UNREAD, watched, [marks.get(pk, 0) for pk in watched]])
        return dict(cursor.fetchall())


def mark_read(conversation: Conversation, user: User, message_id: int) -> None:
    """Note that the user has read up to this message."""
    mark, is_new = ReadMark.objects.get_or_create(
        user=user, conversation=conversation, defaults={"message_id": message_id}
    )
    if not is_new:
        ReadMark.objects.filter(pk=mark.pk, message_id__lt=message_id).update(message_id=message_id)

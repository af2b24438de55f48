"""Whom an operator speaks to: tier, spending, earlier conversations, ratings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import User
from django.db.models import Q, Sum
from django.utils import timezone

from bots.models import Tier
from conversations import users
from conversations.console import masking, rights
from conversations.models import Conversation, Handoff, Rating, Spend

MOST: Final = 10  # of conversations, of handoffs and of ratings


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    unit: str  # tokens, or a currency
    today: Decimal
    this_month: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    conversation: Conversation
    name: str  # with whom it is, as the reader may see it
    messages: int
    notes: int
    tier: Tier | None
    spending: list[Spent]
    others: list[Conversation]  # the user's with other robots, the latest first
    handoffs: list[Handoff]
    ratings: list[Rating]


def panel_of(conversation: Conversation, reader: User) -> Panel:
    """A query for each part."""
    scope, cover = rights.scope_of(reader), masking.cover_for(reader)
    others = scope.conversations().filter(
        robot__account=conversation.robot.account_id, kind=conversation.kind, peer_id=conversation.peer_id
    )
    others = others.exclude(pk=conversation.pk).select_related("robot").order_by("-last_message_at")
    ratings = list(conversation.ratings.order_by("-created_at")[:MOST])
    for rating in ratings:
        rating.comment = cover(rating.comment)
    return Panel(
        conversation=conversation,
        name=masking.name_for(reader)(conversation),
        messages=conversation.messages.count(),
        notes=conversation.notes.count(),
        tier=users.tier_of(conversation),
        spending=spending_of(conversation, today=timezone.localdate()),
        others=list(others[:MOST]),
        handoffs=list(conversation.handoffs.order_by("-began_at")[:MOST]),
        ratings=ratings,
    )


def spending_of(conversation: Conversation, *, today: date) -> list[Spent]:
    of_user = Spend.objects.filter(
        account=conversation.robot.account_id,
        scope=conversation.kind,
        name=conversation.peer_id,
        day__gte=today.replace(day=1),
    )
    sums = of_user.values("unit").annotate(
        this_month=Sum("spent"), today=Sum("spent", filter=Q(day=today), default=Decimal(0))
    )
    return [
        Spent(unit=row["unit"], today=row["today"], this_month=row["this_month"])
        for row in sums.order_by("unit")
    ]

"""Which models a turn asks: its facts are gathered, the robot's route decides."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Max
from django.utils import timezone

from bots import intents, routing
from bots.classifying import classify
from bots.models import Rule
from conversations.models import Message, Spend, Turn


def choose(turn: Turn) -> routing.Decision:
    """The models for this turn, and why those."""
    rules = routing.rules_of(turn.conversation.robot.route)
    return routing.decide(rules, facts_of(turn, rules))


def facts_of(turn: Turn, rules: list[Rule]) -> routing.Facts:
    questions = turn.messages.filter(sender=Message.Sender.USER).order_by("happened_at", "order", "id")
    asked = list(questions.values_list("kind", "text"))
    return routing.Facts(
        kinds=frozenset(kind for kind, _ in asked),
        verdict=classify("\n".join(text for _, text in asked), intents.known()),
        tier=turn.tier.slug if turn.tier else "",
        spent=spent_today(turn) if routing.asks_for(rules, "max_spent") else Decimal(0),
    )


def spent_today(turn: Turn) -> Decimal:
    """What the user's, or the group's, answers have cost today, in the currency in which it is most."""
    conversation = turn.conversation
    spending = Spend.objects.filter(
        account=conversation.robot.account_id,
        scope=conversation.kind,
        name=conversation.peer_id,
        day=timezone.localdate(),
    )
    most: Decimal | None = spending.exclude(unit=Spend.TOKENS).aggregate(most=Max("spent"))["most"]
    return most or Decimal(0)

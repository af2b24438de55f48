"""Templates follow what they are made of: other credentials of an account, another persona, another model.
Calls follow their conversation, when it passes to people or back.

By signals, because what is below this app must not know of it.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.db.models.signals import post_save

from agents import jobs
from agents.models import AgentTemplate
from agents.operating import live_call
from bots.models import LanguageModel, Robot, VendorAccount
from conversations.handoffs import changed_hands
from conversations.models import Conversation


def connect() -> None:
    for model in (VendorAccount, Robot, LanguageModel):
        post_save.connect(follow, sender=model, dispatch_uid=f"agents.follow_{model.__name__}")
    changed_hands.connect(follow_owner, dispatch_uid="agents.follow_owner")


def follow(sender: type[Any], instance: Any, created: bool, **options: Any) -> None:
    """Register again what is made of this; a job that finds nothing new does nothing."""
    if created or options.get("raw"):
        return
    if sender is LanguageModel:
        templates = AgentTemplate.objects.filter(
            Q(model=instance) | Q(robot__route__rules__choices__model=instance), llm=AgentTemplate.Mind.DIRECT
        )
    else:
        templates = AgentTemplate.objects.filter(**{"robot" if sender is Robot else "account": instance})
    jobs.defer_registrations(templates.able().distinct().values_list("pk", flat=True))


def follow_owner(sender: type[Any], conversation: Conversation, **options: Any) -> None:
    if call := live_call(conversation):
        jobs.defer_minding(call)

"""Templates follow what they are made of: other credentials of an account, another persona, another model.

By signals, because what is below this app must not know of it.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.db.models.signals import post_save

from agents.jobs import defer_registrations
from agents.models import AgentTemplate
from bots.models import LanguageModel, Robot, VendorAccount


def connect() -> None:
    for model in (VendorAccount, Robot, LanguageModel):
        post_save.connect(follow, sender=model, dispatch_uid=f"agents.follow_{model.__name__}")


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
    defer_registrations(templates.able().distinct().values_list("pk", flat=True))

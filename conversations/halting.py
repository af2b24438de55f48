"""Robots, accounts and models taken out of service, and put back.

Stopped, they begin nothing: what is being said is said to its end, unless it is to end at once.  Started,
robots answer what users wrote meanwhile, as far as their `max_age_s` goes.  Callbacks to a stopped account
are refused; what the cloud had to tell is looked for in its history when the account starts.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from bots.configuration.saving import save_account, save_robot
from bots.models import LanguageModel, Robot, VendorAccount
from conversations import outages, ownership, reconciling, tasks
from conversations.models import Conversation, Turn
from conversations.turns import unanswered_messages

log = structlog.get_logger(__name__)

type Halted = QuerySet[Robot] | QuerySet[VendorAccount] | QuerySet[LanguageModel]


def stop(chosen: Halted, *, by: str) -> int:
    """Let them begin nothing new; → how many were in service."""
    stopped = list(chosen.filter(enabled=True).values_list("pk", flat=True))
    chosen.model._default_manager.filter(pk__in=stopped).update(enabled=False)
    log.info("stopped", kind=chosen.model._meta.model_name, ids=stopped, by=by)
    return len(stopped)


def end_replies(chosen: QuerySet[Robot] | QuerySet[VendorAccount], *, by: str) -> int:
    """End at once what they are saying, as it stands; → how many replies."""
    ended = sum(
        ownership.interrupt(turn.conversation) for turn in running(chosen).select_related("conversation")
    )
    log.info("replies ended", kind=chosen.model._meta.model_name, count=ended, by=by)
    return ended


def running(chosen: Halted) -> QuerySet[Turn]:
    """The turns that they have under way."""
    path = {
        Robot: "conversation__robot",
        VendorAccount: "conversation__robot__account",
        LanguageModel: "model",
    }
    ids = list(chosen.values_list("pk", flat=True))
    return Turn.objects.filter(**{f"{path[chosen.model]}__in": ids}, state__in=Turn.RUNNING)


def start(chosen: Halted, *, by: str) -> int:
    """Put them back into service, with what they owe; → how many were stopped."""
    stopped = list(chosen.filter(enabled=False))
    for each in stopped:
        if isinstance(each, Robot):
            each.enabled = True
            save_robot(each)
            answer_what_waits([each])
        elif isinstance(each, VendorAccount):
            each.enabled = True
            save_account(each)
            answer_what_waits(each.robots.filter(enabled=True))
            look_for_missed(each)
        elif isinstance(each, LanguageModel):
            LanguageModel.objects.filter(pk=each.pk).update(enabled=True)
    log.info("started", kind=chosen.model._meta.model_name, ids=[each.pk for each in stopped], by=by)
    return len(stopped)


def answer_what_waits(robots: QuerySet[Robot] | list[Robot]) -> None:
    """Have answered what users wrote to these robots while nobody was to answer it."""
    for robot in robots:
        oldest = timezone.now() - timedelta(seconds=robot.max_age_s)
        left = unanswered_messages().filter(
            conversation__robot=robot, conversation__owner=Conversation.Owner.ROBOT, created_at__gte=oldest
        )
        with transaction.atomic():
            owing = set(left.values_list("conversation", flat=True))
            Turn.objects.bulk_create([Turn(conversation_id=pk) for pk in owing], ignore_conflicts=True)
            tasks.defer_answers(owing)


def look_for_missed(account: VendorAccount) -> None:
    active = Conversation.objects.filter(
        robot__account=account, last_message_at__gte=timezone.now() - reconciling.window()
    )
    outages.reconcile(active)

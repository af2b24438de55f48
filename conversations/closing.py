"""When a user's matter is settled: by an operator, or by itself where the robot's conversation goes quiet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from audit.models import Entry
from bots.models import Robot
from conversations import needs, ownership, ratings
from conversations.desks import desk_of
from conversations.models import Conversation, Handoff, Resolution, Tag

AT_ONCE: Final = 1000  # conversations that are resolved in one transaction
LONGEST_TAG: Final = 40
WITH_PEOPLE: Final = Exists(
    Handoff.objects.filter(
        conversation=OuterRef("pk"), taken_at__isnull=False, began_at__gte=OuterRef("opened_at")
    )
)


def resolve(conversation: Conversation, *, operator: User, asks_rating: bool = False) -> None:
    """The matter is settled: nobody has to answer any more, and the next message begins another one."""
    name = operator.get_username()
    with transaction.atomic():
        ownership.lock(conversation)
        conversation.refresh_from_db(fields=["resolved_at", "opened_at"])
        if conversation.resolved_at is None:
            _record([conversation.pk], timezone.now(), operator=operator)
        if conversation.owner == Conversation.Owner.OPERATOR:
            ownership.settle(conversation, by=name)
        needs.settle(conversation)
        ownership.note(Entry.Deed.RESOLVED, conversation, by=name)
        if asks_rating:
            ratings.ask(conversation)
    conversation.refresh_from_db(fields=["resolved_at"])


def tag(conversation: Conversation, names: Iterable[str]) -> None:
    """Let the conversation have these tags and no others; those that are new are made."""
    wanted = {name.strip()[:LONGEST_TAG] for name in names} - {""}
    with transaction.atomic():
        Tag.objects.bulk_create([Tag(name=name) for name in sorted(wanted)], ignore_conflicts=True)
        conversation.tags.set(Tag.objects.filter(name__in=wanted))


def resolve_quiet(now: datetime) -> int:
    """Resolve what robots have and nobody has written in for as long as their desks say; how many."""
    robots: defaultdict[int, list[int]] = defaultdict(list)
    for robot in Robot.objects.select_related("own_desk", "account__desk"):
        robots[desk_of(robot).resolve_after_h].append(robot.pk)
    return sum(_resolve_before(now - timedelta(hours=hours), pks, now) for hours, pks in robots.items())


def _resolve_before(moment: datetime, robots: list[int], now: datetime) -> int:
    quiet = Conversation.objects.filter(
        owner=Conversation.Owner.ROBOT, resolved_at=None, last_message_at__lt=moment, robot__in=robots
    )
    count = 0
    while True:
        with transaction.atomic():
            # Who is being written in is passed over: it is not quiet.
            locked = quiet.select_for_update(skip_locked=True, no_key=True)
            pks = list(locked.values_list("pk", flat=True)[:AT_ONCE])
            _record(pks, now)
        count += len(pks)
        if len(pks) < AT_ONCE:
            return count


def _record(pks: list[int], now: datetime, *, operator: User | None = None) -> None:
    """Mark the conversations, whose rows are locked, as resolved."""
    conversations = Conversation.objects.filter(pk__in=pks)
    Resolution.objects.bulk_create(
        Resolution(
            conversation=conversation,
            operator=operator,
            resolved_by=operator.get_username() if operator else "",
            is_by_robot=operator is None and not conversation.was_with_people,
            opened_at=conversation.opened_at,
            resolved_at=now,
        )
        for conversation in conversations.annotate(was_with_people=WITH_PEOPLE)
    )
    conversations.update(resolved_at=now)

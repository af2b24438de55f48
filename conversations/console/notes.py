"""Operators' private notes on a conversation.  Users never see them, and models neither."""

from __future__ import annotations

import re
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from conversations.console import rights
from conversations.models import Conversation, Mention, Note

LONGEST: Final = 4000  # characters
MENTION: Final = re.compile(r"(?<!\w)@([\w.+-]+)")  # a full stop at its end belongs to the sentence


def add(conversation: Conversation, *, author: User, text: str) -> Note:
    with transaction.atomic():
        note = Note.objects.create(
            conversation=conversation, author=author, written_by=author.get_username(), text=text
        )
        Mention.objects.bulk_create(Mention(note=note, user=user) for user in named_in(text, conversation))
    return note


def named_in(text: str, conversation: Conversation) -> list[User]:
    """Who is mentioned, and may read the conversation."""
    names = {name for found in MENTION.findall(text) for name in (found, found.rstrip(".-+"))}
    ids = User.objects.filter(username__in=names).values_list("pk", flat=True)
    return [user for user in rights.readers(list(ids)) if rights.scope_of(user).holds(conversation)]


def mark_seen(conversation: Conversation, user: User) -> None:
    unseen = Mention.objects.filter(user=user, note__conversation=conversation, seen_at=None)
    unseen.update(seen_at=timezone.now())

"""Why a person should look at a conversation: kept with it, so that a list of those is read by an index."""

from __future__ import annotations

from django.utils import timezone

from conversations.models import Conversation


def note(conversation: Conversation, need: Conversation.Need) -> None:
    """Note it unless something more urgent is noted already."""
    less = Conversation.objects.filter(pk=conversation.pk, need__lt=need)
    less.update(need=need, need_since=timezone.now())


def settle(conversation: Conversation, most: Conversation.Need = Conversation.Need.PERSON) -> None:
    """Nobody has to look at it any more, unless it is for something more urgent than this."""
    needy = Conversation.objects.filter(pk=conversation.pk, need__gt=Conversation.Need.NONE, need__lte=most)
    needy.update(need=Conversation.Need.NONE, need_since=None)

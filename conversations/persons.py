"""One person's data: to be handed out, or to be erased.  A person is a user id at an account.

What lies at the vendor is the vendor's, and the app's to have erased there.
"""

from __future__ import annotations

import json
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Q

from bots.models import VendorAccount
from conversations import attachments
from conversations.attachments import Attachment
from conversations.models import (
    Callback,
    Conversation,
    EndUser,
    Fold,
    Message,
    MessageWords,
    Rating,
    Session,
    Spend,
    Turn,
)

ERASED: Final = "erased"  # who wrote what a person wrote in groups
BATCH: Final = 1000

type JSONDict = dict[str, Any]


def chats_of(account: VendorAccount, user_id: str) -> models.QuerySet[Conversation]:
    return Conversation.objects.filter(
        robot__account=account, kind=Conversation.Kind.PEER, peer_id=user_id
    ).order_by("id")


def said_in_groups(account: VendorAccount, user_id: str) -> models.QuerySet[Message]:
    return Message.objects.filter(
        conversation__robot__account=account,
        conversation__kind=Conversation.Kind.GROUP,
        sender=Message.Sender.USER,
        sender_id=user_id,
    ).order_by("id")


def callbacks_about(account: VendorAccount, user_id: str) -> models.QuerySet[Callback]:
    """Those that have the id as a JSON text, in either way of writing it.  Reads all of the account's."""
    written = {json.dumps(user_id), json.dumps(user_id, ensure_ascii=False)}
    names_person = reduce(or_, (Q(body__contains=text) for text in written))
    return Callback.objects.filter(names_person, account=account).order_by("id")


def spending_of(account: VendorAccount, user_id: str) -> models.QuerySet[Spend]:
    return Spend.objects.filter(account=account, scope=Spend.Scope.USER, name=user_id).order_by("day", "unit")


def export(account: VendorAccount, user_id: str) -> JSONDict:
    """All that is stored of a person, as JSON."""
    chats = chats_of(account, user_id)
    tier = EndUser.objects.filter(account=account, user_id=user_id).values_list("tier__slug", flat=True)
    return {
        "account": account.slug,
        "user_id": user_id,
        "tier": tier.first(),
        "conversations": [conversation_as_json(chat) for chat in chats.select_related("robot")],
        "said_in_groups": [
            {"group": message.conversation.peer_id, **message_as_json(message)}
            for message in said_in_groups(account, user_id).select_related("conversation")
        ],
        "sessions": list(
            Session.objects.filter(conversation__in=chats).values(
                "public_id", "kind", "state", "metadata", "created_at", "ended_at"
            )
        ),
        "ratings": list(
            Rating.objects.filter(conversation__in=chats).values("score", "comment", "created_at")
        ),
        "spending": list(spending_of(account, user_id).values("day", "unit", "spent")),
        "callbacks": list(callbacks_about(account, user_id).values("event", "received_at", "query", "body")),
    }


def conversation_as_json(conversation: Conversation) -> JSONDict:
    return {
        "id": conversation.public_id,
        "robot": conversation.robot.user_id,
        "created_at": conversation.created_at,
        "messages": [message_as_json(message) for message in conversation.messages.order_by("id")],
        "notes": list(conversation.notes.order_by("id").values("written_by", "text", "created_at")),
        "turns": list(
            conversation.turns.order_by("id").values(
                "state", "queued_at", "ended_at", "input_tokens", "output_tokens", "cost", "currency"
            )
        ),
        "handoffs": list(
            conversation.handoffs.order_by("id").values("cause", "began_at", "taken_at", "ended_at")
        ),
        "summaries": list(
            conversation.folds.exclude(summary="").order_by("id").values("summary", "created_at")
        ),
    }


def message_as_json(message: Message) -> JSONDict:
    return {
        "id": message.public_id,
        "sender": message.sender,
        "kind": message.kind,
        "text": message.text,
        "content": message.extra,
        "happened_at": message.happened_at,
    }


def erase(account: VendorAccount, user_id: str) -> dict[str, int]:
    """Delete a person's chats and all that belongs to them; → how many of each kind went.

    What was said in groups stays as a row without words or name, so that it is not taken for a message that
    was missed, when the vendor's history is read.
    """
    counts = dict.fromkeys(
        ("conversations", "messages", "said_in_groups", "callbacks", "spending", "tier"), 0
    )
    # Callbacks first: while they are there, one that could not be read may be read again.
    counts["callbacks"] = erase_callbacks(account, user_id)
    for chat in chats_of(account, user_id):
        counts["messages"] += erase_chat(chat)
        counts["conversations"] += 1
    with transaction.atomic():
        in_groups = said_in_groups(account, user_id)
        groups = set(in_groups.values_list("conversation", flat=True))
        Fold.objects.filter(conversation__in=groups).delete()  # they may tell what the person said
        MessageWords.objects.filter(message__in=in_groups).delete()
        counts["said_in_groups"] = in_groups.order_by().update(text="", extra={}, sender_id=ERASED)
        counts["spending"], _ = spending_of(account, user_id).delete()
        counts["tier"], _ = EndUser.objects.filter(account=account, user_id=user_id).delete()
    return counts


def erase_callbacks(account: VendorAccount, user_id: str) -> int:
    ids = list(callbacks_about(account, user_id).values_list("pk", flat=True))
    for begin in range(0, len(ids), BATCH):
        Callback.objects.filter(pk__in=ids[begin : begin + BATCH]).delete()
    return len(ids)


def erase_chat(chat: Conversation) -> int:
    """→ how many messages it had.  A worker that is answering in it finds its turn gone, and stops."""
    with transaction.atomic():
        # No worker takes a turn meanwhile.
        Conversation.objects.select_for_update(of=("self",)).get(pk=chat.pk)
        sent = list(Attachment.objects.filter(message__conversation=chat))
        _, went = Message.objects.filter(conversation=chat).delete()
        Turn.objects.filter(conversation=chat).delete()
        chat.delete()
    attachments.remove(sent)  # what is left by who dies here is swept
    return went.get(Message._meta.label, 0)  # not their words, which go with them

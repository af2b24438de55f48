"""What is said in a robot's place that neither a model nor an operator has written, and how all that leaves
which no turn says."""

from __future__ import annotations

from typing import Final

from django.utils import timezone
from procrastinate.contrib.django import app

from bots.keys import new_key
from conversations.models import Conversation, Message
from conversations.storing import LOCK_PREFIX

DELIVERY: Final = "conversations.deliver"  # the task


def tell(conversation: Conversation, text: str) -> None:
    """Have the user told this, if it says anything.  For use inside a transaction."""
    if not text:
        return
    message = Message.objects.create(
        conversation=conversation,
        sender=Message.Sender.SYSTEM,
        sender_id=conversation.robot.user_id,
        text=text,
        state=Message.State.SENDING,
        key=new_key(),
        happened_at=timezone.now(),
    )
    defer_delivery(message)


def defer_delivery(message: Message) -> None:
    """Queue the sending of a message, in the transaction that is under way.

    By the lock of the conversation's turns, so that it comes after what the robot has begun to say.
    """
    lock = f"{LOCK_PREFIX}{message.conversation_id}"
    app.configure_task(DELIVERY, lock=lock).defer(message_id=message.pk)

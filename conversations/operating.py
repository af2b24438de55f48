"""What operators say as the robot: stored at once, sent by a job (`relaying`)."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from bots.clients import vendor_for
from bots.keys import new_key
from conversations import tasks
from conversations.errors import ConversationError
from conversations.models import Conversation, Message


class NotTakenOver(ConversationError):
    """The conversation is the robot's."""


class TooLong(ConversationError):
    """The vendor cannot carry it in one message."""


def say(conversation: Conversation, text: str, *, operator_id: str) -> Message:
    """Answer as the robot.  Raises NotTakenOver, TooLong."""
    if not vendor_for(conversation.robot.account).fits(text, is_stream=False):
        raise TooLong(_("The text is too long for one message at this vendor."))
    now = timezone.now()
    with transaction.atomic():
        taken_over = Conversation.objects.select_for_update(no_key=True).filter(
            pk=conversation.pk, owner=Conversation.Owner.OPERATOR
        )
        if not taken_over.update(last_message_at=now):
            raise NotTakenOver(_("The conversation is the robot's: take it over first."))
        message = Message.objects.create(
            conversation=conversation,
            sender=Message.Sender.OPERATOR,
            sender_id=operator_id,
            text=text,
            state=Message.State.SENDING,
            key=new_key(),
            happened_at=now,
        )
        tasks.defer_delivery(message)
    return message

"""What operators say as the robot: stored at once, sent by a job (`relaying`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from bots.clients import vendor_for
from bots.events import Attachment, Text
from bots.keys import new_key
from conversations import handoffs, ownership, telling
from conversations.errors import ConversationError
from conversations.models import Conversation, Handoff, Message, new_public_id
from conversations.storing import extra_of


class NotTakenOver(ConversationError):
    """The conversation is the robot's, or waits for somebody to take it."""


class TakenByAnother(ConversationError):
    """Another operator has the conversation, or an outside desk."""


class TooLong(ConversationError):
    """The vendor cannot carry it in one message."""


# For apps above this one: what an operator says may go another way than by chat.  Each is asked, within the
# transaction, with the conversation, the text, the name of who says it and the message's id, and answers with
# the message if it has taken that on.  May raise TooLong.
type Carrier = Callable[[Conversation, str, str, str], Message | None]
carriers: Final[list[Carrier]] = []


def say(
    conversation: Conversation, text: str, *, operator: User | None = None, by: str = "", public_id: str = ""
) -> Message:
    """Answer as the robot: an operator, or an outside desk by this name.  Whoever has drawn a `public_id` may
    say the same again, if the answer was lost.

    Raises NotTakenOver, TakenByAnother, TooLong.
    """
    if not vendor_for(conversation.robot.account).fits(text, is_stream=False):
        raise TooLong(_("The text is too long for one message at this vendor."))
    return utter(conversation, Text(text=text), operator=operator, by=by, public_id=public_id)


def utter(
    conversation: Conversation,
    content: Text | Attachment,
    *,
    operator: User | None = None,
    by: str = "",
    public_id: str = "",
) -> Message:
    """Say it for whoever has the conversation, as `say` does.

    Raises NotTakenOver, TakenByAnother, TooLong.
    """
    name = operator.get_username() if operator else by
    with transaction.atomic():
        ownership.lock(conversation)
        if public_id and (known := conversation.messages.filter(public_id=public_id).first()):
            return known
        handoff = check_holder(conversation, operator=operator, name=name)
        if handoff.answered_at is None:
            Handoff.objects.filter(pk=handoff.pk).update(answered_at=timezone.now())
        conversation.last_message_at = timezone.now()
        conversation.save(update_fields=["last_message_at"])
        public_id = public_id or new_public_id()
        for carry in carriers if isinstance(content, Text) else ():
            if carried := carry(conversation, content.text, name, public_id):
                return carried
        message = Message.objects.create(
            public_id=public_id,
            conversation=conversation,
            sender=Message.Sender.OPERATOR,
            sender_id=name[:64],
            kind=content.kind,
            text=content.text,
            extra=extra_of(content),
            state=Message.State.SENDING,
            key=new_key(),
            happened_at=conversation.last_message_at,
        )
        telling.defer_delivery(message)
    return message


def check_holder(conversation: Conversation, *, operator: User | None, name: str) -> Handoff:
    """Let nobody speak but who has the conversation; → its handoff.  A desk that answers who waits has taken
    the conversation by that.  For whoever holds its row locked.  Raises NotTakenOver, TakenByAnother."""
    handoff = handoffs.current(conversation)
    if handoff is None:
        raise NotTakenOver(_("The conversation is the robot's: take it over first."))
    if handoff.taken_at is None:
        if operator:
            raise NotTakenOver(_("Take the conversation over first."))
        handoffs.take(handoff, operator=None, name=name)
    elif handoff.operator_id != (operator.pk if operator else None):
        raise TakenByAnother(_("%(name)s has this conversation.") % {"name": handoff.taken_by})
    return handoff

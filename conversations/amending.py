"""What was said, said otherwise: operators recall, edit and send again.

The vendor is called at once, so that the operator hears whether it has done it.  A call that is repeated
changes nothing: whoever dies behind the vendor's answer leaves a message that can be recalled once more.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext as _

from bots import pace
from bots.clients import vendor_for
from bots.database import release_connection
from bots.models import VendorAccount
from bots.vendors.base import Vendor
from conversations import operating, ownership, relaying, telling
from conversations.delivering import pause
from conversations.errors import ConversationError
from conversations.models import Conversation, Message


class CannotChange(ConversationError):
    """The message is not one that can be changed so."""


def recall(message: Message, *, operator: User) -> None:
    """Take back what users were shown.  Raises CannotChange, NotTakenOver, TakenByAnother, VendorError."""
    check_holder(message.conversation, operator)
    vendor = vendor_for(message.conversation.robot.account)
    if not (vendor.can_recall and may_recall(message)):
        raise CannotChange(_("This message cannot be recalled."))
    prepare(message)
    vendor.recall(relaying.outgoing_of(message))
    relaying.change(message, state=Message.State.RECALLED)


def edit(message: Message, text: str, *, operator: User) -> None:
    """Let an operator's message say something else.  Raises as `recall` does, and TooLong."""
    check_holder(message.conversation, operator)
    vendor = vendor_for(message.conversation.robot.account)
    if not (vendor.can_rewrite and may_edit(message)):
        raise CannotChange(_("This message cannot be edited."))
    if not vendor.fits(text, is_stream=False):
        raise operating.TooLong(_("The text is too long for one message at this vendor."))
    edit_at_vendor(vendor, message, text)
    extra = {**message.extra, "is_edited": True}
    relaying.change(message, text=text, accepted=len(text), extra=extra)


def edit_at_vendor(vendor: Vendor, message: Message, text: str) -> None:
    prepare(message)
    message.text = text
    vendor.edit(relaying.outgoing_of(message))


def send_again(message: Message, *, operator: User) -> None:
    """Queue a message that failed.  It keeps its key, so that one which has arrived after all does not come
    twice.  Raises CannotChange, NotTakenOver, TakenByAnother."""
    with transaction.atomic():
        check_holder(message.conversation, operator)
        failed = Message.objects.filter(
            pk=message.pk, sender=Message.Sender.OPERATOR, state=Message.State.FAILED
        )
        if not failed.update(state=Message.State.SENDING, error=""):
            raise CannotChange(_("This message has not failed."))
        telling.defer_delivery(message)


def may_recall(message: Message) -> bool:
    return message.sender != Message.Sender.USER and message.state == Message.State.DELIVERED


def may_edit(message: Message) -> bool:
    is_text = message.sender == Message.Sender.OPERATOR and message.kind == Message.Kind.TEXT
    return is_text and message.state == Message.State.DELIVERED


def check_holder(conversation: Conversation, operator: User) -> None:
    with transaction.atomic():
        ownership.lock(conversation)
        operating.check_holder(conversation, operator=operator, name=operator.get_username())


def prepare(message: Message) -> None:
    """Wait for the account's slot, with no database connection held."""
    pause(pace.reserve_slot(message.conversation.robot.account, VendorAccount.Call.EDIT))
    release_connection()

"""Operators' messages on their way to the vendor."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from bots import pace
from bots.clients import vendor_for
from bots.database import release_connection
from bots.errors import Unsupported, VendorError
from bots.events import Attachment, File, Image, OutgoingMessage, Receipt
from bots.models import VendorAccount
from bots.vendors.base import Vendor
from conversations.delivering import address_of, pause
from conversations.models import Message

DELIVERY_AGE: Final = timedelta(hours=1)  # what could not be delivered by then is given up


def deliver(message_id: int) -> None:
    """Send what an operator said, once.  Raises VendorError where it is worth another attempt."""
    message = Message.objects.select_related("conversation__robot__account").get(pk=message_id)
    if message.state != Message.State.SENDING:
        return
    try:
        receipt = send(message)
    except VendorError as error:
        if not error.permanent and timezone.now() - message.created_at < DELIVERY_AGE:
            raise
        change(message, state=Message.State.FAILED, error=str(error))
    else:
        change(
            message,
            state=Message.State.DELIVERED,
            vendor_message_id=receipt.vendor_message_id,
            happened_at=receipt.sent_at,
            accepted=len(message.text),
        )


def send(message: Message) -> Receipt:
    account = message.conversation.robot.account
    vendor = vendor_for(account)
    outgoing = outgoing_of(message)
    pause(pace.reserve_slot(account, VendorAccount.Call.SEND))
    earlier = receipt_of_earlier_send(vendor, message, outgoing) if message.frame else None
    change(message, frame=1)  # stored first: whoever comes after a crash must know that it may have left
    release_connection()
    return earlier or vendor.send(outgoing)


def outgoing_of(message: Message) -> OutgoingMessage:
    """The message as it should stand at the vendor."""
    conversation = message.conversation
    return OutgoingMessage(
        robot_id=conversation.robot.user_id,
        conversation=address_of(conversation),
        text=message.text,
        key=message.key or 0,
        is_stream=message.is_stream,
        is_error=message.is_error,
        vendor_message_id=message.vendor_message_id,
        attachment=attachment_of(message),
    )


def attachment_of(message: Message) -> Attachment | None:
    """The picture or file that it is; None for words."""
    told = message.extra
    url, name, size = told.get("url", ""), told.get("name", ""), told.get("size")
    if message.kind == Message.Kind.IMAGE:
        return Image(url=url, name=name, size=size, width=told.get("width"), height=told.get("height"))
    return File(url=url, name=name, size=size) if message.kind == Message.Kind.FILE else None


def receipt_of_earlier_send(vendor: Vendor, message: Message, outgoing: OutgoingMessage) -> Receipt | None:
    """The vendor's word on an attempt that may have left, where a plain repeat is not harmless."""
    if (timezone.now() - message.created_at).total_seconds() < vendor.repeat_window_s:
        return None
    try:
        return vendor.find_sent(outgoing)
    except Unsupported:
        return None


def change(message: Message, **changes: object) -> None:
    Message.objects.filter(pk=message.pk).update(**changes)

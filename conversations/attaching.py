"""Operators' pictures and files on their way to the user: checked, kept, said."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _

from bots.clients import vendor_for
from bots.events import File, Image
from conversations import attachments, operating, ownership, uploads
from conversations.attachments import Attachment
from conversations.errors import ConversationError
from conversations.models import Conversation, Message

log = structlog.get_logger(__name__)


class CannotSend(ConversationError):
    """The vendor takes no such file from us, or could not fetch it."""


def send(
    conversation: Conversation, uploaded: UploadedFile[Any], *, operator: User, public_id: str = ""
) -> Message:
    """Send it as the robot.  Whoever has drawn a `public_id` may send the same again, if the answer was lost.

    Raises NotTakenOver, TakenByAnother, Unacceptable, CannotSend.
    """
    with transaction.atomic():  # before anything is kept
        ownership.lock(conversation)
        if public_id and (known := conversation.messages.filter(public_id=public_id).first()):
            return known
        operating.check_holder(conversation, operator=operator, name=operator.get_username())
    if reason := reason_against(conversation):
        raise CannotSend(reason)
    upload = uploads.check(uploaded)
    if not upload.media_type and File not in vendor_for(conversation.robot.account).attachments:
        raise CannotSend(only_pictures(conversation))
    try:
        attachment = attachments.keep(upload)
    except OSError as error:
        log.exception("an operator's file cannot be kept: ATTACHMENTS_DIR is full or closed to us")
        raise CannotSend(_("The server could not keep the file. Tell an admin.")) from error
    return say(conversation, attachment, operator=operator, public_id=public_id)


@transaction.atomic
def say(conversation: Conversation, attachment: Attachment, *, operator: User, public_id: str) -> Message:
    message = operating.utter(conversation, attachment.content, operator=operator, public_id=public_id)
    # The same may have come twice at once: then one of the two is left to be swept.
    if not Attachment.objects.filter(message=message).exists():
        Attachment.objects.filter(pk=attachment.pk).update(message=message)
    return message


def state_of(conversation: Conversation) -> dict[str, Any]:
    """What the console has to know before an operator chooses a file."""
    takes_files = File in vendor_for(conversation.robot.account).attachments
    endings = [f".{each}" for each in settings.ATTACHMENT_TYPES]
    pictures = [each for each in endings if each in uploads.ENDINGS_OF_PICTURES]
    return {
        "reason": reason_against(conversation),
        "note": "" if takes_files else only_pictures(conversation),
        "accept": ",".join(endings if takes_files else pictures),
        "max_bytes": settings.ATTACHMENT_MAX_MB * 1024 * 1024,
        "too_large": _("The file is over %d MB.") % settings.ATTACHMENT_MAX_MB,
    }


def reason_against(conversation: Conversation) -> str:
    """Why nothing but texts can be sent; "" where it can."""
    vendor = vendor_for(conversation.robot.account)
    if Image not in vendor.attachments:
        return _("%(vendor)s takes texts only from Parley.") % {"vendor": vendor.label}
    if not settings.OWN_URL:
        return _("PUBLIC_URL is not set, so users could not fetch files from here.")
    return ""


def only_pictures(conversation: Conversation) -> str:
    vendor = vendor_for(conversation.robot.account)
    return _("%(vendor)s takes pictures from Parley, but no other files.") % {"vendor": vendor.label}

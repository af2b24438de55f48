"""What operators send besides words: a row of each, and its content in a storage that all machines share.

The row is there before the content and goes after it: whoever dies in between leaves a row without a
message, and `sweep` takes both away.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import IO, ClassVar, Final

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages
from django.db import models
from django.urls import reverse
from django.utils import timezone

from bots.events import Attachment as Content
from bots.events import File as FileContent
from bots.events import Image
from conversations.uploads import Upload

STORAGE: Final = "attachments"  # in `settings.STORAGES`
RECALLED: Final = "recalled"  # the state of a message, whose module imports this one
UNSENT_FOR: Final = timedelta(hours=1)  # far longer than it takes to become a message


def new_token() -> str:
    return secrets.token_urlsafe(32)


class Attachment(models.Model):
    """A file of an operator's.  Whoever knows its token may fetch it as long as the message is there."""

    token = models.CharField(max_length=43, unique=True, default=new_token)
    message = models.OneToOneField(
        "conversations.Message", models.SET_NULL, null=True, related_name="attachment"
    )
    name = models.CharField(max_length=120)  # for who saves it; no part of any path
    media_type = models.CharField(max_length=20, blank=True)  # of a picture; "": any other file
    size = models.PositiveIntegerField()  # bytes
    width = models.PositiveIntegerField(null=True)  # pixels
    height = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            # What belongs to nothing.
            models.Index(
                fields=["created_at"], condition=models.Q(message=None), name="attachment_without_message"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        """Where the storage has it."""
        return str(PurePath(self.token[:2], self.token))

    @property
    def content(self) -> Content:
        """It in neutral words, as messages have it."""
        url = f"{settings.OWN_URL}{reverse('file', args=[self.token])}"
        if self.media_type:
            return Image(url=url, width=self.width, height=self.height, name=self.name, size=self.size)
        return FileContent(url=url, name=self.name, size=self.size)

    def open(self) -> IO[bytes]:
        return storages[STORAGE].open(self.path)


def keep(upload: Upload) -> Attachment:
    """Keep what has been checked."""
    attachment = Attachment.objects.create(
        name=upload.name,
        media_type=upload.media_type,
        size=upload.size,
        width=upload.width,
        height=upload.height,
    )
    storages[STORAGE].save(attachment.path, File(upload.content))
    return attachment


def find(token: str) -> Attachment | None:
    """What was sent under this token and is still there."""
    sent = Attachment.objects.filter(token=token, message__isnull=False)
    return sent.exclude(message__state=RECALLED).first()


def remove(attachments: Iterable[Attachment]) -> int:
    """Delete content and row; → how many."""
    count = 0
    for attachment in attachments:
        storages[STORAGE].delete(attachment.path)
        attachment.delete()
        count += 1
    return count


def sweep(now: datetime) -> int:
    """Remove what was never sent, and what belonged to messages that are deleted; → how many."""
    return remove(Attachment.objects.filter(message=None, created_at__lt=now - UNSENT_FOR).iterator())

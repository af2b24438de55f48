"""What vendors tell us, and how far we have looked for what they did not."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bots.models import VendorAccount
from conversations.models.conversations import Conversation


class Callback(models.Model):
    """A vendor's request to us, as it came.  It is stored before it is understood."""

    class State(models.TextChoices):
        READ = "read", _("read")
        IGNORED = "ignored", _("nothing to do")
        UNREAD = "unread", _("could not be read")

    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="callbacks", verbose_name=_("account"),
        db_index=False,  # "a_delivery_is_stored_once" begins with it
    )  # fmt: skip
    delivery_id = models.CharField(_("delivery id"), max_length=200)
    event = models.CharField(_("event"), max_length=100)
    received_at = models.DateTimeField(_("received"))
    query = models.JSONField(_("query"), default=dict)
    headers = models.JSONField(_("headers"), default=dict)
    body = models.TextField(_("body"))
    state = models.CharField(_("state"), max_length=8, choices=State)
    error = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("callback")
        verbose_name_plural = _("callbacks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "delivery_id"], name="a_delivery_is_stored_once")
        ]
        indexes: ClassVar = [
            # The admin's "what could not be read".
            models.Index(fields=["-id"], condition=Q(state="unread"), name="callback_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.delivery_id}"


class Reconciliation(models.Model):
    """A conversation that is to be read anew at its vendor, as messages may have been missed."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="reconciliations")
    # The conversation's.
    account = models.ForeignKey(VendorAccount, models.CASCADE, related_name="reconciliations", db_index=False)
    since = models.DateTimeField()  # by the vendor's clock: when the first may have been said
    requested_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)  # put off when the vendor does not answer

    class Meta:
        indexes: ClassVar = [
            # The next one of an account.
            models.Index(fields=["account", "due_at", "id"], name="reconciliation_next"),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} since {self.since}"


class Heartbeat(models.Model):
    """The one row that says when somebody was last there to take callbacks."""

    seen_at = models.DateTimeField(default=timezone.now)
    previous_at = models.DateTimeField(default=timezone.now)  # the time before

    def __str__(self) -> str:
        return str(self.seen_at)

"""Addresses of apps that are told what happens, and what they were told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bots.fields import EncryptedTextField
from bots.models import VendorAccount
from bots.validation import check_address
from conversations.models import Conversation


class EventType(models.TextChoices):
    """`<subject>.<what happened>`."""

    MESSAGE_RECEIVED = "message.received", _("message.received: a user's message was stored")
    MESSAGE_DELIVERED = "message.delivered", _("message.delivered: the cloud has taken all of an answer")
    MESSAGE_FAILED = "message.failed", _("message.failed: a message could not be delivered")
    MESSAGE_RECALLED = "message.recalled", _("message.recalled: a message was taken back")
    TURN_STARTED = "turn.started", _("turn.started: the robot begins to think")
    TURN_ENDED = "turn.ended", _("turn.ended: answered, stopped, handed off, blocked or failed")
    HANDOFF_REQUESTED = "handoff.requested", _("handoff.requested: a user waits for people")
    HANDOFF_TAKEN = "handoff.taken", _("handoff.taken: an operator or a desk has the conversation")
    HANDOFF_RETURNED = "handoff.returned", _("handoff.returned: the robot has the conversation again")
    CALL_STARTED = "call.started", _("call.started: a voice call began")
    CALL_ENDED = "call.ended", _("call.ended: a voice call is over")
    RATING_GIVEN = "rating.given", _("rating.given: a user said how content they are")


def check_events(events: Any) -> None:
    if not events or not set(events) <= set(EventType.values):
        raise ValidationError(_("must name at least one event, and only events that there are"))


class Webhook(models.Model):
    """An app's address that is told of events by signed POSTs."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    url = models.CharField(
        _("address"),
        max_length=500,
        validators=[check_address],
        help_text=_("In a private network only if PRIVATE_NETWORKS names it."),
    )
    secret = EncryptedTextField(_("secret"))  # signs what is sent
    events = models.JSONField(_("events"), default=list, validators=[check_events])
    account = models.ForeignKey(
        VendorAccount, models.CASCADE, null=True, blank=True, related_name="webhooks",
        verbose_name=_("account"), help_text=_("Only what happens at this account. Empty: at all."),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    # How it fares: an address that fails rests, and is disabled after days of it.
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    rests_until = models.DateTimeField(default=timezone.now, editable=False)
    disabled_because = models.TextField(_("disabled because"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def begin_anew(self) -> None:
        """Forget its failures: an admin says that it can be asked again."""
        self.failures, self.failing_since, self.disabled_because = 0, None, ""
        self.rests_until = timezone.now()


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> DeliveryQuerySet:
        """What may be sent now: of each conversation the earliest that a webhook has not heard."""
        earlier = Delivery.objects.filter(
            webhook=OuterRef("webhook"),
            conversation=OuterRef("conversation"),
            state=Delivery.State.WAITING,
            pk__lt=OuterRef("pk"),
        )
        return self.filter(
            ~Exists(earlier),
            state=Delivery.State.WAITING,
            due_at__lte=now,
            webhook__enabled=True,
            webhook__rests_until__lte=now,
        ).order_by("pk")


class Delivery(models.Model):
    """An event on its way to one webhook.  Triggers write the rows (`webhooks/migrations`)."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("given up")

    event_id = models.CharField(_("event id"), max_length=32)  # the same whenever it is sent again
    # Without a constraint, which would lock the webhook's row in each transaction that something happens in.
    webhook = models.ForeignKey(
        Webhook, models.CASCADE, related_name="deliveries", verbose_name=_("webhook"), db_constraint=False
    )
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="+", verbose_name=_("conversation")
    )
    event = models.CharField(_("event"), max_length=20, choices=EventType)
    subject_id = models.BigIntegerField()  # of the message, turn, handoff, session or rating
    happened_at = models.DateTimeField(_("happened"))
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.WAITING)
    due_at = models.DateTimeField(_("due"))
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    body = models.TextField(_("body"), blank=True)  # as it is sent, each time the same; "": not yet written
    status = models.PositiveSmallIntegerField(_("HTTP status"), null=True)  # of the last attempt
    error = models.TextField(_("note"), blank=True)
    delivered_at = models.DateTimeField(_("delivered"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        indexes: ClassVar = [
            # What is due, and what of a conversation comes before it.
            models.Index(
                fields=["webhook", "conversation", "id"],
                condition=Q(state="waiting"),
                name="delivery_waiting",
            ),
            # The admin's "what was given up".
            models.Index(fields=["-id"], condition=Q(state="failed"), name="delivery_failed"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.event_id}"

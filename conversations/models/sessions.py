"""What apps ask for by the REST API."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from conversations.models.base import new_public_id
from conversations.models.conversations import Conversation


class Session(models.Model):
    """What an app opened by REST: a chat of one user with one robot."""

    class Kind(models.TextChoices):
        CHAT = "chat", _("chat")
        VOICE = "voice", _("voice call")

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting for a place")
        OPEN = "open", _("open")
        ENDED = "ended", _("ended")

    public_id = models.CharField(_("id"), max_length=16, unique=True, default=new_public_id)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.CHAT)
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="sessions", verbose_name=_("conversation")
    )
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    # Who only speaks by REST never logs in at the vendor, which then knows nobody to deliver an answer to.
    is_admitted = models.BooleanField(_("made known to the vendor"), default=False)
    created_at = models.DateTimeField(_("opened"), default=timezone.now)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(kind="chat", state="open"),
                name="one_open_chat_per_conversation",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.public_id}"


class Rating(models.Model):
    """How content a user was."""

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="ratings", verbose_name=_("conversation")
    )
    session = models.ForeignKey(
        Session, models.CASCADE, null=True, related_name="ratings", verbose_name=_("session")
    )
    score = models.PositiveSmallIntegerField(_("score"), help_text=_("1 (worst) to 5 (best)"))
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("given"), default=timezone.now)

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(score__range=(1, 5)), name="a_score_is_1_to_5")
        ]
        indexes: ClassVar = [
            # The supervisor's figures of some days.
            models.Index(fields=["-created_at"], name="rating_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.score}"

"""What was said, and what staff writes about it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from bots import variables
from bots.models import Robot
from conversations.models.base import change_field, new_public_id
from conversations.models.conversations import Conversation


class Message(models.Model):
    """One utterance, in or out."""

    class Sender(models.TextChoices):
        USER = "user", _("user")
        ROBOT = "robot", _("robot")
        OPERATOR = "operator", _("operator")
        SYSTEM = "system", _("system")

    class Kind(models.TextChoices):
        TEXT = "text", _("text")
        IMAGE = "image", _("image")
        VOICE = "voice", _("voice")
        FILE = "file", _("file")
        CUSTOM = "custom", _("custom")
        CALL = "call", _("said in a call")

    class State(models.TextChoices):
        RECEIVED = "received", _("received")
        RECORDED = "recorded", _("recorded only")  # found too late, or answered elsewhere: in a call
        SENDING = "sending", _("sending")  # stored; the vendor may or may not have it
        STREAMING = "streaming", _("streaming")  # the vendor has its first frame
        FINISHING = "finishing", _("finishing")  # stored whole; the vendor may or may not have its last frame
        DELIVERED = "delivered", _("delivered")  # the vendor has accepted the last frame
        RECALLED = "recalled", _("recalled")
        FAILED = "failed", _("failed")

    UNDELIVERED: ClassVar = (State.SENDING, State.STREAMING, State.FINISHING)
    GONE: ClassVar = (State.RECALLED, State.FAILED)  # not what users go on from

    public_id = models.CharField(_("id"), max_length=16, unique=True, default=new_public_id)
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="messages", verbose_name=_("conversation"),
        db_index=False,  # "message_latest" begins with it
    )  # fmt: skip
    turn = models.ForeignKey(
        "Turn", models.SET_NULL, null=True, related_name="messages", verbose_name=_("turn"),
        db_index=False,  # "message_of_turn"
        help_text=_("The turn that answers it, or that said it."),
    )  # fmt: skip
    sender = models.CharField(_("sender"), max_length=8, choices=Sender)
    sender_id = models.CharField(_("sender's id"), max_length=64)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.TEXT)
    text = models.TextField(_("text"), blank=True)
    extra = models.JSONField(_("content"), default=dict, blank=True)  # what the kind has besides text
    state = models.CharField(_("state"), max_length=10, choices=State)
    vendor_message_id = models.CharField(_("vendor's id"), max_length=100, null=True)  # noqa: DJ001 -- unique when known
    key = models.BigIntegerField(_("key"), null=True)  # outgoing: makes a repeated send harmless
    frame = models.PositiveIntegerField(_("frames"), default=0)
    # Characters of `text` that the vendor has confirmed; the rest was sent, and may have been taken.
    accepted = models.PositiveIntegerField(_("characters confirmed"), default=0)
    is_stream = models.BooleanField(_("grows"), default=False)
    is_error = models.BooleanField(_("tells of a failure"), default=False)
    is_overheard = models.BooleanField(
        _("overheard"),
        default=False,
        help_text=_("Said in a group, but not to the robot: it is not answered."),
    )
    happened_at = models.DateTimeField(_("time"))  # by the vendor's clock
    order = models.BigIntegerField(_("order"), default=0)  # decides between equal times
    created_at = models.DateTimeField(_("stored"), default=timezone.now)
    error = models.TextField(_("error"), blank=True)
    change = change_field()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation", "vendor_message_id"], name="a_vendor_message_is_stored_once"
            )
        ]
        indexes: ClassVar = [
            # The last messages of a conversation: its page, and the model's history.
            models.Index(fields=["conversation", "-id"], name="message_latest"),
            # The admin's "what failed".
            models.Index(fields=["-id"], condition=Q(state="failed"), name="message_failed"),
            # What is new to consoles.
            models.Index(fields=["change"], name="message_change"),
            # What the vendor's echo of a message may still tell something of.
            models.Index(
                fields=["conversation"],
                condition=Q(state__in=["sending", "finishing", "failed"]),
                name="message_unconfirmed",
            ),
            # What the vendor may write into the chat besides.
            models.Index(
                fields=["conversation"], condition=Q(kind="call", sender="user"), name="message_said_in_call"
            ),
            # Without those of no turn: PostgreSQL would go through all of them for what a turn has still to
            # claim, wherever it takes them for few.
            models.Index(fields=["turn"], condition=Q(turn__isnull=False), name="message_of_turn"),
            # What a turn has still to claim.
            models.Index(
                fields=["conversation"],
                condition=Q(sender="user", turn=None, is_overheard=False),
                name="message_unanswered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sender_id}: {self.text[:50]}"

    @cached_property
    def turn_started_at(self) -> datetime | None:
        return self.turn.started_at if self.turn else None

    @property
    def place(self) -> tuple[datetime, bool, datetime, int, int]:
        """Where it stands among its conversation's messages: a turn's questions in the vendor's order,
        then its reply.  Sort by this.

        Vendors tell the time in seconds, so by their time alone an answer may come before its question.
        Of calls they tell it exactly, but not in order.
        """
        told_at = self.happened_at if self.kind == self.Kind.CALL else self.created_at
        is_reply = self.sender != self.Sender.USER
        return self.turn_started_at or told_at, is_reply, self.happened_at, self.order, self.pk


class Note(models.Model):
    """What an operator tells others of a conversation; users never see it."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    written_by = models.CharField(max_length=150)  # names outlive whom they name
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    change = change_field()

    class Meta:
        indexes: ClassVar = [
            # Those of a page of messages.
            models.Index(fields=["conversation", "created_at"], name="note_of_conversation"),
            # What is new to consoles.
            models.Index(fields=["change"], name="note_change"),
        ]

    def __str__(self) -> str:
        return f"{self.written_by}: {self.text[:50]}"


class Mention(models.Model):
    """A note speaks to an operator."""

    note = models.ForeignKey(Note, models.CASCADE, related_name="mentions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["note", "user"], name="one_mention_per_note_and_operator")
        ]
        indexes: ClassVar = [
            # What an operator has not seen yet.
            models.Index(fields=["user"], condition=Q(seen_at=None), name="mention_unseen"),
        ]

    def __str__(self) -> str:
        return f"{self.note_id}: {self.user_id}"


class CannedReply(models.Model):
    """A text that operators send often."""

    VARIABLES: ClassVar = ("user_id", "robot", "operator")

    shortcut = models.SlugField(
        _("shortcut"), help_text=_("Operators type it behind a slash: /hello."), db_index=False
    )
    robot = models.ForeignKey(
        Robot, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("robot"),
        help_text=_("Only in its conversations. Empty: in all."),
    )  # fmt: skip
    text = models.TextField(
        _("text"),
        help_text=_("{user_id}, {robot} and {operator} stand for what they are in the conversation."),
    )

    class Meta:
        verbose_name = _("canned reply")
        verbose_name_plural = _("canned replies")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["shortcut", "robot"], nulls_distinct=False, name="one_canned_reply_per_shortcut"
            )
        ]

    def __str__(self) -> str:
        return f"/{self.shortcut}"

    def clean(self) -> None:
        unknown = [name for name in variables.VARIABLE.findall(self.text) if name not in self.VARIABLES]
        if unknown:
            raise ValidationError({"text": _("There is no variable {%(name)s}.") % {"name": unknown[0]}})


class MessageWords(models.Model):
    """What a message is found by (`conversations.searching`): apart from it, so that writing it is cheap."""

    message = models.OneToOneField(Message, models.CASCADE, primary_key=True, related_name="words")
    change = models.BigIntegerField()  # the message's when it was indexed
    words = SearchVectorField()

    class Meta:
        indexes: ClassVar = [
            # The console's search.  Without a list of what is to be indexed yet, which every part of a search
            # would have to read through.
            GinIndex(
                models.Func(
                    "message",
                    "words",
                    function="conversations_words_in_part",
                    output_field=SearchVectorField(),
                ),
                name="message_words_by_part",
                fastupdate=False,
            ),
            # Up to where it is up to date.
            models.Index(fields=["change"], name="message_words_change"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id}"

"""Conversations, and who has them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bots.models import Robot
from conversations.models.base import change_field, new_public_id


class Tag(models.Model):
    """A word that operators sort conversations by."""

    name = models.CharField(_("name"), max_length=40, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Conversation(models.Model):
    """All messages between a robot and one address at its vendor."""

    class Kind(models.TextChoices):
        PEER = "peer", _("one to one")
        GROUP = "group", _("group")

    class Owner(models.TextChoices):
        ROBOT = "robot", _("robot")
        OPERATOR = "operator", _("operator")

    # Under which a turn knows the configuration (`bots.known`); None: not by one, so it is read anew.
    revision: str | None = None

    class Need(models.IntegerChoices):
        """Why a person should look at it; the higher the more urgent."""

        NONE = 0, _("nothing")
        LOW_RATING = 1, _("a low rating")
        FAILED_REPLY = 2, _("a failed reply")
        PERSON = 3, _("waiting for a person")

    public_id = models.CharField(_("id"), max_length=16, unique=True, default=new_public_id)
    robot = models.ForeignKey(
        Robot, models.PROTECT, related_name="conversations", verbose_name=_("robot"),
        db_index=False,  # "one_conversation_per_robot_and_peer" begins with it
    )  # fmt: skip
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.PEER)
    peer_id = models.CharField(
        _("peer"), max_length=64, help_text=_("The user's or the group's id at the vendor.")
    )
    owner = models.CharField(_("owner"), max_length=8, choices=Owner, default=Owner.ROBOT)
    # Rises with take-over, hand-back and interrupt: no frame leaves under an old epoch.
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    # What the operator who handed it back last wants the robot to know, in the operator's words.
    instruction = models.TextField(_("instruction"), blank=True)
    need = models.PositiveSmallIntegerField(_("need"), choices=Need, default=Need.NONE)
    need_since = models.DateTimeField(_("since"), null=True)
    tags = models.ManyToManyField(Tag, blank=True, related_name="conversations", verbose_name=_("tags"))
    # A message of a user's opens it again.
    resolved_at = models.DateTimeField(_("resolved"), null=True)
    opened_at = models.DateTimeField(_("opened"), default=timezone.now)
    rating_asked_at = models.DateTimeField(_("asked for a rating"), null=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    last_message_at = models.DateTimeField(_("last message"), default=timezone.now)

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        permissions: ClassVar = [
            ("operate_conversation", _("Can take conversations over and answer as the robot")),
            ("supervise_conversation", _("Can assign conversations, and hand back what others have")),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["robot", "kind", "peer_id"], name="one_conversation_per_robot_and_peer"
            )
        ]
        indexes: ClassVar = [
            # The admin's list, newest first.
            models.Index(fields=["-last_message_at"], name="conversation_latest"),
            # The console's list of one robot.
            models.Index(fields=["robot", "-last_message_at"], name="conversation_latest_by_robot"),
            # The admin's search for a user, by the beginning of the id.
            models.Index(fields=["peer_id"], opclasses=["text_pattern_ops"], name="conversation_by_peer"),
            # The console's lists of what is open, what is closed, and what somebody should look at.
            models.Index(
                fields=["-last_message_at"], condition=Q(resolved_at=None), name="conversation_open"
            ),
            models.Index(
                fields=["-resolved_at"], condition=Q(resolved_at__isnull=False), name="conversation_resolved"
            ),
            models.Index(fields=["-need", "need_since"], condition=Q(need__gt=0), name="conversation_needy"),
            # How many are the operators', for `/metrics`.
            models.Index(fields=["id"], condition=Q(owner="operator"), name="conversation_of_operators"),
        ]

    def __str__(self) -> str:
        return f"{self.peer_id} ↔ {self.robot}"

    def give_to(self, owner: Owner) -> None:
        """Let it change hands.  Only for whoever holds its row locked."""
        self.owner = owner
        self.epoch += 1
        self.save(update_fields=["owner", "epoch"])


class Standing(models.Model):
    """The number of the last change of whether a conversation is resolved, of its tags or ratings, written
    by triggers.  Apart from the conversation, whose row each callback writes."""

    conversation = models.OneToOneField(
        Conversation, models.CASCADE, primary_key=True, related_name="standing"
    )
    change = models.BigIntegerField()

    class Meta:
        indexes: ClassVar = [
            # The changes that consoles have not seen.
            models.Index(fields=["change"], name="standing_change"),
        ]

    def __str__(self) -> str:
        return str(self.conversation_id)


class Resolution(models.Model):
    """A user's matter that was settled: from its first message until nobody had to do anything."""

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="resolutions", verbose_name=_("conversation")
    )
    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="resolutions",
        verbose_name=_("operator"),
    )
    resolved_by = models.CharField(_("resolved by"), max_length=150, blank=True)  # "": it went quiet
    is_by_robot = models.BooleanField(_("without people"))  # nobody had it since it was opened
    opened_at = models.DateTimeField(_("opened"))
    resolved_at = models.DateTimeField(_("resolved"), default=timezone.now)

    class Meta:
        verbose_name = _("resolution")
        verbose_name_plural = _("resolutions")
        indexes: ClassVar = [
            # The supervisor's figures of some days.
            models.Index(fields=["-resolved_at"], name="resolution_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.resolved_by}".strip()


class Handoff(models.Model):
    """A time in which people have a conversation: why, who took it, who gave it back.  It stays as record."""

    class Cause(models.TextChoices):
        OPERATOR = "operator", _("an operator took it over")
        DESK = "desk", _("an outside desk took it over")
        WORDS = "words", _("the user asked for people")
        FAILURE = "failure", _("every model failed")
        RULE = "rule", _("a rule of the route")

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="handoffs", verbose_name=_("conversation")
    )
    cause = models.CharField(_("cause"), max_length=8, choices=Cause)
    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="handoffs",
        verbose_name=_("operator"),
    )
    # Names outlive whom they name: a user's, or an API key's.
    taken_by = models.CharField(_("taken by"), max_length=150, blank=True)  # "": nobody yet
    returned_by = models.CharField(_("handed back by"), max_length=150, blank=True)
    instruction = models.TextField(
        _("instruction"), blank=True, help_text=_("What the robot was told when it was handed back.")
    )
    began_at = models.DateTimeField(_("began"), default=timezone.now)
    taken_at = models.DateTimeField(_("taken"), null=True)
    answered_at = models.DateTimeField(_("first answer"), null=True)  # of whoever took it
    ended_at = models.DateTimeField(_("ended"), null=True)
    change = change_field()

    class Meta:
        verbose_name = _("handoff")
        verbose_name_plural = _("handoffs")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(ended_at=None), name="one_open_handoff_per_conversation"
            )
        ]
        indexes: ClassVar = [
            # Who waits for a person, and what an operator has.
            models.Index(fields=["began_at"], condition=Q(ended_at=None), name="handoff_open"),
            # The supervisor's figures of some days.
            models.Index(fields=["-began_at"], name="handoff_latest"),
            # What is new to consoles.
            models.Index(fields=["change"], name="handoff_change"),
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()} {self.taken_by}".strip()


class ReadMark(models.Model):
    """How far an operator has read a conversation."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="+")
    message_id = models.BigIntegerField()  # the last one that was shown

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "conversation"], name="one_read_mark_per_operator")
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.message_id}"

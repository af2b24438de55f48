"""Robots, and whom they answer."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bots import validation
from bots.desks import Desk
from bots.events import RobotProfile
from bots.models.accounts import VendorAccount
from bots.models.base import SLUG_HELP, Budget
from bots.models.language_models import LanguageModel
from bots.models.policies import Policy
from bots.models.routes import Route
from bots.vendors import VENDORS, vendor_class


class Tier(Budget):
    """What a group of users may use.  The limits are each user's own."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    over_reply = models.TextField(
        _("reply over the limit"),
        blank=True,
        help_text=_("What users read instead of an answer when a limit is reached. Empty: a standard text."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug


class Robot(Budget):
    """An account at a vendor and the mind that speaks through it."""

    class ReplyMode(models.TextChoices):
        STREAM = "stream", _("stream: the answer grows while it is written")
        WHOLE = "whole", _("whole: the answer is sent when it is complete")

    class Groups(models.TextChoices):
        MENTIONS = "mentions", _("mentions: it answers those that mention it")
        ALL = "all", _("all: it answers every message")
        NONE = "none", _("none: it takes no part in groups")

    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="robots", verbose_name=_("account")
    )
    user_id = models.CharField(
        _("user id"), max_length=64, help_text=_("The robot's id at the vendor; users write to it.")
    )
    nickname = models.CharField(_("nickname"), max_length=100, blank=True)
    avatar_url = models.URLField(_("avatar address"), max_length=500, blank=True)
    persona = models.TextField(
        _("persona"),
        blank=True,
        validators=[validation.check_persona],
        help_text=_(
            "Who the robot is and how it speaks: the model's system prompt. {robot}, {user_id}, {group_id}, "
            "{tier}, {date}, {weekday} and {hour} stand for what they are when a model is asked. Whatever "
            "changes within a conversation is best put at the end: providers charge less for the part of a "
            "prompt that is the same as in the turn before, up to the first difference."
        ),
    )
    # The one that has this text; None until the robot is first stored by `save_robot`.
    persona_version = models.ForeignKey(
        "PersonaVersion", models.SET_NULL, null=True, blank=True, editable=False, related_name="+",
        verbose_name=_("version of the persona"),
    )  # fmt: skip
    route = models.ForeignKey(
        Route, models.PROTECT, related_name="robots", verbose_name=_("route"),
        help_text=_("Which models answer."),
    )  # fmt: skip
    policy = models.ForeignKey(
        Policy, models.PROTECT, null=True, blank=True, related_name="robots", verbose_name=_("policy"),
        help_text=_("What users may write and what it may say. Empty: everything."),
    )  # fmt: skip
    own_desk = models.ForeignKey(
        Desk, models.PROTECT, null=True, blank=True, related_name="robots", verbose_name=_("desk"),
        help_text=_("The people behind it. Empty: the account's."),
    )  # fmt: skip
    default_tier = models.ForeignKey(
        Tier, models.PROTECT, null=True, blank=True, related_name="robots", verbose_name=_("default tier"),
        help_text=_("Of users who have none of their own."),
    )  # fmt: skip
    reply_mode = models.CharField(_("reply mode"), max_length=8, choices=ReplyMode, default=ReplyMode.STREAM)
    merge_window_ms = models.PositiveIntegerField(
        _("merge window, ms"),
        default=500,
        validators=[MaxValueValidator(60_000)],
        help_text=_("Messages that follow one another within this time get one answer."),
    )
    max_age_s = models.PositiveIntegerField(
        _("answers messages up to this age, s"),
        default=3600,
        help_text=_(
            "A message that was missed, and found later in the vendor's history, is answered unless it is "
            "older; then it is only kept, and shown to the model with the next one."
        ),
    )
    fallback = models.TextField(
        _("fallback"),
        default="Sorry, I cannot answer right now. Please try again later.",
        help_text=_("What users read when no model could answer."),
    )
    groups = models.CharField(
        _("messages in groups"),
        max_length=8,
        choices=Groups,
        default=Groups.MENTIONS,
        help_text=_(
            "Which of them it answers. Others are read all the same, as context: choose “none” for a robot "
            "that is in no group."
        ),
    )
    history_messages = models.PositiveIntegerField(
        _("history, messages"), default=20, help_text=_("How many earlier messages the model sees at most.")
    )
    history_tokens = models.PositiveIntegerField(
        _("history, tokens"), default=4000, help_text=_("How long those may be together.")
    )
    history_block = models.PositiveIntegerField(
        _("history, block"),
        default=10,
        validators=[MinValueValidator(1)],
        help_text=_(
            "How many of the oldest messages are left out at once when there are too many. One by one, no "
            "prompt would begin as the one before, and providers would charge each in full."
        ),
    )
    history_summaries = models.BooleanField(
        _("summaries"),
        default=True,
        help_text=_(
            "What is left out is summed up in the background, a call to a model for each block, and shown "
            "in short. It is paid for like an answer."
        ),
    )
    summary_model = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name=_("model for summaries"), help_text=_("Empty: the cheapest of the route."),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    registered_at = models.DateTimeField(_("registered"), null=True, editable=False)
    registration_error = models.TextField(_("registration error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("robot")
        verbose_name_plural = _("robots")
        ordering: ClassVar = ["account", "user_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "user_id"], name="a_robot_once_per_account")
        ]

    def __str__(self) -> str:
        return self.nickname or self.user_id

    def clean(self) -> None:
        if self.account_id and self.account.vendor in VENDORS:
            validation.check_robot_id(vendor_class(self.account.vendor), self.user_id)

    @property
    def desk(self) -> Desk | None:
        """The people behind it; None: nothing is settled of them."""
        return self.own_desk or self.account.desk

    @property
    def profile(self) -> RobotProfile:
        """What users see of it at the vendor."""
        return RobotProfile(user_id=self.user_id, nickname=self.nickname, avatar_url=self.avatar_url)


class PersonaVersion(models.Model):
    """What a robot's persona was from some moment on."""

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="persona_versions", verbose_name=_("robot"))
    number = models.PositiveIntegerField(_("number"))  # the robot's first is 1
    text = models.TextField(_("persona"), blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("changed by"),
        help_text=_("Nobody: it came from a configuration file."),
    )  # fmt: skip
    made_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("version of a persona")
        verbose_name_plural = _("versions of personas")
        ordering: ClassVar = ["robot", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["robot", "number"], name="a_persona_version_once_per_robot")
        ]

    def __str__(self) -> str:
        return gettext("version %(number)d") % {"number": self.number}

"""Voice: a robot's voice as people edit it, and the calls that are made with it."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar, Self

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from agents import validation
from bots.fields import EncryptedJSONField, EncryptedTextField
from bots.models import LanguageModel, Robot, VendorAccount
from bots.models.base import SLUG_HELP
from conversations.models import Conversation, Session


def new_brain_secret() -> str:
    """What the vendor's agent proves itself with when it asks us as its model."""
    return secrets.token_urlsafe(32)


def usual_callbacks() -> list[str]:
    return ["Interrupted", "AgentInstanceStatus", "UserSpeakAction"]


def bounds(least: float, most: float) -> list[Any]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class AgentTemplates(models.QuerySet["AgentTemplate"]):
    def able(self) -> Self:
        """Those that can be called."""
        return self.filter(enabled=True, account__enabled=True, robot__enabled=True)


class AgentTemplate(models.Model):
    """A robot's voice: how it hears and speaks in calls, and who thinks for it meanwhile.

    Ranges and names are those of ZEGO's pages (/aiagent-server/guides/configuring-{llm,tts,asr},
    …/agent-instance-management/create-agent-instance).
    """

    class Mind(models.TextChoices):
        PLATFORM = "platform", _("platform: the voice service asks us, so calls have all that chats have")
        DIRECT = "direct", _("direct: the voice service asks the model itself")

    class Sensitivity(models.TextChoices):
        LOW = "low", _("low: in noisy places")
        MEDIUM = "medium", _("medium")
        HIGH = "high", _("high: for soft voices")
        CUSTOM = "custom", _("custom: by the two values beside")

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="agent_templates", verbose_name=_("account"),
        help_text=_("The ZEGO project whose voice service the calls use."),
    )  # fmt: skip
    agent_id = models.CharField(
        _("agent id"), max_length=128, validators=[validation.check_agent_id],
        help_text=_("Its id at the voice service. It cannot be changed later."),
    )  # fmt: skip
    name = models.CharField(_("name"), max_length=64, blank=True)
    robot = models.ForeignKey(
        Robot, models.PROTECT, related_name="agent_templates", verbose_name=_("robot"),
        help_text=_(
            "Whose persona, route, policy and chats the calls share. It may be at any IM cloud: its users "
            "can be called all the same."
        ),
    )  # fmt: skip
    llm = models.CharField(_("who thinks"), max_length=8, choices=Mind, default=Mind.PLATFORM)
    model = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, blank=True, related_name="agent_templates",
        verbose_name=_("model"),
        help_text=_("Only for “direct”; its key is given to the voice service. Empty: the route's first."),
    )  # fmt: skip
    tts_vendor = models.CharField(
        _("speech vendor"), max_length=40, help_text=_("Who turns text into speech, as ZEGO calls it.")
    )
    # Both hold keys of the speech vendors.
    tts_params = EncryptedJSONField(_("speech parameters"), default=dict, blank=True)
    tts_options = models.JSONField(
        _("more of speech"), default=dict, blank=True, validators=[validation.check_tts_options],
        help_text=_("Sent as it is: Url, FilterText, TerminatorText, CharacterFilter."),
    )  # fmt: skip
    asr_vendor = models.CharField(
        _("recognition vendor"), max_length=40, default="Tencent",
        help_text=_("Who turns speech into text, as ZEGO calls it."),
    )  # fmt: skip
    asr_params = EncryptedJSONField(_("recognition parameters"), default=dict, blank=True)
    silence_ms = models.PositiveIntegerField(
        _("silence, ms"), default=500, validators=bounds(200, 2000),
        help_text=_("A user who is silent for so long has finished."),
    )  # fmt: skip
    pause_ms = models.PositiveIntegerField(
        _("pause, ms"), null=True, blank=True, validators=bounds(200, 2000),
        help_text=_(
            "What the user says within this time after that is taken together with it. It has to be longer "
            "than the silence. Empty: nothing is waited for."
        ),
    )  # fmt: skip
    sensitivity = models.CharField(
        _("sensitivity"), max_length=8, choices=Sensitivity, default=Sensitivity.MEDIUM
    )
    min_speech_ms = models.PositiveIntegerField(
        _("least speech, ms"), null=True, blank=True, validators=bounds(0, 1000)
    )
    energy_threshold = models.FloatField(
        _("energy threshold"), null=True, blank=True, validators=bounds(0, 1)
    )
    callbacks = models.JSONField(
        _("callbacks"), default=usual_callbacks, blank=True, validators=[validation.check_callbacks],
        help_text=_("What else than words, errors, beginning and end of a call the voice service tells us."),
    )  # fmt: skip
    can_be_interrupted = models.BooleanField(
        _("can be interrupted"), default=True, help_text=_("It falls silent when the user speaks.")
    )
    max_idle_s = models.PositiveIntegerField(
        _("longest absence, s"), default=120, validators=bounds(10, 1800),
        help_text=_("A call ends by itself when its user is out of the room for so long."),
    )  # fmt: skip
    serves_samples = models.BooleanField(
        _("serves ZEGO's samples"), default=False,
        help_text=_(
            "ZEGO's sample clients can call it without any credentials: for trying out, not for production."
        ),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    brain_secret = EncryptedTextField(_("bearer for our brain"), default=new_brain_secret, editable=False)
    registered_at = models.DateTimeField(_("registered"), null=True, editable=False)
    registered_digest = models.CharField(max_length=64, blank=True, editable=False)  # of what was registered
    registration_error = models.TextField(_("registration error"), blank=True, editable=False)
    drifted_at = models.DateTimeField(_("found changed"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = AgentTemplates.as_manager()

    class Meta:
        verbose_name = _("agent template")
        verbose_name_plural = _("agent templates")
        ordering: ClassVar = ["slug"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "agent_id"], name="an_agent_once_per_account"),
            models.UniqueConstraint(
                fields=["serves_samples"],
                condition=Q(serves_samples=True),
                name="one_template_serves_the_samples",
                violation_error_message=_("Another template serves ZEGO's samples already."),
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        problems: dict[str, Any] = {}
        if self.account_id and not validation.has_voice(self.account):
            problems["account"] = _("must be an account at ZEGO")
        if self.sensitivity == self.Sensitivity.CUSTOM and self.energy_threshold is None:
            problems["energy_threshold"] = _("a custom sensitivity needs it")
        if self.robot_id and self.llm == self.Mind.DIRECT:
            if reason := validation.reason_against_direct(self.direct_model):
                problems["model"] = reason
        elif self.model_id:
            problems["model"] = _("only for “direct”: the robot's route chooses otherwise")
        if problems:
            raise ValidationError(problems)

    @property
    def direct_model(self) -> LanguageModel | None:
        """The model that the voice service asks itself, where it does."""
        ranked = LanguageModel.objects.filter(
            choices__rule__route=self.robot.route_id, choices__rule__when={}, enabled=True
        ).order_by("choices__rule__position", "choices__position")
        return self.model or ranked.first()


class Call(models.Model):
    """A robot's voice at work in one room: the template, with the values that it has in this call."""

    class State(models.TextChoices):
        QUEUED = "queued", _("waiting for a place")
        STARTING = "starting", _("starting")  # it has a place; the vendor may or may not have an instance
        RUNNING = "running", _("running")
        ENDING = "ending", _("ending")  # the vendor may or may not have the instance still
        ENDED = "ended", _("ended")

    OCCUPYING: ClassVar = (State.STARTING, State.RUNNING, State.ENDING)  # one of the account's instances

    class Status(models.TextChoices):
        """What the agent is doing, in the vendor's words."""

        IDLE = "IDLE", _("idle")
        LISTENING = "LISTENING", _("listening")
        THINKING = "THINKING", _("thinking")
        SPEAKING = "SPEAKING", _("speaking")

    SILENT: ClassVar = (Status.IDLE, Status.LISTENING)

    class Reason(models.TextChoices):
        """Why a call ended."""

        APP = "app", _("the app ended it")
        OPERATOR = "operator", _("an operator ended it")
        IDLE = "idle", _("the user was out of the room for too long")
        VENDOR = "vendor", _("the voice service ended it")
        LOST = "lost", _("the voice service does not know it any more")
        NO_CAPACITY = "no_capacity", _("no place was free")
        REFUSED = "refused", _("the voice service could not start it")

    session = models.OneToOneField(Session, models.CASCADE, related_name="call", verbose_name=_("session"))
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="calls", verbose_name=_("conversation")
    )
    template = models.ForeignKey(
        AgentTemplate, models.PROTECT, related_name="calls", verbose_name=_("agent template")
    )
    # The template's, whose limit of instances it counts against.
    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="calls", verbose_name=_("account"), db_index=False
    )
    state = models.CharField(_("state"), max_length=8, choices=State)
    # Ids in the room.  The user's is that of the chat where the vendor's alphabet has room for it.
    room_id = models.CharField(_("room"), max_length=128)
    user_id = models.CharField(_("user id in the room"), max_length=32)
    user_stream_id = models.CharField(_("user's stream"), max_length=128)
    agent_user_id = models.CharField(_("agent's user id"), max_length=32, unique=True)
    agent_stream_id = models.CharField(_("agent's stream"), max_length=128, unique=True)
    instance_id = models.CharField(_("instance"), max_length=100, blank=True)  # "": not known (yet)
    # The vendor reads the chat itself, and writes what is said in the call back into it.
    is_synced = models.BooleanField(_("kept by the vendor too"), default=False)
    status = models.CharField(_("agent is"), max_length=10, choices=Status, blank=True)
    # The round whose answer the service tells sentence by sentence, and may go on with.
    answering = models.BigIntegerField(null=True, editable=False)
    leased_at = models.DateTimeField(_("place taken"), null=True)
    checked_at = models.DateTimeField(_("seen at the vendor"), null=True)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True)
    close_at = models.DateTimeField(
        _("hung up"), null=True
    )  # ending: when the service has to have no instance
    ended_at = models.DateTimeField(_("ended"), null=True)
    end_reason = models.CharField(_("reason for the end"), max_length=12, choices=Reason, blank=True)
    end_code = models.CharField(_("vendor's code"), max_length=20, blank=True)
    error = models.TextField(_("error"), blank=True)  # the last thing that went wrong, for people
    latency = models.JSONField(_("latency"), null=True)  # as the vendor measured it: LatencyData

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "instance_id"],
                condition=~Q(instance_id=""),
                name="an_instance_has_one_call",
            )
        ]
        indexes: ClassVar = [
            # An account's places, its queue, and what the sweep looks after.
            models.Index(fields=["account", "state", "id"], condition=~Q(state="ended"), name="call_open"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.room_id}"

    @cached_property
    def session_public_id(self) -> str:
        return self.session.public_id


class CallEvent(models.Model):
    """What the voice service told of a call: a callback, kept before it takes effect."""

    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="+", verbose_name=_("account"), db_index=False
    )
    call = models.ForeignKey(
        Call, models.CASCADE, null=True, related_name="events", verbose_name=_("call"), db_index=False
    )
    instance_id = models.CharField(_("instance"), max_length=100)
    sequence = models.BigIntegerField(_("sequence"))  # the vendor's: in the order in which things happened
    event = models.CharField(_("event"), max_length=40)
    round = models.BigIntegerField(_("round"), null=True)
    happened_at = models.DateTimeField(_("time"))  # by the vendor's clock
    received_at = models.DateTimeField(_("received"), default=timezone.now)
    data = models.JSONField(_("content"), default=dict)
    error = models.TextField(_("error"), blank=True)  # why it had no effect

    class Meta:
        verbose_name = _("event of a call")
        verbose_name_plural = _("events of calls")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "instance_id", "sequence"], name="an_event_is_stored_once"
            )
        ]
        indexes: ClassVar = [
            # What was said in a round, and a call's page.
            models.Index(fields=["call", "round", "sequence"], name="event_of_call"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.sequence}"

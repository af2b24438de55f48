"""What is said: callbacks as they came, conversations, messages, and the turns that answer them."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import AbstractAPIKey

from bots import variables
from bots.models import LanguageModel, PersonaVersion, Price, Robot, Tier, VendorAccount
from conversations.attachments import Attachment
from conversations.seats import Seat

__all__ = ["Attachment", "Seat"]  # their modules are their own; Django looks for models here


def change_field() -> models.BigIntegerField[int, int]:
    """The number of the row's last change, which a trigger sets: it rises over all tables that have one, and
    consoles read by it what is new (`conversations.announcing`)."""
    return models.BigIntegerField(_("change"), default=0, editable=False)


def new_public_id() -> str:
    """An id for addresses and the API: opaque, and too many to guess."""
    return secrets.token_urlsafe(12)  # 16 characters


class Callback(models.Model):
    """A vendor's request to us, as it came.  It is stored before it is understood."""

    class State(models.TextChoices):
        READ = "read", _("read")
        IGNORED = "ignored", _("nothing to do")
        UNREAD = "unread", _("could not be read")

    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="callbacks", verbose_name=_("account")
    )
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


class EndUser(models.Model):
    """A person at a vendor's end of whom something is settled.

    Whoever has no row has the robot's default tier.
    """

    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="users", verbose_name=_("account")
    )
    user_id = models.CharField(_("user id"), max_length=64, help_text=_("The user's id at the vendor."))
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="users", verbose_name=_("tier"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("user with a tier")
        verbose_name_plural = _("users with a tier")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "user_id"], name="a_user_once_per_account")
        ]
        indexes: ClassVar = [
            # The admin's search for a user, by the beginning of the id.
            models.Index(fields=["user_id"], opclasses=["text_pattern_ops"], name="user_by_id"),
        ]

    def __str__(self) -> str:
        return self.user_id


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
    robot = models.ForeignKey(Robot, models.PROTECT, related_name="conversations", verbose_name=_("robot"))
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


class Turn(models.Model):
    """From the first unanswered message of a user to the end of the reply."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        THINKING = "thinking", _("thinking")
        SPEAKING = "speaking", _("speaking")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")
        TAKEN_OVER = "taken_over", _("taken over")
        HANDED_OFF = "handed_off", _("handed off")
        BLOCKED = "blocked", _("blocked")
        FAILED = "failed", _("failed")

    RUNNING: ClassVar = (State.THINKING, State.SPEAKING)

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="turns", verbose_name=_("conversation")
    )
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.WAITING)
    # The state in which a running turn that was called off has to end: set with the conversation's epoch.
    ending = models.CharField(_("called off"), max_length=12, choices=State, blank=True)
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    # Rises whenever a worker takes the turn, so that one that was given up for dead cannot speak on.
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    model = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, related_name="turns", verbose_name=_("model")
    )
    is_spoken = models.BooleanField(
        _("in a call"), default=False, help_text=_("The user asked aloud, and hears the answer.")
    )
    tier = models.ForeignKey(
        Tier, models.SET_NULL, null=True, related_name="turns", verbose_name=_("tier"),
        help_text=_("The user's when the turn began."),
    )  # fmt: skip
    persona = models.ForeignKey(
        PersonaVersion, models.SET_NULL, null=True, related_name="+", verbose_name=_("persona"),
        help_text=_("What the model was told that the robot is."),
    )  # fmt: skip
    whisper = models.TextField(
        _("whispered"), blank=True, help_text=_("What an operator told the robot to do in a call, unheard.")
    )
    # Which rule named the models, and by what: see `Decision.reasons` in `bots.routing`.
    choice = models.JSONField(_("choice of models"), null=True)
    # How much of what it was shown, and what was left out: the plan of `conversations.context`.
    context = models.JSONField(_("context"), null=True)
    reply = models.TextField(_("reply"), blank=True)  # whole, from the moment the model is done
    # What screening found in its messages and its reply (bots.safety.findings); None: nothing.
    screening = models.JSONField(_("screening"), null=True)
    finish_reason = models.CharField(_("finish reason"), max_length=50, blank=True)
    # All its calls together, also those that failed; `conversations.calls` keeps it so.
    input_tokens = models.PositiveIntegerField(_("input tokens"), default=0)
    cached_input_tokens = models.PositiveIntegerField(_("cached input tokens"), default=0)
    output_tokens = models.PositiveIntegerField(_("output tokens"), default=0)
    tokens_are_estimated = models.BooleanField(_("tokens are estimated"), default=False)
    # Of the calls in `currency`, which is the first one's; nothing is converted.
    cost = models.DecimalField(_("cost"), max_digits=14, decimal_places=8, default=0)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    queued_at = models.DateTimeField(_("queued"), default=timezone.now)
    started_at = models.DateTimeField(_("started"), null=True)
    first_token_at = models.DateTimeField(_("first token"), null=True)
    spoken_at = models.DateTimeField(_("first words sent"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    error = models.TextField(_("error"), blank=True)
    change = change_field()

    class Meta:
        verbose_name = _("turn")
        verbose_name_plural = _("turns")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(state="waiting"), name="one_waiting_turn"
            ),
            models.UniqueConstraint(
                fields=["conversation"],
                # What is asked in a call does not wait for the chat.
                condition=Q(state__in=["thinking", "speaking"], is_spoken=False),
                name="one_running_turn",
            ),
        ]
        indexes: ClassVar = [
            # Calls that a model has under way, against its `max_concurrency`.
            models.Index(
                fields=["model"],
                condition=Q(state__in=["thinking", "speaking"]),
                name="turn_running_by_model",
            ),
            # The admin's "what failed".
            models.Index(fields=["-id"], condition=Q(state="failed"), name="turn_failed"),
            # What is new to consoles.
            models.Index(fields=["change"], name="turn_change"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_state_display()}"

    @cached_property
    def questions(self) -> list[Message]:
        """The messages that it answers, as they read.  Read once: none joins a turn that has begun."""
        return list(self.messages.filter(sender=Message.Sender.USER).order_by("happened_at", "order", "id"))

    @cached_property
    def askers(self) -> tuple[str, ...]:
        """In a group: whose messages it answers, in the order in which they asked."""
        if self.conversation.kind != Conversation.Kind.GROUP:
            return ()
        return tuple(dict.fromkeys(question.sender_id for question in self.questions))


class Fold(models.Model):
    """How far a conversation was folded once: its messages up to one are shown to models no longer."""

    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="folds", verbose_name=_("conversation")
    )
    until = models.BigIntegerField(_("until"))  # the last such message's id
    # All up to there.
    messages = models.PositiveIntegerField(_("messages"))
    tokens = models.PositiveIntegerField(_("tokens"))
    summary = models.TextField(_("summary"), blank=True)
    # What it tells of: up to which message, how many of them, and how long those were.
    told_until = models.BigIntegerField(_("summarised until"), default=0)
    told_messages = models.PositiveIntegerField(_("summarised messages"), default=0)
    told_tokens = models.PositiveIntegerField(_("summarised tokens"), default=0)
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        verbose_name = _("summary")
        verbose_name_plural = _("summaries")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "until"], name="one_fold_per_place")
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} ≤ {self.until}"

    @property
    def told(self) -> dict[str, Any]:
        """The summary, with what it tells of: the next fold has it until it has one of its own."""
        return {
            "summary": self.summary,
            "told_until": self.told_until,
            "told_messages": self.told_messages,
            "told_tokens": self.told_tokens,
        }


class ModelCall(models.Model):
    """A model was asked: what came of it, what it took, what it cost.

    It is stored before the model is asked, so that a worker's death hides no cost.
    """

    class Outcome(models.TextChoices):
        RUNNING = "running", _("under way")
        ANSWERED = "answered", _("answered")
        FAILED = "failed", _("failed")
        CUT = "cut", _("cut off")  # by us: the turn was stopped, taken over, or cannot be delivered
        LOST = "lost", _("lost with its worker")

    class Purpose(models.TextChoices):
        ANSWER = "answer", _("answer")
        SUMMARY = "summary", _("summary")  # of what was said before; made after the turn
        VERDICT = "verdict", _("verdict")  # of a route's classifier on the question
        SUGGESTION = "suggest", _("suggestion")  # of an answer, to an operator
        MODERATION = "moderate", _("moderation")  # a verdict on the question, or on some of the answer

    turn = models.ForeignKey(Turn, models.CASCADE, related_name="calls", verbose_name=_("turn"))
    attempt = models.PositiveIntegerField(_("attempt"))  # the turn's
    model = models.ForeignKey(
        LanguageModel, models.PROTECT, related_name="calls", verbose_name=_("language model")
    )
    purpose = models.CharField(_("purpose"), max_length=8, choices=Purpose, default=Purpose.ANSWER)
    outcome = models.CharField(_("outcome"), max_length=8, choices=Outcome, default=Outcome.RUNNING)
    error = models.TextField(_("error"), blank=True)
    finish_reason = models.CharField(_("finish reason"), max_length=50, blank=True)
    input_tokens = models.PositiveIntegerField(_("input tokens"), default=0)
    cached_input_tokens = models.PositiveIntegerField(_("cached input tokens"), default=0)
    output_tokens = models.PositiveIntegerField(_("output tokens"), default=0)
    tokens_are_estimated = models.BooleanField(_("tokens are estimated"), default=False)
    cost = models.DecimalField(_("cost"), max_digits=14, decimal_places=8, default=0)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    # What is set aside for it while it runs (`conversations.budget`), and the day that it counts for.
    reserved_input_tokens = models.PositiveIntegerField(_("input tokens reserved"), default=0)
    reserved_output_tokens = models.PositiveIntegerField(_("output tokens reserved"), default=0)
    reserved_cost = models.DecimalField(_("cost reserved"), max_digits=14, decimal_places=8, default=0)
    day = models.DateField(_("day"), default=timezone.localdate)
    started_at = models.DateTimeField(_("asked"), default=timezone.now)
    first_token_at = models.DateTimeField(_("first token"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    class Meta:
        verbose_name = _("model call")
        verbose_name_plural = _("model calls")
        indexes: ClassVar = [
            # What workers that died have left behind.
            models.Index(fields=["started_at"], condition=Q(outcome="running"), name="call_running"),
            # What was used in some time (`/usage`).  Calls are stored in the order of time.
            BrinIndex(fields=["started_at"], autosummarize=True, name="call_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.get_outcome_display()}"

    @cached_property
    def price(self) -> Price:
        """The model's when the call began."""
        return self.model.price_at(self.started_at)


class Spend(models.Model):
    """What models have taken on one day for a user, a group, a robot or an account."""

    class Scope(models.TextChoices):
        USER = "peer", _("user")  # these two are kinds of conversations
        GROUP = "group", _("group")
        ROBOT = "robot", _("robot")
        ACCOUNT = "account", _("account")

    TOKENS: ClassVar = "tokens"  # the unit that is no currency

    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="spending", verbose_name=_("account")
    )
    scope = models.CharField(_("for a"), max_length=8, choices=Scope)
    name = models.CharField(_("id"), max_length=64, blank=True)  # the vendor's; "" for the account itself
    day = models.DateField(_("day"))  # by TIME_ZONE
    unit = models.CharField(_("unit"), max_length=6)  # TOKENS, or a currency
    spent = models.DecimalField(_("spent"), max_digits=20, decimal_places=8, default=0)
    reserved = models.DecimalField(_("reserved"), max_digits=20, decimal_places=8, default=0)

    class Meta:
        verbose_name = _("spending")
        verbose_name_plural = _("spending")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "scope", "name", "unit", "day"], name="one_spend_per_day"
            )
        ]
        indexes: ClassVar = [
            # The admin's list, newest first.
            models.Index(fields=["-day", "-id"], name="spend_latest"),
            # The supervisor's figures of some days: robots are few among users.
            models.Index(fields=["day"], condition=Q(scope="robot"), name="spend_of_robots"),
            # The admin's search for a user, by the beginning of the id.
            models.Index(fields=["name"], opclasses=["text_pattern_ops"], name="spend_by_name"),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.name or self.account} {self.day}"


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
        Conversation, models.CASCADE, related_name="messages", verbose_name=_("conversation")
    )
    turn = models.ForeignKey(
        Turn, models.SET_NULL, null=True, related_name="messages", verbose_name=_("turn"),
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


class ApiKey(AbstractAPIKey):
    """What an app's backend proves itself with to the REST API.  Only a hash is stored."""

    class Scope(models.TextChoices):
        SESSIONS = "sessions", _("sessions: speak as the app's users, read what was said and what it took")
        OPERATE = "operate", _("operate: take conversations over and answer as the robot")

    scopes = models.JSONField(_("scopes"), default=list, help_text=_("What the key may be used for."))

    class Meta:
        ordering: ClassVar = ["-created"]
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")


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


class IdempotentRequest(models.Model):
    """A POST that came with an Idempotency-Key, and what it was answered."""

    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="requests")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)  # of the address and the body
    status = models.PositiveSmallIntegerField(null=True)  # None: it is being done
    answer = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["api_key", "key"], name="a_key_is_used_once")
        ]
        indexes: ClassVar = [
            # What is a day old and forgotten.
            models.Index(fields=["created_at"], name="idempotent_request_by_age"),
        ]

    def __str__(self) -> str:
        return self.key

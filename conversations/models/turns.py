"""Answers: what was thought, and what it cost."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from bots.models import LanguageModel, PersonaVersion, Price, Tier, VendorAccount
from conversations.models.base import change_field
from conversations.models.conversations import Conversation
from conversations.models.messages import Message


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
        VendorAccount, models.PROTECT, related_name="spending", verbose_name=_("account"),
        db_index=False,  # "one_spend_per_day" begins with it
    )  # fmt: skip
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

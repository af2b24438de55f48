"""What is watched, what was found, and who is told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alerts.channels import CHANNELS, channel_choices, channel_class
from alerts.kinds import KINDS, kind_choices
from bots.fields import EncryptedTextField

if TYPE_CHECKING:
    from alerts.kinds import Kind

LONGEST_WINDOW_S: Final = 7 * 24 * 3600
SECONDS: Final = [MaxValueValidator(LONGEST_WINDOW_S)]
ALL_CHANNELS: Final = _("Who is told. None chosen: every channel that takes alerts of this severity.")


class Severity(models.TextChoices):
    WARNING = "warning", _("warning")
    CRITICAL = "critical", _("critical")


class Channel(models.Model):
    """A way to tell people."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=channel_choices)
    url = EncryptedTextField(
        _("address"), blank=True, default="", help_text=_("Of the webhook or the robot; it is a secret.")
    )
    secret = EncryptedTextField(
        _("secret"),
        blank=True,
        default="",
        help_text=_("Signs what is sent, where the other side asks for it."),
    )
    recipients = models.TextField(
        _("recipients"), blank=True, help_text=_("E-mail addresses, one to a line.")
    )
    language = models.CharField(
        _("language"), max_length=7, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE
    )
    least = models.CharField(
        _("takes"), max_length=8, choices=Severity, default=Severity.WARNING,
        help_text=_("Alerts of this severity and above, unless a rule names the channel."),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        for address in self.addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError({"recipients": [f"{address}: {error.messages[0]}"]}) from None
        if self.kind in CHANNELS:
            channel_class(self.kind).check(url=self.url, recipients=self.addresses)

    @property
    def addresses(self) -> list[str]:
        return self.recipients.split()


class AlertRule(models.Model):
    """What is watched, and from where on people hear of it."""

    kind = models.CharField(_("kind"), max_length=24, choices=kind_choices)
    subject = models.CharField(
        _("only for"), max_length=100, blank=True,
        help_text=_("An account's or a model's slug, a robot's user id. Empty: for each of them by itself."),
    )  # fmt: skip
    severity = models.CharField(_("severity"), max_length=8, choices=Severity, default=Severity.WARNING)
    threshold = models.FloatField(_("alert from"), help_text=_("This value and worse is trouble."))
    clears_at = models.FloatField(
        _("well again at"), null=True, blank=True,
        help_text=_("An open alert ends when the value is better than this. Empty: than the one above."),
    )  # fmt: skip
    window_s = models.PositiveIntegerField(
        _("looks back, s"), default=300, validators=[MinValueValidator(5), *SECONDS],
        help_text=_("Beyond an hour by whole hours."),
    )  # fmt: skip
    min_count = models.PositiveIntegerField(
        _("least number"), default=0, help_text=_("Of events in that time: from fewer nothing is concluded.")
    )
    opens_after_s = models.PositiveIntegerField(
        _("opens after, s"), default=0, validators=SECONDS, help_text=_("Trouble has to last for so long.")
    )
    closes_after_s = models.PositiveIntegerField(
        _("closes after, s"), default=120, validators=SECONDS, help_text=_("All has to be well for so long.")
    )
    remind_s = models.PositiveIntegerField(
        _("repeated every, s"), null=True, blank=True, validators=[MinValueValidator(60)],
        help_text=_("Until somebody acknowledges it. Empty: it is told once."),
    )  # fmt: skip
    channels = models.ManyToManyField(
        Channel, blank=True, related_name="rules", verbose_name=_("channels"), help_text=ALL_CHANNELS
    )
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")
        ordering: ClassVar = ["kind", "subject", "pk"]

    def __str__(self) -> str:
        title = str(self.about.title)
        return f"{title}: {self.subject}" if self.subject else title

    def clean(self) -> None:
        threshold: float | None = getattr(self, "threshold", None)  # None: the form has none that is one
        if threshold is None or self.clears_at is None or self.kind not in KINDS:
            return
        if self._is_worse(self.clears_at, threshold):
            raise ValidationError({"clears_at": _("this is worse than where the alert begins")})

    @property
    def about(self) -> Kind:
        return KINDS[self.kind]

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.window_s)

    def covers(self, subject: str) -> bool:
        return self.subject in ("", subject)

    def is_trouble(self, value: float) -> bool:
        return value == self.threshold or self._is_worse(value, self.threshold)

    def is_well(self, value: float) -> bool:
        limit = self.threshold if self.clears_at is None else self.clears_at
        return self._is_worse(limit, value)

    def _is_worse(self, value: float, other: float) -> bool:
        return value < other if self.about.falls else value > other


class OpenAlerts(models.QuerySet["Alert"]):
    def unclosed(self) -> OpenAlerts:
        return self.filter(closed_at=None)

    def open(self) -> OpenAlerts:
        """Those that people hear of."""
        return self.unclosed().exclude(opened_at=None)


class Alert(models.Model):
    """Trouble that a rule has found, from its beginning to its end.

    It is pending until it has lasted for as long as the rule says; what ends before leaves no row.
    """

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="alerts", verbose_name=_("alert rule"))
    subject = models.CharField(_("for"), max_length=100, blank=True)  # "": for all of Parley
    value = models.FloatField(_("value"), default=0)
    # What the numbers were when it was last trouble: fills in the kind's sentence.
    facts = models.JSONField(_("facts"), default=dict)
    began_at = models.DateTimeField(_("since"))
    opened_at = models.DateTimeField(_("opened"), null=True)
    well_since = models.DateTimeField(_("well since"), null=True)
    closed_at = models.DateTimeField(_("closed"), null=True)
    told_at = models.DateTimeField(_("told"), null=True)  # the last time; None: nobody was
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True)

    objects = OpenAlerts.as_manager()

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "subject"], condition=Q(closed_at=None), name="one_alert_at_a_time"
            )
        ]
        indexes: ClassVar = [
            # What was long ago, and is forgotten.
            models.Index(fields=["closed_at"], name="alert_by_end"),
        ]

    def __str__(self) -> str:
        title = str(self.rule.about.title)
        return f"{title}: {self.subject}" if self.subject else title

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None and self.closed_at is None

    @property
    def sentence(self) -> str:
        """What is the matter, in the language of the page."""
        return self.rule.about.sentence(self.rule, self.subject, self.value, self.facts)


class Silence(models.Model):
    """A time in which nobody is told of what a rule finds."""

    rule = models.ForeignKey(
        AlertRule, models.CASCADE, null=True, blank=True, related_name="silences",
        verbose_name=_("alert rule"), help_text=_("Empty: all rules."),
    )  # fmt: skip
    subject = models.CharField(
        _("only for"), max_length=100, blank=True, help_text=_("As the alert names it. Empty: for all.")
    )
    until = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    made_by = models.CharField(_("made by"), max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("silence")
        verbose_name_plural = _("silences")
        ordering: ClassVar = ["-until"]

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.rule or _("all rules"), self.subject) if part)

    def covers(self, alert: Alert) -> bool:
        return self.rule_id in (None, alert.rule_id) and self.subject in ("", alert.subject)


class Notification(models.Model):
    """One message to one channel.  It is stored with what it tells of, in one transaction with its job."""

    class Event(models.TextChoices):
        OPENED = "opened", _("alert")
        REMINDER = "reminder", _("reminder")
        RECOVERED = "recovered", _("recovered")

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    channel = models.ForeignKey(
        Channel, models.CASCADE, related_name="notifications", verbose_name=_("channel")
    )
    alerts = models.ManyToManyField(Alert, related_name="notifications", verbose_name=_("alerts"))
    event = models.CharField(_("event"), max_length=10, choices=Event)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    held_until = models.DateTimeField(_("held until"), null=True)  # nobody else sends it before
    sent_at = models.DateTimeField(_("sent"), null=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        indexes: ClassVar = [
            # What is still to be sent.
            models.Index(fields=["created_at"], condition=Q(state="waiting"), name="notification_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.get_event_display()} → {self.channel}"


class Reading(models.Model):
    """What had been counted by some moment: two of them tell what was counted in between."""

    at = models.DateTimeField()
    values = models.JSONField()  # lists of a sample's name, labels and value

    class Meta:
        indexes: ClassVar = [
            # The one with which a window begins, and those that are too old.
            models.Index(fields=["at"], name="reading_by_time"),
        ]

    def __str__(self) -> str:
        return str(self.at)


class Watch(models.Model):
    """The one row by which processes agree who looks, and when somebody did last."""

    looked_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.looked_at)

"""When people are there for a robot's users, and what users are told of it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots.validation import check_mapping

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", re.ASCII)
AT_LEAST_ONE: Final = [MinValueValidator(1)]


def check_hours(hours: Any) -> None:
    """Raises ValidationError unless these are times of days of the week."""
    check_mapping(hours, dict.fromkeys(DAYS, against_spans))


def against_spans(spans: Any) -> str:
    is_list = isinstance(spans, list) and all(isinstance(span, str) for span in spans)
    if is_list and all(SPAN.fullmatch(span) and is_forward(span) for span in spans):
        return ""
    return _('must be a list of times such as "09:00-18:00"')


def is_forward(span: str) -> bool:
    begin, end = span.split("-")
    return begin < end


def check_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(_("There is no such time zone; one is Asia/Shanghai."))


class Desk(models.Model):
    """The people behind robots.  A robot has one of its own, or its account's."""

    slug = models.SlugField(
        gettext_lazy("slug"),
        unique=True,
        help_text=gettext_lazy(
            "Names this object in addresses and in the configuration file. It cannot be changed later."
        ),
    )
    time_zone = models.CharField(
        gettext_lazy("time zone"),
        max_length=50,
        blank=True,
        validators=[check_zone],
        help_text=gettext_lazy("Such as Asia/Shanghai. Empty: the site's."),
    )
    hours = models.JSONField(
        gettext_lazy("working hours"),
        default=dict,
        blank=True,
        validators=[check_hours],
        help_text=gettext_lazy(
            'Such as {"mon": ["09:00-12:00", "13:00-18:00"], "sat": ["10:00-14:00"]}; days that are not '
            "named are free. Empty: always."
        ),
    )
    closed_reply = models.TextField(
        gettext_lazy("reply outside the working hours"),
        default="Nobody is at the desk now. Please ask for a person again later.",
        help_text=gettext_lazy("What users read who ask for people then; they stay with the robot."),
    )
    waiting_reply = models.TextField(
        gettext_lazy("reply to who waits"),
        blank=True,
        help_text=gettext_lazy("What users read when they are handed to people. Empty: nothing."),
    )
    takes_failures = models.BooleanField(
        gettext_lazy("takes failures"),
        default=False,
        help_text=gettext_lazy("Users are handed to people when every model has failed."),
    )
    take_within_min = models.PositiveIntegerField(
        gettext_lazy("taken within, minutes"),
        null=True,
        blank=True,
        validators=AT_LEAST_ONE,
        help_text=gettext_lazy(
            "Whoever waits longer for a person is given back to the robot. Empty: nobody."
        ),
    )
    answer_within_min = models.PositiveIntegerField(
        gettext_lazy("answered within, minutes"),
        null=True,
        blank=True,
        validators=AT_LEAST_ONE,
        help_text=gettext_lazy(
            "An operator who leaves a user without an answer for longer loses the conversation to the robot. "
            "Empty: never."
        ),
    )
    timeout_reply = models.TextField(
        gettext_lazy("reply when that time is over"),
        default="Nobody could answer you in time, so you are back with me.",
    )
    rating_question = models.TextField(
        gettext_lazy("question for a rating"),
        default="How content are you? Please answer with a number from 1 (not at all) to 5 (very).",
        help_text=gettext_lazy("Asked when an operator resolves a conversation and wishes so."),
    )
    rating_thanks = models.TextField(gettext_lazy("thanks for a rating"), default="Thank you!")
    resolve_after_h = models.PositiveIntegerField(
        gettext_lazy("resolved after, hours"),
        default=24,
        validators=AT_LEAST_ONE,
        help_text=gettext_lazy("Conversations of the robot that are quiet for so long count as resolved."),
    )
    created_at = models.DateTimeField(gettext_lazy("created"), auto_now_add=True)

    class Meta:
        verbose_name = gettext_lazy("desk")
        verbose_name_plural = gettext_lazy("desks")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def is_open(self, moment: datetime) -> bool:
        if not self.hours:
            return True
        local = moment.astimezone(ZoneInfo(self.time_zone or settings.TIME_ZONE))
        now = f"{local.time():%H:%M}"
        # Times of one form compare as text, 24:00 included.
        return any(
            begin <= now < end
            for begin, end in (span.split("-") for span in self.hours.get(DAYS[local.weekday()], []))
        )

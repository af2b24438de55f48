"""Operators' seats at the console: how much each of them takes, and of whose conversations."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import User
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots.models import Robot, VendorAccount
from conversations.errors import ConversationError


class NoRoom(ConversationError):
    """The operator has as many conversations as they take at once."""


class IsAway(ConversationError):
    """The operator takes nothing now."""


class Seat(models.Model):
    """What is settled of one operator.  Whoever has no row takes as many as come, of all robots."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="seat", verbose_name=gettext_lazy("operator")
    )
    capacity = models.PositiveSmallIntegerField(
        gettext_lazy("conversations at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=gettext_lazy("Empty: as many as the operator takes."),
    )
    is_away = models.BooleanField(
        gettext_lazy("away"), default=False, help_text=gettext_lazy("Nobody assigns conversations to them.")
    )
    accounts = models.ManyToManyField(
        VendorAccount,
        blank=True,
        related_name="seats",
        verbose_name=gettext_lazy("only of these accounts"),
        help_text=gettext_lazy("Without accounts and robots: of all. The limit holds for the console."),
    )
    robots = models.ManyToManyField(
        Robot, blank=True, related_name="seats", verbose_name=gettext_lazy("only of these robots")
    )

    class Meta:
        verbose_name = gettext_lazy("seat")
        verbose_name_plural = gettext_lazy("seats")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(capacity=None) | models.Q(capacity__gt=0), name="a_seat_takes_one_at_least"
            )
        ]

    def __str__(self) -> str:
        return str(self.user)


def robots_of(user: User) -> frozenset[int] | None:
    """The ids of the robots whose conversations the user is limited to; None: of all.  One query."""
    rows = Seat.objects.filter(user=user).values_list("robots", "accounts", "accounts__robots")
    limits = [(robot, account, its_robot) for robot, account, its_robot in rows if robot or account]
    if not limits:
        return None
    return frozenset(pk for robot, _account, its_robot in limits for pk in (robot, its_robot) if pk)


def claim(operator: User, held: models.QuerySet[models.Model]) -> None:
    """See to it, until the end of the transaction, that the operator has room for one more besides what is
    `held`.  Raises NoRoom."""
    # Locked, or two conversations taken at once would both find the last place free.
    seat = Seat.objects.select_for_update().filter(user=operator).first()
    if seat and seat.capacity is not None and held.count() >= seat.capacity:
        raise NoRoom(_("%(name)s has %(count)d conversations already.") % {
            "name": operator.get_username(), "count": seat.capacity
        })  # fmt: skip


def check_presence(operator: User) -> None:
    """Raises IsAway."""
    if Seat.objects.filter(user=operator, is_away=True).exists():
        raise IsAway(_("%(name)s is away.") % {"name": operator.get_username()})


def set_away(user: User, is_away: bool) -> None:
    Seat.objects.update_or_create(user=user, defaults={"is_away": is_away})

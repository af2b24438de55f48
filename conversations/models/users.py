"""Users of apps, and the apps themselves."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import AbstractAPIKey

from bots.models import Tier, VendorAccount


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

"""Accounts at vendors, and what workers note of them."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bots import validation
from bots.desks import Desk
from bots.fields import EncryptedJSONField
from bots.models.base import SLUG_HELP, Budget
from bots.vendors import VENDORS, vendor_choices, vendor_class


class VendorAccount(Budget):
    """An app at an IM cloud: where callbacks come from and messages go to."""

    class Call(models.TextChoices):
        """The kinds of call that a vendor counts apart."""

        SEND = "send", _("send")
        EDIT = "edit", _("edit")
        HISTORY = "history", _("history")

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    vendor = models.CharField(_("vendor"), max_length=20, choices=vendor_choices)
    config = EncryptedJSONField(_("settings at the vendor"), default=dict, blank=True)
    limits = models.JSONField(
        _("limits"),
        default=dict,
        blank=True,
        help_text=_("Calls a second that the vendor allows this app: send_per_s, edit_per_s, history_per_s."),
    )
    desk = models.ForeignKey(
        Desk, models.PROTECT, null=True, blank=True, related_name="accounts", verbose_name=_("desk"),
        help_text=_("The people behind its robots, unless a robot has a desk of its own."),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("vendor account")
        verbose_name_plural = _("vendor accounts")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Check the JSON fields, and complete `config` with the vendor's defaults, in the vendor's types."""
        problems: dict[str, Any] = {}
        try:
            validation.check_limits(self.limits)
        except ValidationError as error:
            problems["limits"] = error.error_list
        try:
            if self.vendor in VENDORS:
                self.config = validation.clean_config(vendor_class(self.vendor), self.config)
        except ValidationError as error:
            problems["config"] = error.error_list
        if problems:
            raise ValidationError(problems)

    def allowance(self, call: Call) -> float:
        """Calls a second that the vendor allows this app."""
        allowed: float = self.limits.get(f"{call.value}_per_s") or vendor_class(self.vendor).calls_per_s
        return allowed


class Pace(models.Model):
    """How far an account's allowance for one kind of call is spoken for.

    The table is UNLOGGED (see the migration): a row is worth nothing after a crash, and without a log
    to flush its lock is held for microseconds.
    """

    account = models.ForeignKey(VendorAccount, models.CASCADE, related_name="paces")
    call = models.CharField(max_length=40)  # one of VendorAccount.Call, or what a higher app calls its own
    next_at = models.DateTimeField()  # when the next call may leave

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "call"], name="one_pace_per_account_and_call")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.call}"


class AccountMemory(models.Model):
    """What the workers have learnt of an account at its vendor, such as a token.  It can be learnt anew."""

    account = models.OneToOneField(VendorAccount, models.CASCADE, related_name="memory")
    kept = EncryptedJSONField(default=dict)  # see bots.vendors.memory

    def __str__(self) -> str:
        return str(self.account_id)

    @property
    def note(self) -> str:
        """What a person should know of it, in the language of the page."""
        is_current = time.time() < self.kept.get("note_until", 0)
        return gettext(self.kept["note"]) if is_current else ""

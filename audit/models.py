"""Who did what.  Entries are added and never changed: the database refuses it (see the migration)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Entry(models.Model):
    """One deed.  It names people and objects by words, which outlive them."""

    class Deed(models.TextChoices):
        CREATED = "created", _("created")
        CHANGED = "changed", _("changed")
        DELETED = "deleted", _("deleted")
        TOOK_OVER = "took_over", _("took over")
        ASSIGNED = "assigned", _("assigned")
        HANDED_BACK = "handed_back", _("handed back")
        RESOLVED = "resolved", _("resolved")
        EXPORTED = "exported", _("exported")
        ERASED = "erased", _("erased")
        READ = "read", _("read personal data")

    at = models.DateTimeField(_("time"), default=timezone.now)
    who = models.CharField(_("who"), max_length=150)  # a user's or an API key's name, or a command's
    deed = models.CharField(_("deed"), max_length=12, choices=Deed)
    what = models.CharField(_("what"), max_length=200)  # as in "robot acme/ada"
    details = models.TextField(_("details"), blank=True)  # without secrets

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        indexes: ClassVar = [
            # The admin's list of what one did.
            models.Index(fields=["who", "-id"], name="entry_by_who"),
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.get_deed_display()} {self.what}"

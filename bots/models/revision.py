"""What the configuration is known by."""

from __future__ import annotations

from django.db import models


class Revision(models.Model):
    """What the configuration is known by until it changes; triggers write it, see `bots.known`.  The tables
    of all that admins configure have one; those that are written as work goes on have none."""

    value = models.UUIDField(primary_key=True)

    def __str__(self) -> str:
        return str(self.value)

"""What has been counted, by all processes together."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Total(models.Model):
    """One sample of a metric: the sum of what every process, living or gone, has counted for it."""

    name = models.CharField(max_length=100)  # the sample's, such as parley_turns_total
    labels = models.JSONField(default=dict)
    value = models.FloatField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "labels"], name="one_total_per_sample")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.labels}"


class Hour(models.Model):
    """How much a sample has grown within one hour.  Kept for a while, for the admin's front page."""

    hour = models.DateTimeField()  # its beginning
    name = models.CharField(max_length=100)
    labels = models.JSONField(default=dict)
    value = models.FloatField(default=0)

    class Meta:
        constraints: ClassVar = [
            # Also finds the hours of a period, and those that are old.
            models.UniqueConstraint(fields=["hour", "name", "labels"], name="one_hour_per_sample")
        ]

    def __str__(self) -> str:
        return f"{self.hour} {self.name} {self.labels}"

"""What models took, summed up."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from bots.models import LanguageModel, Robot, Tier


class UsageSum(models.Model):
    """What the calls of an hour took, of a robot, a model, a tier and a currency.

    An hour has several where its calls were summed up in several steps.  All calls up to the highest `until`
    are in a sum, and none of them changes any more.  Of whoever is gone the sums stay.
    """

    until = models.BigIntegerField()  # the id of the last call of its step
    hour = models.DateTimeField()  # its beginning, as calls have it in `started_at`
    robot = models.ForeignKey(Robot, models.SET_NULL, null=True, related_name="+", db_index=False)
    model = models.ForeignKey(LanguageModel, models.SET_NULL, null=True, related_name="+", db_index=False)
    tier = models.ForeignKey(Tier, models.SET_NULL, null=True, related_name="+", db_index=False)
    currency = models.CharField(max_length=3, blank=True)
    turns = models.BigIntegerField()  # whose first call is among these, of those in this currency
    turns_of_model = models.BigIntegerField()  # likewise, of those of this model too
    calls = models.BigIntegerField()
    input_tokens = models.BigIntegerField()
    cached_input_tokens = models.BigIntegerField()
    output_tokens = models.BigIntegerField()
    cost = models.DecimalField(max_digits=20, decimal_places=8)
    first_tokens = models.BigIntegerField()  # how many calls came to one
    first_token = models.DurationField()  # of these together
    ends = models.BigIntegerField()
    total = models.DurationField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["until"], name="usage_until"),  # How far calls are summed up.
            models.Index(fields=["hour"], name="usage_by_hour"),  # What was used in some time (`/usage`).
        ]

    def __str__(self) -> str:
        return f"{self.hour} {self.robot_id} {self.model_id} {self.tier_id} {self.currency}"

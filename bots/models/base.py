"""What several models share."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

SLUG_HELP = _("Names this object in addresses and in the configuration file. It cannot be changed later.")


DEADLINE: Final = [MinValueValidator(0.1), MaxValueValidator(3600)]


PRICE: Final = [MinValueValidator(Decimal(0))]


class Budget(models.Model):
    """Limits on what models may take.

    A limit on cost holds for each currency by itself: nothing is converted.
    """

    daily_tokens = models.PositiveBigIntegerField(
        _("tokens a day"), null=True, blank=True, help_text=_("In and out together. Empty: no limit.")
    )
    monthly_tokens = models.PositiveBigIntegerField(_("tokens a month"), null=True, blank=True)
    daily_cost = models.DecimalField(
        _("cost a day"), max_digits=14, decimal_places=4, null=True, blank=True, validators=PRICE,
        help_text=_("In the currency of the model that answers; each currency counts by itself."),
    )  # fmt: skip
    monthly_cost = models.DecimalField(
        _("cost a month"), max_digits=14, decimal_places=4, null=True, blank=True, validators=PRICE
    )

    class Meta:
        abstract = True

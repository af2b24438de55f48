"""Language models, what they cost and how they are."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from bots import validation
from bots.fields import EncryptedTextField
from bots.llms import APIS, api_choices, client_class
from bots.llms.base import Endpoint, Timeouts, Usage
from bots.models.base import DEADLINE, PRICE, SLUG_HELP


class LanguageModel(models.Model):
    """A model that can answer, and how to ask it."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    api = models.CharField(_("API"), max_length=20, choices=api_choices)
    base_url = models.CharField(
        _("base address"),
        blank=True,
        max_length=500,
        validators=[validation.check_address],
        help_text=_(
            "Everything before /chat/completions, with its version part; "
            "for Anthropic, everything before /v1/messages."
        ),
    )
    api_key = EncryptedTextField(_("API key"), blank=True, default="")
    model = models.CharField(
        _("model name"), max_length=200, help_text=_("The provider's own name of the model.")
    )
    params = models.JSONField(
        _("parameters"),
        default=dict,
        blank=True,
        help_text=_("Sent with every request as they are, such as temperature and max_tokens."),
    )
    takes_images = models.BooleanField(
        _("takes images"),
        default=False,
        help_text=_("It is shown the pictures that users send; others are only told that there is one."),
    )
    connect_s = models.FloatField(_("connect deadline, s"), default=5, validators=DEADLINE)
    first_token_s = models.FloatField(_("first token deadline, s"), default=20, validators=DEADLINE)
    stall_s = models.FloatField(_("stall deadline, s"), default=30, validators=DEADLINE)
    total_s = models.FloatField(_("total deadline, s"), default=120, validators=DEADLINE)
    max_concurrency = models.PositiveIntegerField(
        _("calls at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Over all workers together. Empty: as many as come."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("language model")
        verbose_name_plural = _("language models")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        if self.api in APIS:
            validation.check_model(client_class(self.api), base_url=self.base_url, params=self.params)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            slug=self.slug,
            model=self.model,
            base_url=self.base_url,
            api_key=self.api_key,
            params=self.params,
            timeouts=Timeouts(
                connect_s=self.connect_s,
                first_token_s=self.first_token_s,
                stall_s=self.stall_s,
                total_s=self.total_s,
            ),
        )

    @cached_property
    def price(self) -> Price:
        """The price that is valid now."""
        return self.price_at(timezone.now())

    def price_at(self, moment: datetime) -> Price:
        """The price that was valid then; one of nothing where none was given."""
        begun = [price for price in self.prices.all() if price.valid_from <= moment]
        return max(begun, key=lambda price: price.valid_from, default=Price(model=self))


class Price(models.Model):
    """What a model costs from some time on, per million tokens."""

    model = models.ForeignKey(
        LanguageModel, models.CASCADE, related_name="prices", verbose_name=_("language model")
    )
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Three capital letters, such as CNY."))],
        help_text=_("ISO 4217. Prices are per million tokens."),
    )
    input = models.DecimalField(
        _("input price"), max_digits=12, decimal_places=6, default=Decimal(0), validators=PRICE
    )
    cached_input = models.DecimalField(
        _("cached input price"), max_digits=12, decimal_places=6, null=True, blank=True, validators=PRICE,
        help_text=_("Empty: cached tokens cost as much as others."),
    )  # fmt: skip
    output = models.DecimalField(
        _("output price"), max_digits=12, decimal_places=6, default=Decimal(0), validators=PRICE
    )

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering: ClassVar = ["model", "-valid_from"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "valid_from"], name="one_price_at_a_time")
        ]

    def __str__(self) -> str:
        amounts = f"{self.input.normalize():f} / {self.output.normalize():f}"
        return f"{amounts} {self.currency}" if self.currency else "–"

    def clean(self) -> None:
        if not self.currency and any((self.input, self.cached_input, self.output)):
            raise ValidationError({"currency": _("a price needs a currency")})

    @property
    def amounts(self) -> tuple[str, Decimal, Decimal | None, Decimal]:
        return self.currency, self.input, self.cached_input, self.output

    def of(self, usage: Usage) -> Decimal:
        """What so many tokens cost."""
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = usage.input - usage.cached_input
        return (fresh * self.input + usage.cached_input * cached + usage.output * self.output) / 1_000_000


class ModelHealth(models.Model):
    """What the workers have learnt of a model by asking it; see `bots.health`.  No row: nothing bad."""

    model = models.OneToOneField(LanguageModel, models.CASCADE, primary_key=True, related_name="health")
    rests_until = models.DateTimeField(null=True)  # nobody asks it before
    is_broken = models.BooleanField(default=False)  # after its rest, one call at a time tries it
    trial_until = models.DateTimeField(null=True)  # until when another call may not try it
    reason = models.TextField(blank=True)  # the error that decided
    counted_since = models.DateTimeField(null=True)  # the first failure that is counted
    calls = models.PositiveIntegerField(default=0)  # since then, failed ones included
    failures = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.model_id)

    @property
    def is_resting(self) -> bool:
        return self.rests_until is not None and self.rests_until > timezone.now()

"""Which models answer what."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from bots import validation
from bots.models.base import SLUG_HELP
from bots.models.language_models import LanguageModel


class Route(models.Model):
    """Which models answer, in which order."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    classifier = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, blank=True, related_name="classified_routes",
        verbose_name=_("classifier"),
        help_text=_(
            "A small, fast model that finds out what users want and how hard it is, where a rule asks for "
            "it. If it fails or takes longer than 3 seconds, keywords decide. Empty: they always do."
        ),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug


class Intent(models.Model):
    """Something that users want, told by words that they use for it."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    keywords = models.JSONField(
        _("keywords"),
        validators=[validation.check_keywords],
        help_text=_(
            "One a line. Capitals do not matter. Letters are found as whole words, with * at the end as the "
            "beginning of one; Chinese is found anywhere."
        ),
    )
    position = models.PositiveSmallIntegerField(
        _("position"),
        default=0,
        help_text=_("Of intents with as many words in a message, the one with the lowest is taken."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("intent")
        verbose_name_plural = _("intents")
        ordering: ClassVar = ["position", "slug"]

    def __str__(self) -> str:
        return self.slug


class Rule(models.Model):
    """One step of a route: the first rule whose conditions hold names the models, or hands over to people."""

    route = models.ForeignKey(Route, models.CASCADE, related_name="rules", verbose_name=_("route"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    when = models.JSONField(
        _("when"),
        default=dict,
        blank=True,
        validators=[validation.check_condition],
        help_text=_("All given conditions must hold; empty: always."),
    )
    hands_over = models.BooleanField(
        _("hand over to people"),
        default=False,
        help_text=_(
            "No model is asked: the user waits for a person. Passed over while nobody is at the desk."
        ),
    )
    models = models.ManyToManyField(
        LanguageModel, through="RuleModel", related_name="rules", verbose_name=_("models")
    )

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering: ClassVar = ["route", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["route", "position"],
                name="one_rule_per_position",
                deferrable=models.Deferrable.DEFERRED,  # so that rules can change places
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.position + 1}"


class RuleModel(models.Model):
    """A model's place in a rule."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="choices", verbose_name=_("rule"))
    model = models.ForeignKey(LanguageModel, models.PROTECT, related_name="choices", verbose_name=_("model"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("model of a rule")
        verbose_name_plural = _("models of a rule")
        ordering: ClassVar = ["rule", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "model"], name="a_model_once_per_rule"),
            models.UniqueConstraint(
                fields=["rule", "position"],
                name="one_model_per_position",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return str(self.model)

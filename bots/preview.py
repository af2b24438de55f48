"""Which model would answer this?  A route's rules, tried on what an admin makes up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from bots import health, intents, routing
from bots.classifying import classify
from bots.events import CONTENT_KINDS
from bots.forms.routes import KIND_LABELS
from bots.models import LanguageModel, Route, Tier


class PreviewForm(forms.Form):
    text = forms.CharField(
        required=False,
        label=_("Message"),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": _("What a user might write")}),
    )
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[(kind, KIND_LABELS[kind]) for kind in CONTENT_KINDS],
        widget=UnfoldAdminSelectWidget,
    )
    tier = forms.ChoiceField(required=False, label=_("Tier"), widget=UnfoldAdminSelectWidget)
    spent = forms.DecimalField(
        required=False, label=_("Cost so far today"), min_value=0, widget=UnfoldAdminDecimalFieldWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tiers = Tier.objects.values_list("slug", "slug")
        self.fields["tier"].choices = [("", "–"), *tiers]  # type: ignore[attr-defined]

    @property
    def facts(self) -> routing.Facts:
        given = self.cleaned_data
        return routing.Facts(
            kinds=frozenset([given["kind"]]),
            verdict=classify(given["text"], intents.known()),
            tier=given["tier"],
            spent=given["spent"] or Decimal(0),
        )


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The form, and once it was sent what came of it."""

    form: PreviewForm
    classifier: LanguageModel | None = None  # the preview does not ask it
    decision: routing.Decision | None = None
    trials: list[routing.Trial] = field(default_factory=list)

    @property
    def troubled(self) -> set[int]:
        """Models that nobody asks at the moment."""
        models = health.as_now(self.decision.models if self.decision else [])
        return {model.pk for model in models if health.rest_s(model) or health.is_broken(model)}


def preview(route: Route, query: Mapping[str, str]) -> Preview:
    form = PreviewForm(query if "kind" in query else None)
    if not form.is_valid():
        return Preview(form=form)
    rules = routing.rules_of(route.pk)
    return Preview(
        form=form,
        classifier=LanguageModel.objects.filter(classified_routes=route).first(),
        decision=routing.decide(rules, form.facts),
        trials=[routing.test(rule, form.facts) for rule in rules],
    )

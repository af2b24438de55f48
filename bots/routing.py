"""Which models answer, in which order."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Prefetch

from bots.models import LanguageModel, Route, Rule, RuleModel


def models_for(route: Route, *, kinds: Collection[str]) -> list[LanguageModel]:
    """The models of the first rule that matches a turn with messages of these kinds, in order."""
    choices = Prefetch("choices", RuleModel.objects.select_related("model__health"))
    for rule in route.rules.prefetch_related(choices):
        if matches(rule, kinds=kinds):
            return [choice.model for choice in rule.choices.all() if choice.model.enabled]
    return []


def matches(rule: Rule, *, kinds: Collection[str]) -> bool:
    """Whether all conditions of the rule hold."""
    wanted = rule.when.get("kinds")
    return wanted is None or not set(wanted).isdisjoint(kinds)

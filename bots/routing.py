"""Which models answer, in which order, or whether people do, and why those: the first rule of a route whose
conditions all hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db.models import Prefetch
from django.utils.translation import gettext as _

from bots.classifying import Verdict
from bots.events import JSONDict
from bots.models import LanguageModel, Rule, RuleModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rules ask about a turn."""

    kinds: frozenset[str] = frozenset()  # of the messages to be answered
    verdict: Verdict = field(default_factory=Verdict)  # on their text
    tier: str = ""  # the user's; "": none
    spent: Decimal = Decimal(0)  # by the user today, in the currency in which it is most


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A rule, and which of its conditions hold."""

    rule: Rule
    holds: dict[str, bool]

    @property
    def matches(self) -> bool:
        return all(self.holds.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The rule that matched, and its models."""

    facts: Facts
    rule: Rule | None
    models: list[LanguageModel]

    @property
    def is_for_people(self) -> bool:
        return self.rule is not None and self.rule.hands_over

    @property
    def reasons(self) -> JSONDict:
        """Why those, as it is kept with a turn."""
        verdict = self.facts.verdict
        return {
            "rule": self.rule.position + 1 if self.rule else None,
            "when": self.rule.when if self.rule else {},
            "kinds": sorted(self.facts.kinds),
            "intent": verdict.intent,
            "words": list(verdict.words),
            "complexity": verdict.complexity,
            "features": dict(verdict.features),
            "source": verdict.source,
            "tier": self.facts.tier,
            "spent": f"{self.facts.spent.normalize():f}",
        }


CONDITIONS: Final[dict[str, Callable[[Any, Facts], bool]]] = {
    "kinds": lambda kinds, facts: not facts.kinds.isdisjoint(kinds),
    "intents": lambda intents, facts: facts.verdict.intent in intents,
    "min_complexity": lambda least, facts: facts.verdict.complexity >= least,
    "tiers": lambda tiers, facts: facts.tier in tiers,
    "max_spent": lambda most, facts: facts.spent <= Decimal(str(most)),
}


def rules_of(route_id: int) -> list[Rule]:
    """The route's rules in order, with their models and what those cost: three queries."""
    choices = Prefetch("choices", RuleModel.objects.select_related("model").prefetch_related("model__prices"))
    return list(Rule.objects.filter(route=route_id).prefetch_related(choices))


def decide(rules: list[Rule], facts: Facts) -> Decision:
    """The first rule that matches decides."""
    rule = next((rule for rule in rules if test(rule, facts).matches), None)
    choices = rule.choices.all() if rule else []
    return Decision(
        facts=facts, rule=rule, models=[choice.model for choice in choices if choice.model.enabled]
    )


def test(rule: Rule, facts: Facts) -> Trial:
    return Trial(rule=rule, holds={key: CONDITIONS[key](value, facts) for key, value in rule.when.items()})


def of_models(rules: list[Rule]) -> list[Rule]:
    """Those that hold where there are no people to hand over to."""
    return [rule for rule in rules if not rule.hands_over]


def asks_for(rules: list[Rule], condition: str) -> bool:
    """Whether any rule has such a condition."""
    return any(condition in rule.when for rule in rules)


def describe(when: JSONDict) -> str:
    """A condition in a line; * for none."""
    return "; ".join(f"{key}: {listed(value)}" for key, value in when.items()) or "*"


def answering(rule: Rule) -> str:
    """Who answers by this rule, in a line."""
    return _("people") if rule.hands_over else ", ".join(choice.model.slug for choice in rule.choices.all())


def listed(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)

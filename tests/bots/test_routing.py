from __future__ import annotations

from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from bots import routing
from bots.classifying import Verdict
from bots.events import JSONDict
from bots.models import Route
from bots.routing import Facts
from tests.support.factories import make_model, make_route

pytestmark = pytest.mark.django_db

FACTS = Facts(
    kinds=frozenset({"text", "image"}),
    verdict=Verdict(intent="refund", words=("refund*",), complexity=0.5, features={"length": 0.5}),
    tier="vip",
    spent=Decimal("1.5"),
)


@pytest.fixture
def route() -> Route:
    """A rule with a condition that a test fills in, and one that always fits."""
    return make_route("default", [make_model("strong"), make_model("fast")], [make_model("cheap")])


def decide(route: Route, when: JSONDict) -> routing.Decision:
    route.rules.filter(position=0).update(when=when)
    return routing.decide(routing.rules_of(route.pk), FACTS)


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"kinds": ["image", "voice"]},
        {"intents": ["refund", "complaint"]},
        {"min_complexity": 0.5},
        {"tiers": ["vip"]},
        {"max_spent": 1.5},
        {"kinds": ["text"], "intents": ["refund"], "min_complexity": 0, "tiers": ["vip"], "max_spent": 2},
    ],
)
def test_a_rule_whose_conditions_all_hold_decides(route: Route, when: JSONDict) -> None:
    assert [model.slug for model in decide(route, when).models] == ["strong", "fast"]


@pytest.mark.parametrize(
    "when",
    [
        {"kinds": ["voice"]},
        {"intents": ["complaint"]},
        {"min_complexity": 0.51},
        {"tiers": ["free"]},
        {"max_spent": 1.4},
        {"kinds": ["text"], "tiers": ["free"]},
    ],
)
def test_otherwise_the_next_one_does(route: Route, when: JSONDict) -> None:
    assert [model.slug for model in decide(route, when).models] == ["cheap"]


def test_no_rule_may_fit(route: Route) -> None:
    route.rules.update(when={"kinds": ["voice"]})
    decision = routing.decide(routing.rules_of(route.pk), FACTS)
    assert (decision.rule, decision.models) == (None, [])


def test_the_reasons_are_told(route: Route) -> None:
    assert decide(route, {"tiers": ["vip"]}).reasons == {
        "rule": 1,
        "when": {"tiers": ["vip"]},
        "kinds": ["image", "text"],
        "intent": "refund",
        "words": ["refund*"],
        "complexity": 0.5,
        "features": {"length": 0.5},
        "source": "keywords",
        "tier": "vip",
        "spent": "1.5",
    }


def test_a_route_is_read_in_three_queries(
    route: Route, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3):
        for rule in routing.rules_of(route.pk):
            for choice in rule.choices.all():
                assert choice.model.price.currency == ""

"""Which models a turn asks, by what its user wrote, who that is and what was spent, and why."""

from __future__ import annotations

import pytest

from bots.models import Intent, LanguageModel, Price, Robot, Route, Rule, RuleModel, Tier
from conversations import transcript, turns
from conversations.models import Turn
from tests.conversations.conftest import Hear
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def special(route: Route) -> Rule:
    """A first rule with a model of its own; the test says when."""
    Intent.objects.create(slug="weather", keywords=["rain*", "天气"])
    route.rules.update(position=1)
    model = LanguageModel.objects.create(
        slug="special", api="scripted", model="special", params={"reply": "Special: {message}"}
    )
    rule = Rule.objects.create(route=route, position=0)
    RuleModel.objects.create(rule=rule, model=model)
    return rule


def set_condition(rule: Rule, **when: object) -> None:
    rule.when = when
    rule.save()


def test_an_intent_has_its_models(hear: Hear, cloud: Cloud, special: Rule) -> None:
    set_condition(special, intents=["weather"])
    turns.answer(hear("will it rain?").pk)
    turns.answer(hear("hello", id_="2").pk)
    assert cloud.shown() == ["Special: will it rain?", "You said: hello"]


def test_complexity_has_its_models(hear: Hear, cloud: Cloud, special: Rule) -> None:
    set_condition(special, min_complexity=0.4)
    turns.answer(hear("Why? Compare both and explain the difference.").pk)
    turns.answer(hear("hello", id_="2").pk)
    assert [text[:7] for text in cloud.shown()] == ["Special", "You sai"]


def test_a_tier_has_its_models(hear: Hear, cloud: Cloud, special: Rule) -> None:
    set_condition(special, tiers=["vip"])
    turns.answer(hear("hello").pk)
    Robot.objects.update(default_tier=Tier.objects.create(slug="vip"))
    turns.answer(hear("again", id_="2").pk)
    assert cloud.shown() == ["You said: hello", "Special: again"]


def test_whoever_has_spent_much_gets_other_models(hear: Hear, cloud: Cloud, special: Rule) -> None:
    set_condition(special, max_spent=1)
    model = LanguageModel.objects.get(slug="special")
    Price.objects.create(model=model, currency="CNY", output=500_000)
    turns.answer(hear("hello").pk)
    turns.answer(hear("again", id_="2").pk)
    assert cloud.shown() == ["Special: hello", "You said: again"]
    assert "spent today 2" in transcript.why(Turn.objects.order_by("-id")[0])


def test_the_whole_burst_is_judged(hear: Hear, cloud: Cloud, special: Rule) -> None:
    set_condition(special, intents=["weather"])
    turns.answer(hear("hello", "天气怎么样").pk)
    assert cloud.shown() == ["Special: hello\n天气怎么样"]


def test_why_that_model_is_kept_and_told(hear: Hear, special: Rule) -> None:
    set_condition(special, intents=["weather"])
    turns.answer(hear("Why does it rain?").pk)
    turn = Turn.objects.get()
    assert transcript.why(turn) == (
        "rule 1 (intents: weather) · intent weather (rain*) · complexity 0.21 (length 0.01, reasoning 0.2)"
    )


def test_a_message_that_no_rule_is_for_is_told(hear: Hear, cloud: Cloud, special: Rule) -> None:
    Rule.objects.update(when={"kinds": ["voice"]})
    turns.answer(hear("hello").pk)
    assert cloud.shown() == ["Sorry."]
    assert transcript.why(Turn.objects.get()).startswith("no rule fits (*)")

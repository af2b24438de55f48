"""Which models a turn asks, by what its user wrote, who that is and what was spent, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from bots import judging
from bots.llms.scripted import Scripted
from bots.models import (
    Intent,
    LanguageModel,
    ModelHealth,
    Policy,
    Price,
    Robot,
    Route,
    Rule,
    RuleModel,
    Tier,
)
from conversations import ownership, transcript, turns
from conversations.models import ModelCall, Turn
from tests.bots.llms.provider import Provider
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


@pytest.fixture
def tiny(route: Route, special: Rule) -> LanguageModel:
    """The route's classifier, which takes everything for a question about the weather."""
    set_condition(special, intents=["weather"])
    tiny = LanguageModel.objects.create(slug="tiny", api="scripted", model="tiny")
    script(tiny, reply='{"intent": "weather", "complexity": 0.9}')
    Price.objects.create(model=tiny, currency="CNY", output=500_000)
    Route.objects.update(classifier=tiny)
    return tiny


def script(model: LanguageModel, **params: object) -> None:
    model.params = params
    model.save()


def called() -> list[tuple[str, str]]:
    return list(ModelCall.objects.order_by("id").values_list("model__slug", "outcome"))


def test_a_classifier_decides_and_is_paid_for(hear: Hear, cloud: Cloud, tiny: LanguageModel) -> None:
    turns.answer(hear("Do I need an umbrella?").pk)

    turn = Turn.objects.get()
    assert cloud.shown() == ["Special: Do I need an umbrella?"]
    assert called() == [("tiny", "answered"), ("special", "answered")]
    assert list(ModelCall.objects.values_list("purpose", flat=True).order_by("id")) == ["verdict", "answer"]
    assert turn.cost == ModelCall.objects.get(model=tiny).cost > 0
    assert turn.choice is not None
    assert (turn.choice["source"], turn.choice["intent"], turn.choice["complexity"]) == (
        "model",
        "weather",
        0.9,
    )
    assert "intent weather · complexity 0.9 · judged by the classifier" in transcript.why(turn)
    assert turn.model == LanguageModel.objects.get(slug="special")


@pytest.mark.parametrize(
    "params, outcome",
    [
        ({"fail": "too_slow"}, "failed"),
        ({"fail": "unreachable", "reply": '{"intent": ', "fail_after_chars": 11}, "failed"),
        ({"reply": "The weather, I think."}, "answered"),
    ],
)
def test_keywords_decide_where_the_classifier_fails(
    hear: Hear, cloud: Cloud, tiny: LanguageModel, params: dict[str, object], outcome: str
) -> None:
    script(tiny, **params)

    turns.answer(hear("hello").pk)
    turns.answer(hear("will it rain?", id_="2").pk)

    assert cloud.shown() == ["You said: hello", "Special: will it rain?"]
    assert called()[::2] == [("tiny", outcome)] * 2
    assert [turn.choice and turn.choice["source"] for turn in Turn.objects.all()] == ["keywords"] * 2


def test_a_classifier_that_hangs_is_not_waited_for(
    hear: Hear, cloud: Cloud, tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "DEADLINES", replace(judging.DEADLINES, first_token_s=0.2))
    with Provider(lambda exchange: exchange.wait_for_hang_up()) as provider:
        LanguageModel.objects.filter(pk=tiny.pk).update(api="openai", base_url=provider.url, params={})

        turns.answer(hear("will it rain?").pk)

    assert cloud.shown() == ["Special: will it rain?"]
    assert called() == [("tiny", "failed"), ("special", "answered")]


def test_a_classifier_is_asked_only_where_a_rule_needs_it(
    hear: Hear, cloud: Cloud, tiny: LanguageModel, special: Rule
) -> None:
    set_condition(special, tiers=["vip"])
    turns.answer(hear("hello").pk)
    set_condition(special, intents=["weather"])
    LanguageModel.objects.filter(pk=tiny.pk).update(enabled=False)
    turns.answer(hear("hello", id_="2").pk)

    assert cloud.shown() == ["You said: hello"] * 2
    assert not ModelCall.objects.filter(model=tiny).exists()


def test_a_classifier_that_fails_too_often_is_left_alone(
    hear: Hear, cloud: Cloud, tiny: LanguageModel
) -> None:
    ModelHealth.objects.create(model=tiny, is_broken=True, rests_until=timezone.now() + timedelta(seconds=9))

    turns.answer(hear("will it rain?").pk)

    assert cloud.shown() == ["Special: will it rain?"]
    assert called() == [("special", "answered")]


def test_a_classifier_sees_no_personal_data(hear: Hear, tiny: LanguageModel) -> None:
    Robot.objects.update(policy=Policy.objects.create(slug="private", input_mask_pii=True))
    Scripted.requests.clear()

    turns.answer(hear("Call 13812345678 when it rains").pk)

    assert Scripted.requests[0].endpoint.slug == "tiny"
    assert Scripted.requests[0].prompt.messages[-1].content == "Call [PHONE_1] when it rains"


def test_a_turn_that_is_stopped_does_not_wait_for_the_classifier(
    hear: Hear, cloud: Cloud, tiny: LanguageModel
) -> None:
    script(tiny, first_token_ms=60_000)
    conversation = hear("will it rain?")

    def on_call(call: str) -> None:
        if call == "send":
            ownership.interrupt(conversation)

    cloud.on_call = on_call

    turns.answer(conversation.pk)

    assert Turn.objects.get().state == Turn.State.STOPPED
    assert called() in ([("tiny", "cut")], [])

"""A turn goes by the configuration as it is when it begins, though processes keep that in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from bots.configuration.applying import apply
from bots.models import (
    Intent,
    LanguageModel,
    Policy,
    Robot,
    Rule,
    RuleModel,
    Tier,
    WordList,
    WordListVersion,
)
from bots.wordlists import upload_words
from conversations import turns, users
from conversations.models import Turn
from tests.conversations.conftest import Hear
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)

REPLY = {"reply": "Now I say: {message}"}
MODEL = {
    "slug": "script", "api": "scripted", "base_url": "", "model": "script", "api_key": "",
    "params": json.dumps(REPLY), "connect_s": "5", "first_token_s": "20", "stall_s": "30", "total_s": "120",
    "max_concurrency": "", "enabled": "on", "prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0",
}  # fmt: skip
FILE = f"models: [{{slug: script, api: scripted, model: script, params: {json.dumps(REPLY)}}}]"

type Change = Callable[[], object]


@pytest.fixture
def word_list(db: None) -> WordList:
    word_list = WordList(slug="l")
    upload_words(word_list, ["one"])
    return word_list


@pytest.fixture(params=["admin", "apply", "sql"])
def change(request: pytest.FixtureRequest, admin_client: Client, tmp_path: Path) -> Change:
    """Gives the model another answer, by one of the ways there are."""

    def by_admin() -> None:
        page = reverse("admin:bots_languagemodel_change", args=[LanguageModel.objects.get().pk])
        assert admin_client.post(page, MODEL).status_code == 302

    def by_file() -> None:
        file = tmp_path / "parley.yaml"
        file.write_text(FILE)
        apply([file], environment={})

    def by_statement() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE bots_languagemodel SET params = %s", [json.dumps(REPLY)])

    return {"admin": by_admin, "apply": by_file, "sql": by_statement}[request.param]


def test_the_next_turn_goes_by_what_was_changed(hear: Hear, cloud: Cloud, change: Change) -> None:
    turns.answer(hear("hello").pk)
    change()
    turns.answer(hear("hello", id_="2").pk)
    assert cloud.shown() == ["You said: hello", "Now I say: hello"]


def test_everything_that_a_turn_goes_by_may_change(hear: Hear, cloud: Cloud, robot: Robot) -> None:
    turns.answer(hear("rain").pk)
    other = LanguageModel.objects.create(slug="o", api="scripted", model="o", params={"reply": "Other."})
    RuleModel.objects.create(
        rule=Rule.objects.create(route=robot.route, position=1, when={"intents": ["weather"]}), model=other
    )
    Rule.objects.filter(position=0).update(when={"kinds": ["image"]})
    Intent.objects.create(slug="weather", keywords=["rain"])
    turns.answer(hear("rain", id_="2").pk)
    Robot.objects.update(policy=Policy.objects.create(slug="p", output_block_words=["other"]))
    turns.answer(hear("rain", id_="3").pk)
    waiting = hear("rain", id_="4")
    Robot.objects.update(enabled=False)
    turns.answer(waiting.pk)

    assert cloud.shown()[:2] == ["You said: rain", "Other."]
    states = Turn.objects.order_by("id").values_list("state", flat=True)
    assert list(states) == ["done", "done", "blocked", "stopped"]


def test_a_policy_may_be_changed_by_a_statement(hear: Hear, cloud: Cloud, word_list: WordList) -> None:
    policy = Policy.objects.create(slug="p", input_word_lists=["l"], input_block_reply="No.")
    Robot.objects.update(policy=policy)
    turns.answer(hear("one").pk)
    other = WordListVersion.objects.create(list=word_list, number=2, words="two", count=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bots_wordlist SET current_id = %s", [other.pk])
    turns.answer(hear("two", id_="2").pk)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE bots_policy SET input_block_words = '[\"three\"]'")
    turns.answer(hear("three", id_="3").pk)
    assert cloud.shown() == ["No."] * 3


def test_a_users_tier_is_no_configuration_and_its_limits_are(hear: Hear, cloud: Cloud, robot: Robot) -> None:
    tier = Tier.objects.create(slug="vip")
    users.set_tier(account=robot.account, user_id=hear("hello").peer_id, tier=tier)
    turns.answer(hear("hello", id_="2").pk)
    Tier.objects.update(daily_tokens=0, over_reply="Enough.")
    turns.answer(hear("hello", id_="3").pk)
    assert cloud.shown() == ["You said: hello\nhello", "Enough."]

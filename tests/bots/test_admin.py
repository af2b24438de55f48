from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import translation
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries

from bots import health
from bots.admin.base import is_needed
from bots.configuration.saving import rules_of
from bots.errors import ModelBusy, ModelUnreachable
from bots.models import (
    AccountMemory,
    Intent,
    LanguageModel,
    ModelHealth,
    Policy,
    Price,
    Robot,
    Route,
    Tier,
    VendorAccount,
)
from tests.support.admin import FormReader
from tests.support.factories import (
    SECRET,
    make_account,
    make_callback,
    make_conversation,
    make_model,
    make_robot,
    make_route,
    make_turn,
    say,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]

ACCOUNT = {
    "slug": "acme",
    "enabled": "on",
    "config_app_id": "14",
    "config_secret_key": "key",
    "config_callback_token": "",
    "config_api_base": "https://paper.example",
    "config_pre_send": "pass",
    "config_patience_s": "2.5",
    "send_per_s": "",
    "edit_per_s": "0.5",
}
MODEL = {
    "slug": "fast", "api": "scripted", "base_url": "", "model": "script", "api_key": "", "params": "{}",
    "connect_s": "5", "first_token_s": "20", "stall_s": "30", "total_s": "120", "max_concurrency": "",
    "prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0",
}  # fmt: skip
ROBOT = {
    "nickname": "Ada", "avatar_url": "", "persona": "You are Ada.", "reply_mode": "stream",
    "merge_window_ms": "500", "max_age_s": "3600", "fallback": "Sorry.",
    "history_messages": "20", "history_tokens": "4000", "history_block": "10", "history_summaries": "on",
    "groups": "mentions", "enabled": "on",
}  # fmt: skip


def add_url(name: str) -> str:
    return reverse(f"admin:bots_{name}_add")


def change_url(obj: Any) -> str:
    return reverse(f"admin:bots_{obj._meta.model_name}_change", args=[obj.pk])


def list_url(name: str) -> str:
    return reverse(f"admin:bots_{name}_changelist")


def errors(response: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def test_an_account_is_added_with_fields_for_its_vendors_settings(admin_client: Client) -> None:
    admin_client.post(add_url("vendoraccount"), ACCOUNT)
    account = VendorAccount.objects.get()
    assert (account.vendor, account.limits) == ("paper", {"edit_per_s": 0.5})
    assert account.config == {
        "app_id": 14, "secret_key": "key", "callback_token": "", "api_base": "https://paper.example",
        "pre_send": "pass", "patience_s": 2.5, "is_trial": False,
    }  # fmt: skip


def test_what_is_wrong_with_settings_is_told_at_their_fields(admin_client: Client) -> None:
    wrong = {**ACCOUNT, "config_app_id": "0", "config_api_base": "ftp://x", "send_per_s": "-1", "slug": "a b"}
    told = errors(admin_client.post(add_url("vendoraccount"), wrong))
    assert told["config_app_id"] == ["must be at least 1"]
    assert told["config_api_base"] == ["must be an address that begins with http:// or https://"]
    assert told["send_per_s"] == ["must be a positive number"]
    assert set(told) == {"slug", "config_app_id", "config_api_base", "send_per_s"}


def test_a_secret_that_is_left_empty_stays(admin_client: Client) -> None:
    account = make_account()
    admin_client.post(change_url(account), {**ACCOUNT, "config_secret_key": ""})
    account.refresh_from_db()
    assert (account.config["app_id"], account.config["secret_key"]) == (14, SECRET)
    assert account.config["callback_token"] == SECRET


def test_an_optional_secret_can_be_deleted(admin_client: Client) -> None:
    account = make_account()
    admin_client.post(change_url(account), {**ACCOUNT, "clear_callback_token": "on"})
    account.refresh_from_db()
    assert account.config["callback_token"] == ""


def test_a_missing_secret_is_told(admin_client: Client) -> None:
    told = errors(admin_client.post(add_url("vendoraccount"), {**ACCOUNT, "config_secret_key": ""}))
    assert told == {"config_secret_key": ["This field is required."]}


def test_a_slug_cannot_be_changed(admin_client: Client) -> None:
    account = make_account()
    admin_client.post(change_url(account), {**ACCOUNT, "slug": "other"})
    assert VendorAccount.objects.get().slug == "acme"


def test_the_callback_address_is_shown_to_be_pasted(admin_client: Client, settings: Any) -> None:
    account = make_account()
    assert "http://testserver/callbacks/acme/" in admin_client.get(change_url(account)).content.decode()
    settings.PUBLIC_URL = "https://chat.example"
    assert "https://chat.example/callbacks/acme/" in admin_client.get(change_url(account)).content.decode()


def test_a_model_keeps_its_key_until_another_is_given(admin_client: Client) -> None:
    model = make_model("fast")
    admin_client.post(change_url(model), MODEL)
    assert LanguageModel.objects.get().api_key == SECRET
    admin_client.post(change_url(model), {**MODEL, "api_key": "other"})
    assert LanguageModel.objects.get().api_key == "other"
    admin_client.post(change_url(model), {**MODEL, "clear_api_key": "on"})
    assert LanguageModel.objects.get().api_key == ""


def test_a_models_form_says_what_apply_says(admin_client: Client) -> None:
    wrong = {**MODEL, "api": "openai", "params": '{"fail": 1}', "total_s": "-1"}
    told = errors(admin_client.post(add_url("languagemodel"), wrong))
    assert told["base_url"] == ["this API needs an address"]
    assert set(told) == {"base_url", "total_s"}


@pytest.fixture
def broken() -> LanguageModel:
    """A model that nobody asks, because of its failures."""
    model = make_model("fast")
    for _ in range(health.MIN_FAILURES):
        health.note_failure(model, ModelUnreachable("<no> answer", party="fast"))
    return model


def test_why_a_model_is_not_asked_is_shown(admin_client: Client, broken: LanguageModel) -> None:
    for url in (list_url("languagemodel"), change_url(broken)):
        page = admin_client.get(url).content.decode()
        assert "failing" in page
        assert "5 of 5 calls failed. fast: &lt;no&gt; answer" in page


def test_a_model_that_rests_is_shown(admin_client: Client) -> None:
    model = make_model("fast")
    health.note_failure(model, ModelBusy("slow down", party="fast", code="429", retry_after=60))
    page = admin_client.get(list_url("languagemodel")).content.decode()
    assert "left alone" in page
    assert "fast 429: slow down" in page


@pytest.mark.parametrize("lasts_s, is_shown", [(60, True), (-1, False)])
def test_what_the_workers_learnt_of_an_account_is_shown_while_it_lasts(
    admin_client: Client, lasts_s: float, is_shown: bool
) -> None:
    account = make_account()
    kept = {"note": "No edits here.", "note_until": time.time() + lasts_s}
    AccountMemory.objects.create(account=account, kept=kept)

    page = admin_client.get(reverse("admin:bots_vendoraccount_change", args=[account.pk])).text

    assert ("No edits here." in page) is is_shown


def test_selected_models_are_asked_again_at_once(admin_client: Client, broken: LanguageModel) -> None:
    sent = {"action": "reset_selected", "_selected_action": [broken.pk]}
    page = admin_client.post(list_url("languagemodel"), sent, follow=True).content.decode()
    assert "1 model will be asked again." in page
    assert "failing" not in page


def test_a_model_is_asked_again_from_its_page(admin_client: Client, broken: LanguageModel) -> None:
    admin_client.post(change_url(broken), {**MODEL, "bots_languagemodel_reset_this": "1"})
    assert not ModelHealth.objects.exists()


def rules(*rows: tuple[list[str], list[LanguageModel], int | str], initial: int = 0) -> dict[str, Any]:
    """What the route's form sends for rules: kinds, models, place."""
    sent: dict[str, Any] = {"rules-TOTAL_FORMS": len(rows), "rules-INITIAL_FORMS": initial}
    for index, (kinds, models, place) in enumerate(rows):
        sent[f"rules-{index}-kinds"] = kinds
        sent[f"rules-{index}-ranked_models"] = [str(model.pk) for model in models] + ["", ""]
        sent[f"rules-{index}-place"] = place
    return sent


def test_a_rule_has_conditions_of_all_kinds(admin_client: Client) -> None:
    Tier.objects.create(slug="vip")
    fast = make_model("fast")
    conditions = {"intents": ["refund"], "tiers": ["vip"], "min_complexity": "0.5", "max_spent": "2"}
    sent = rules((["image"], [fast], 1)) | {f"rules-0-{name}": value for name, value in conditions.items()}
    admin_client.post(add_url("route"), {"slug": "default", **sent})
    [rule] = rules_of(Route.objects.get())
    assert rule.when == {
        "kinds": ["image"], "intents": ["refund"], "min_complexity": 0.5, "tiers": ["vip"], "max_spent": 2,
    }  # fmt: skip


def test_a_rules_conditions_stay_when_its_route_is_saved(admin_client: Client) -> None:
    route = make_route("default", [make_model("fast")])
    when = {"kinds": ["image"], "min_complexity": 0, "max_spent": 0.25}
    route.rules.update(when=when)
    reader = FormReader()
    reader.feed(admin_client.get(change_url(route)).content.decode())
    [form] = [form for form in reader.forms if "rules-TOTAL_FORMS" in form.values]
    admin_client.post(change_url(route), form.values)
    assert rules_of(route)[0].when == when


def test_a_route_shows_which_model_would_answer(admin_client: Client) -> None:
    fast, strong, off = make_model("fast"), make_model("strong"), make_model("off", enabled=False)
    route = make_route("default", [strong, off], [fast])
    route.rules.filter(position=0).update(when={"intents": ["complaint"], "max_spent": 1})

    def told(text: str, spent: str) -> str:
        query = urlencode({"text": text, "kind": "text", "tier": "", "spent": spent})
        page = admin_client.get(f"{change_url(route)}?{query}").content.decode()
        return " ".join(re.sub(r"<[^>]+>", " ", page.partition('id="preview"')[2]).split())

    assert "1. intents ✓ max_spent ✓ → strong 2. always" in told("This is unacceptable!", "0.5")
    assert "1. intents ✓ max_spent ✗ 2. always → fast" in told("This is unacceptable!", "2")
    assert "complaint (unacceptable)" in told("This is unacceptable!", "2")
    assert "1. intents ✗ max_spent ✓ 2. always → fast" in told("Hello", "")


def test_keywords_are_edited_as_lines(admin_client: Client) -> None:
    sent = {"slug": "weather", "position": "5", "keywords": "rain*\r\n\r\n 天气 \r\nrain*"}
    admin_client.post(add_url("intent"), sent)
    intent = Intent.objects.get(slug="weather")
    assert intent.keywords == ["rain*", "天气"]
    assert "rain*\n天气" in admin_client.get(change_url(intent)).content.decode()
    told = errors(admin_client.post(add_url("intent"), {**sent, "slug": "other", "keywords": "*"}))
    assert told == {"keywords": ["0: must be a word or words"]}


def test_a_route_is_edited_on_one_page(admin_client: Client) -> None:
    fast, strong = make_model("fast"), make_model("strong")
    sent = rules((["image"], [strong, fast], 1), ([], [fast], 2))
    admin_client.post(add_url("route"), {"slug": "default", **sent})
    told = [(rule.when, [model.slug for model in rule.models]) for rule in rules_of(Route.objects.get())]
    assert told == [({"kinds": ["image"]}, ["strong", "fast"]), ({}, ["fast"])]


def test_rules_change_places_and_new_ones_come_last(admin_client: Client) -> None:
    fast, strong = make_model("fast"), make_model("strong")
    route = make_route("default", [fast], [strong])
    sent = rules(([], [fast], 2), ([], [strong], 1), (["voice"], [fast], ""), initial=2)
    ids = {f"rules-{i}-id": rule.pk for i, rule in enumerate(route.rules.all())}
    sent |= {f"rules-{i}-route": route.pk for i in range(3)}
    admin_client.post(change_url(route), {**sent, **ids})
    assert [(rule.when, rule.models) for rule in rules_of(route)] == [
        ({}, [strong]), ({}, [fast]), ({"kinds": ["voice"]}, [fast]),
    ]  # fmt: skip


def test_a_rule_is_deleted(admin_client: Client) -> None:
    fast, strong = make_model("fast"), make_model("strong")
    route = make_route("default", [fast], [strong])
    sent = rules(([], [fast], 0), ([], [strong], 1), initial=2) | {"rules-0-DELETE": "on"}
    ids = {f"rules-{i}-id": rule.pk for i, rule in enumerate(route.rules.all())}
    admin_client.post(change_url(route), {**sent, **ids})
    assert [rule.models for rule in rules_of(route)] == [[strong]]


def test_a_rule_hands_over_to_people(admin_client: Client) -> None:
    fast = make_model("fast")
    sent = rules((["image"], [], 1), ([], [fast], 2)) | {"rules-0-hands_over": "on"}
    admin_client.post(add_url("route"), {"slug": "default", **sent})
    route = Route.objects.get()
    assert [(rule.models, rule.hands_over) for rule in rules_of(route)] == [([], True), ([fast], False)]
    assert "kinds: image → people" in admin_client.get(list_url("route")).content.decode()
    page = admin_client.get(f"{change_url(route)}?kind=image").content.decode()
    assert "→ people" in page

    both = rules(([], [fast], 1)) | {"rules-0-hands_over": "on"}
    told = admin_client.post(add_url("route"), {"slug": "other", **both}).content.decode()
    assert "a rule that hands over to people asks no models" in told


def test_a_route_needs_a_rule_and_a_rule_each_model_once(admin_client: Client) -> None:
    fast = make_model("fast")
    for sent in (rules(), rules(([], [fast, fast], 0)), rules(([], [], 0))):
        admin_client.post(add_url("route"), {"slug": "default", **sent})
    assert not Route.objects.exists()


def test_a_robot_is_registered_when_it_is_added(admin_client: Client) -> None:
    sent = {**ROBOT, "account": make_account().pk, "user_id": "@RBT#ada", "route": make_route().pk}
    admin_client.post(add_url("robot"), sent)
    assert ProcrastinateJob.objects.get().args == {"robot_id": Robot.objects.get().pk}


def test_a_robots_id_must_suit_its_vendor(admin_client: Client) -> None:
    sent = {**ROBOT, "account": make_account().pk, "user_id": "ada", "route": make_route().pk}
    told = errors(admin_client.post(add_url("robot"), sent))
    assert told == {"user_id": ["must begin with @RBT# at Paper Cloud"]}


@pytest.fixture
def robot() -> Robot:
    return make_robot(make_account(), make_route("default", [make_model()]))


def test_selected_robots_are_registered_again(admin_client: Client, robot: Robot) -> None:
    sent = {"action": "register_selected", "_selected_action": [robot.pk]}
    response = admin_client.post(list_url("robot"), sent, follow=True)
    assert "1 robot will be registered." in response.content.decode()
    assert ProcrastinateJob.objects.count() == 1


def test_a_robot_is_registered_again_from_its_page(admin_client: Client, robot: Robot) -> None:
    Robot.objects.update(registered_at="2026-11-01T00:00:00Z")
    admin_client.post(change_url(robot), {**ROBOT, "route": robot.route_id, "bots_robot_register_this": "1"})
    assert ProcrastinateJob.objects.count() == 1


def test_why_a_robot_is_not_registered_is_shown(admin_client: Client, robot: Robot) -> None:
    Robot.objects.update(registration_error="no more than 20 <robots>")
    for url in (list_url("robot"), change_url(robot)):
        assert "no more than 20 &lt;robots&gt;" in admin_client.get(url).content.decode()


def test_what_has_a_history_is_not_deleted(admin_client: Client, robot: Robot) -> None:
    make_conversation(robot)
    url = reverse("admin:bots_robot_delete", args=[robot.pk])
    assert "Disable it instead." in admin_client.get(url).content.decode()
    admin_client.post(url, {"post": "yes"})
    assert Robot.objects.exists()


def test_what_has_none_is(admin_client: Client, robot: Robot) -> None:
    admin_client.post(reverse("admin:bots_robot_delete", args=[robot.pk]), {"post": "yes"})
    assert not Robot.objects.exists()


def test_what_others_need_is_not_deleted(robot: Robot) -> None:
    assert is_needed(robot.account)
    assert is_needed(robot.route)
    assert is_needed(LanguageModel.objects.get())
    assert not is_needed(robot)


@pytest.mark.parametrize("name", ["vendoraccount", "languagemodel", "route", "robot"])
def test_a_list_takes_as_many_queries_for_many_as_for_few(
    admin_client: Client, name: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(10):
        route = make_route(f"r{number}", [make_model(f"m{number}"), make_model(f"n{number}")])
        make_robot(make_account(f"a{number}"), route)
    with django_assert_max_num_queries(11):
        admin_client.get(list_url(name))


def test_a_routes_page_takes_as_many_queries_for_many_rules_as_for_few(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    models = [make_model(f"m{number}") for number in range(5)]
    route = make_route("default", *[models] * 10)
    with django_assert_max_num_queries(14):
        admin_client.get(change_url(route))


def test_somebody_who_may_only_look_sees_every_page(client: Client, robot: Robot) -> None:
    user = User.objects.create_user("carol", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    for obj in (robot, robot.account, robot.route, LanguageModel.objects.get()):
        assert client.get(change_url(obj)).status_code == 200


def test_no_page_of_the_admin_shows_a_secret(admin_client: Client, robot: Robot) -> None:
    conversation = make_conversation(robot)
    make_turn(conversation, model=LanguageModel.objects.get())
    say(conversation, "Hello")
    make_callback(robot.account)
    seen = set()
    waiting = {reverse("admin:index")}
    while waiting:
        url = waiting.pop()
        seen.add(url)
        response = admin_client.get(url, follow=True)
        assert SECRET not in response.content.decode(errors="replace"), url
        found = re.findall(r'href="(/admin/[^"#?]+)', response.content.decode(errors="replace"))
        waiting |= {link for link in found if "logout" not in link} - seen
    assert {change_url(robot.account), change_url(LanguageModel.objects.get())} <= seen
    assert len(seen) > 30


def test_the_admin_speaks_the_browsers_language(admin_client: Client, robot: Robot) -> None:
    with translation.override("en"):  # a request leaves its language to the thread
        response = admin_client.get(change_url(robot), headers={"accept-language": "zh-hans"})
    page = response.content.decode()
    for told in ("机器人配置", "保存并重新注册", "模型的系统提示词"):
        assert told in page


POLICY = {
    "slug": "strict", "input_block_words": " 赌博 \r\n\r\nbet now\r\n", "input_block_patterns": "",
    "input_block_reply": "No.", "input_max_chars": "", "output_block_words": "",
    "output_block_patterns": r"\d{5}", "output_block_reply": "Never.", "output_mask_pii": "on",
    "handoff_words": "人工",
    "input_moderation_timeout_s": "3", "input_moderation_on_failure": "allow",
    "output_moderation_timeout_s": "3", "output_moderation_on_failure": "allow",
    "output_moderation_piece_chars": "200",
}  # fmt: skip


def test_a_policy_takes_its_words_line_by_line(admin_client: Client) -> None:
    admin_client.post(add_url("policy"), POLICY)
    policy = Policy.objects.get()
    assert (policy.input_block_words, policy.output_block_patterns) == (["赌博", "bet now"], [r"\d{5}"])
    assert (policy.input_mask_pii, policy.output_mask_pii, policy.input_max_chars) == (False, True, None)
    page = admin_client.get(change_url(policy)).content.decode()
    assert "赌博\nbet now</textarea>" in page
    assert "1 pattern, personal data masked" in admin_client.get(list_url("policy")).content.decode()


def test_a_policys_form_says_what_apply_says(admin_client: Client) -> None:
    wrong = {**POLICY, "input_block_words": "fine\n...", "output_block_patterns": "("}
    told = errors(admin_client.post(add_url("policy"), wrong))
    assert told == {
        "input_block_words": ["...: has neither letters nor digits; write it as a pattern"],
        "output_block_patterns": ["(: is not a regular expression: missing ) at position 1"],
    }


def test_a_hooks_secret_is_taken_and_never_shown(admin_client: Client) -> None:
    hooked = {**POLICY, "output_moderation_url": "https://hook.example/judge"}
    told = errors(admin_client.post(add_url("policy"), hooked))
    assert told == {"output_moderation_secret": ["a hook needs a secret: it proves who is asking"]}

    admin_client.post(add_url("policy"), {**hooked, "output_moderation_secret": "hush-hush"})
    policy = Policy.objects.get()
    page = admin_client.get(change_url(policy)).content.decode()
    assert "hush-hush" not in page
    admin_client.post(change_url(policy), hooked)
    policy.refresh_from_db()
    assert policy.output_moderation_secret == "hush-hush"
    assert "moderated" in admin_client.get(list_url("policy")).content.decode()

    cleared = {**POLICY, "output_moderation_secret": "", "clear_output_moderation_secret": "on"}
    admin_client.post(change_url(policy), cleared)
    policy.refresh_from_db()
    assert (policy.moderation("output"), policy.output_moderation_secret) == (None, "")


def test_a_model_or_a_hook_moderates_not_both(admin_client: Client, broken: LanguageModel) -> None:
    both = {"input_moderation_model": broken.pk, "input_moderation_url": "https://hook.example",
            "input_moderation_secret": "s"}  # fmt: skip
    told = errors(admin_client.post(add_url("policy"), {**POLICY, **both}))
    assert told == {"input_moderation_url": ["a model moderates already: name one of the two"]}


def test_a_tier_has_limits_for_each_of_its_users(admin_client: Client) -> None:
    sent = {"slug": "free", "over_reply": "Enough.", "daily_tokens": "100", "monthly_tokens": "",
            "daily_cost": "1.5", "monthly_cost": ""}  # fmt: skip
    admin_client.post(add_url("tier"), sent)
    tier = Tier.objects.get()
    assert (tier.daily_tokens, tier.daily_cost, tier.monthly_tokens) == (100, Decimal("1.5"), None)
    told = errors(admin_client.post(change_url(tier), {**sent, "daily_cost": "-1"}))
    assert told == {"daily_cost": ["Ensure this value is greater than or equal to 0."]}


def test_accounts_and_robots_have_budgets(admin_client: Client) -> None:
    account = make_account()
    admin_client.post(change_url(account), {**ACCOUNT, "monthly_cost": "100"})
    account.refresh_from_db()
    assert account.monthly_cost == 100
    robot, tier = make_robot(account, make_route()), Tier.objects.create(slug="free")
    admin_client.post(
        change_url(robot), {**ROBOT, "route": robot.route.pk, "default_tier": tier.pk, "daily_tokens": "7"}
    )
    robot.refresh_from_db()
    assert (robot.default_tier, robot.daily_tokens) == (tier, 7)


def test_a_model_has_prices_by_date(admin_client: Client) -> None:
    model = make_model("fast", api_key="")
    new = {
        "prices-TOTAL_FORMS": "1", "prices-0-model": str(model.pk), "prices-0-valid_from_0": "2026-11-01",
        "prices-0-valid_from_1": "00:00:00", "prices-0-currency": "CNY", "prices-0-input": "2",
        "prices-0-cached_input": "", "prices-0-output": "8",
    }  # fmt: skip
    admin_client.post(change_url(model), {**MODEL, **new})
    assert str(Price.objects.get()) == "2 / 8 CNY"
    assert "2 / 8 CNY" in admin_client.get(list_url("languagemodel")).content.decode()
    page = admin_client.post(
        add_url("languagemodel"),
        {**MODEL, **new, "slug": "other", "prices-0-model": "", "prices-0-currency": ""},
    )
    assert "a price needs a currency" in page.content.decode()


@pytest.mark.parametrize("kind, key", [(Intent, "intents"), (Tier, "tiers")])
def test_what_a_rule_asks_for_is_not_deleted(
    admin_client: Client, kind: type[Intent | Tier], key: str
) -> None:
    named, free = (
        kind.objects.create(slug=slug, **({"keywords": [slug]} if kind is Intent else {}))
        for slug in ("named", "free")
    )
    make_route("default", [make_model()]).rules.update(when={key: ["other", "named"]})

    for each in (named, free):
        page = admin_client.get(delete_url(each)).content.decode()
        assert ("named: a rule asks for it" in page, "Routes: default." in page) == (each == named,) * 2
        admin_client.post(delete_url(each), {"post": "yes"})

    assert kind.objects.filter(slug="named").exists()
    assert not kind.objects.filter(slug="free").exists()


def delete_url(stored: Intent | Tier) -> str:
    return reverse(f"admin:bots_{stored._meta.model_name}_delete", args=[stored.pk])

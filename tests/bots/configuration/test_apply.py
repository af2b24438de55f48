from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from bots.configuration.applying import apply
from bots.configuration.exporting import export
from bots.configuration.problems import ConfigurationInvalid
from bots.configuration.saving import rules_of
from bots.desks import Desk
from bots.models import Intent, LanguageModel, Policy, Price, Robot, Route, Tier, VendorAccount
from tests.support.factories import SECRET, make_account, make_model, make_robot, make_route
from tests.support.standin import Cloud

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]

FULL = """
accounts:
  - slug: acme
    vendor: paper
    config: {app_id: 1400000000, secret_key: ${KEY}, callback_token: ${TOKEN}, pre_send: intercept}
    limits: {send_per_s: 200, edit_per_s: 0.5}
models:
  - slug: fast
    api: openai
    base_url: http://vllm:8000/v1
    api_key: ${KEY}
    model: tiny
    params: {temperature: 0.7, stop: ["$${x}"]}
    takes_images: true
    timeouts: {connect_s: 5, first_token_s: 2.5, stall_s: 7.5, total_s: 120}
    max_concurrency: 200
    price: {currency: CNY, input: 2, cached_input: 0.5, output: 8}
  - {slug: strong, api: scripted, model: script}
routes:
  - slug: default
    rules:
      - when: {kinds: [image]}
        models: [strong, fast]
      - models: [fast]
robots:
  - account: acme
    user_id: "@RBT#ada"
    nickname: Ada
    persona: |
      You are Ada.
      Be kind.
    route: default
    reply: {mode: whole, merge_window_ms: 250, fallback: Later.}
    groups: all
    history: {messages: 10, tokens: 2000, block: 5, summaries: false, summary_model: strong}
"""
ENVIRONMENT = {"KEY": SECRET, "TOKEN": ""}
FAST = "models: [{slug: fast, api: scripted, model: script}]\n"
ALL_ERRORS = """
words: unknown key
accounts[0].extra: unknown key
accounts[0].limits.send_per_s: must be a positive number
accounts[0].limits.x: unknown key
accounts[0].config.colour: unknown key
accounts[0].config.app_id: must be a whole number
accounts[0].config.secret_key: is missing
models[0].base_url: must be an address that begins with http:// or https://
models[0].max_concurrency: Ensure this value is greater than or equal to 1.
models[0].price.input: A valid number is required.
models[1].params: fail: must be text
routes[0].rules[0].when: kinds: must be a list of one or more of: text, image, voice, file, custom, call
routes[0].rules[0].models[1]: there is no language model none, here or in the database
routes[1].rules: This list may not be empty.
robots[0].reply.merge_window_ms: Ensure this value is less than or equal to 60000.
robots[0].groups: must be one of: mentions, all, none
robots[1].user_id: This field is required.
robots[1].route: there is no route missing, here or in the database
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "parley.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def run(write: Callable[..., Path]) -> Callable[..., list[str]]:
    def run(text: str, **options: Any) -> list[str]:
        return [str(outcome) for outcome in apply([write(text)], environment=ENVIRONMENT, **options)]

    return run


@pytest.fixture
def errors(run: Callable[..., list[str]], tmp_path: Path) -> Callable[[str], list[str]]:
    def errors(text: str) -> list[str]:
        with pytest.raises(ConfigurationInvalid) as caught:
            run(text)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return errors


type Run = Callable[..., list[str]]
type Errors = Callable[[str], list[str]]


def test_everything_is_created_and_the_second_time_unchanged(run: Run) -> None:
    names = ["account acme", "model fast", "model strong", "route default", "robot acme/@RBT#ada"]
    assert run(FULL) == [f"{name}: created" for name in names]
    assert run(FULL) == [f"{name}: unchanged" for name in names]


def test_an_account_is_stored_as_its_vendor_reads_it(run: Run) -> None:
    run(FULL.replace("1400000000", '"1400000000"'))
    account = VendorAccount.objects.get()
    assert account.config == {
        "app_id": 1400000000, "secret_key": SECRET, "callback_token": "", "api_base": "https://paper.example",
        "pre_send": "intercept", "patience_s": 2.5, "is_trial": False,
    }  # fmt: skip
    assert account.limits == {"send_per_s": 200, "edit_per_s": 0.5}


def test_a_route_keeps_the_order_of_its_rules_and_models(run: Run) -> None:
    run(FULL)
    rules = rules_of(Route.objects.get())
    assert [(rule.when, [model.slug for model in rule.models]) for rule in rules] == [
        ({"kinds": ["image"]}, ["strong", "fast"]),
        ({}, ["fast"]),
    ]


def test_a_robot_has_what_its_groups_of_keys_say(run: Run) -> None:
    run(FULL)
    robot = Robot.objects.get()
    assert (robot.reply_mode, robot.merge_window_ms, robot.fallback) == ("whole", 250, "Later.")
    assert robot.groups == Robot.Groups.ALL
    assert (robot.history_messages, robot.history_tokens, robot.persona) == (
        10,
        2000,
        "You are Ada.\nBe kind.",
    )
    assert (robot.history_block, robot.history_summaries) == (5, False)
    assert robot.summary_model == LanguageModel.objects.get(slug="strong")


POLICIES = """
policies:
  - slug: strict
    input:
      {block_words: [赌博], block_patterns: ['(?i)no \\d+'], block_reply: No., mask_pii: true, max_chars: 400}
    output: {block_words: [secret], block_reply: Never., mask_pii: true}
    handoff_words: [human, 人工]
"""


def test_a_policy_is_stored_for_its_robots(run: Run) -> None:
    run(POLICIES + FULL + "    policy: strict\n")
    policy = Robot.objects.get().policy
    assert policy is not None
    assert (policy.input_block_words, policy.input_block_patterns) == (["赌博"], [r"(?i)no \d+"])
    assert (policy.input_block_reply, policy.input_mask_pii, policy.input_max_chars) == ("No.", True, 400)
    assert (policy.output_block_words, policy.output_block_reply) == (["secret"], "Never.")
    assert policy.output_mask_pii
    assert policy.handoff_words == ["human", "人工"]


def test_a_policy_is_exported_as_it_was_applied(run: Run, write: Callable[..., Path]) -> None:
    run(POLICIES + FULL + "    policy: strict\n")
    exported = export()
    lines = apply([write(str(exported))], environment=exported.variables, prune=True)
    assert {line.deed for line in lines} == {"unchanged"}
    assert exported.content["policies"][0]["output"] == {
        "block_words": ["secret"], "block_reply": "Never.", "mask_pii": True
    }  # fmt: skip


MODERATED = """
models: [{slug: guard, api: scripted, model: guard}]
policies:
  - slug: strict
    input: {moderation: {model: guard, timeout_s: 1.5, on_failure: block}}
    output: {moderation: {url: "https://hook.example/judge", secret: "${KEY}", piece_chars: 300}}
"""


def test_moderation_is_stored_and_exported_without_its_secret(run: Run, write: Callable[..., Path]) -> None:
    run(MODERATED)
    policy = Policy.objects.get()
    asked, said = policy.moderation("input"), policy.moderation("output")
    assert asked is not None
    assert said is not None
    assert (asked.model_id, asked.timeout_s) == (LanguageModel.objects.get().pk, 1.5)
    assert asked.blocks_on_failure
    assert (said.url, said.secret, said.piece_chars) == ("https://hook.example/judge", SECRET, 300)
    assert not said.blocks_on_failure

    exported = export()
    assert SECRET not in str(exported)
    lines = apply([write(str(exported))], environment=exported.variables, prune=True)
    assert {line.deed for line in lines} == {"unchanged"}
    [changed] = [line for line in run(MODERATED.replace("${KEY}", "another")) if "strict" in line]
    assert changed == "policy strict: changed (output.moderation.secret: ••••)"


def test_moderation_ends_where_the_file_does_not_name_it(run: Run) -> None:
    run(MODERATED)
    run("policies: [{slug: strict}]")
    policy = Policy.objects.get()
    assert (policy.moderation("input"), policy.moderation("output")) == (None, None)
    assert policy.output_moderation_secret == ""


def test_a_robot_loses_its_policy_where_the_file_names_none(run: Run) -> None:
    run(POLICIES + FULL + "    policy: strict\n")
    run(FULL)
    assert Robot.objects.get().policy is None


TIERS = """
tiers:
  - {slug: free, daily_tokens: 20000, monthly_tokens: 100000, daily_cost: 1.5, over_reply: Enough for today.}
  - {slug: vip}
"""


def test_tiers_and_budgets_are_stored(run: Run) -> None:
    budgets = FULL.replace("    limits:", "    budget: {monthly_cost: 100}\n    limits:")
    text = TIERS + budgets + "    default_tier: free\n    budget: {daily_tokens: 5000, daily_cost: 0.25}\n"
    assert "tier free: created" in run(text)
    free, robot, account = Tier.objects.get(slug="free"), Robot.objects.get(), VendorAccount.objects.get()
    assert (free.daily_tokens, free.monthly_tokens) == (20000, 100_000)
    assert (free.daily_cost, free.monthly_cost) == (Decimal("1.5"), None)
    assert free.over_reply == "Enough for today."
    assert (robot.default_tier, robot.daily_tokens, robot.daily_cost) == (free, 5000, Decimal("0.25"))
    assert (account.daily_cost, account.monthly_cost) == (None, Decimal(100))
    assert all(line.endswith(": unchanged") for line in run(text))
    exported = export()
    assert exported.content["tiers"][1] == {"slug": "vip", "over_reply": ""}
    assert exported.content["robots"][0]["budget"] == {"daily_tokens": 5000, "daily_cost": 0.25}
    assert exported.content["accounts"][0]["budget"] == {"monthly_cost": 100}


def test_a_limit_that_is_left_out_is_lifted(run: Run) -> None:
    run(TIERS)
    changed = TIERS.replace("monthly_tokens: 100000, ", "").replace("1.5", "2")
    assert "tier free: changed (daily_cost: 1.5 → 2, monthly_tokens: 100000 → –)" in run(changed)
    assert Tier.objects.get(slug="free").monthly_tokens is None


def prices() -> list[str]:
    """Of the model `fast`, in the order of their validity."""
    return [str(price) for price in Price.objects.filter(model__slug="fast").order_by("valid_from")]


def test_another_price_is_valid_from_now_on(run: Run) -> None:
    run(FULL)
    first = Price.objects.get()
    changed = FULL.replace("output: 8", "output: 6")
    assert "model fast: changed (price.output: 8 → 6)" in run(changed)
    assert all(line.endswith(": unchanged") for line in run(changed))
    assert prices() == ["2 / 8 CNY", "2 / 6 CNY"]
    assert LanguageModel.objects.get(slug="fast").price_at(first.valid_from) == first


def test_a_price_to_come_stays(run: Run) -> None:
    run(FULL)
    model = LanguageModel.objects.get(slug="fast")
    later = timezone.now() + timedelta(days=1)
    to_come = Price.objects.create(model=model, valid_from=later, currency="CNY", input=1)
    assert all(line.endswith(": unchanged") for line in run(FULL))
    assert model.price_at(later) == to_come


def test_a_model_without_a_price_costs_nothing_from_now_on(run: Run) -> None:
    run(FULL)
    run(FULL.replace("    price: {currency: CNY, input: 2, cached_input: 0.5, output: 8}\n", ""))
    assert prices() == ["2 / 8 CNY", "–"]


def test_a_tier_that_no_file_names_is_told_of(run: Run) -> None:
    run(TIERS)
    Intent.objects.all().delete()
    assert run(FAST, prune=True)[1:] == [
        "tier free: left as it is: a tier cannot be disabled",
        "tier vip: left as it is: a tier cannot be disabled",
    ]


def test_a_change_is_told_with_old_and_new_value(run: Run) -> None:
    run(FULL)
    changed = FULL.replace("mode: whole", "mode: stream").replace("[fast]", "[strong]")
    assert [line for line in run(changed) if "unchanged" not in line] == [
        'route default: changed (rules[1].models[0]: "fast" → "strong")',
        'robot acme/@RBT#ada: changed (reply.mode: "whole" → "stream")',
    ]
    assert Robot.objects.get().reply_mode == "stream"


def test_a_changed_secret_is_told_without_its_value(run: Run) -> None:
    run(FULL)
    lines = run(FULL.replace("secret_key: ${KEY}", "secret_key: other"))
    assert lines[0] == "account acme: changed (config.secret_key: ••••)"
    assert VendorAccount.objects.get().config["secret_key"] == "other"


def test_a_key_that_is_left_out_returns_to_its_default(run: Run) -> None:
    run(FULL)
    run(FULL.replace("    nickname: Ada\n", "").replace("mode: whole, ", ""))
    robot = Robot.objects.get()
    assert (robot.nickname, robot.reply_mode) == ("", "stream")


def test_a_dry_run_tells_the_same_and_writes_nothing(run: Run) -> None:
    assert run(FULL, dry_run=True)[-1] == "robot acme/@RBT#ada: created"
    assert not VendorAccount.objects.exists()


def test_names_may_be_objects_that_are_already_stored(run: Run) -> None:
    make_route("default", [make_model("fast")])
    make_account("acme")
    assert run('robots: [{account: acme, user_id: "@RBT#1", route: default}]') == [
        "robot acme/@RBT#1: created"
    ]


def test_prune_disables_what_is_no_longer_named(run: Run) -> None:
    account, route = make_account("old"), make_route("old", [make_model("old")])
    make_robot(account, route)
    Intent.objects.exclude(slug="complaint").delete()
    left = [
        "intent complaint: left as it is: an intent cannot be disabled",
        "route old: left as it is: a route cannot be disabled",
    ]
    assert run(FAST, prune=True) == [
        "model fast: created", "account old: disabled", "model old: disabled",
        *left, "robot old/@RBT#ada: disabled",
    ]  # fmt: skip
    assert not Robot.objects.filter(enabled=True).exists()
    assert run(FAST, prune=True) == ["model fast: unchanged", *left]


def test_any_error_and_nothing_is_written(errors: Errors) -> None:
    told = errors(FULL.replace("mode: whole", "mode: loud"))
    assert told == ["parley.yaml: robots[0].reply.mode: must be one of: stream, whole"]
    assert not VendorAccount.objects.exists()


def test_all_errors_are_told_at_once(errors: Errors) -> None:
    told = errors("""
accounts:
  - {slug: acme, vendor: paper, config: {app_id: none, colour: red}, limits: {send_per_s: -1, x: 1}, extra: 1}
models:
  - {slug: fast, api: openai, model: tiny, base_url: ftp://x, max_concurrency: 0, price: {input: dear}}
  - {slug: strong, api: scripted, model: script, params: {fail: 1}}
routes:
  - {slug: default, rules: [{when: {kinds: [smell]}, models: [fast, none]}]}
  - {slug: empty, rules: []}
robots:
  - {account: acme, user_id: ada, route: default, reply: {merge_window_ms: 70000}, groups: "off"}
  - {account: acme, route: missing}
words: []
""")
    assert told == [f"parley.yaml: {error}" for error in ALL_ERRORS.strip().splitlines()]


@pytest.mark.parametrize(
    "text, error",
    [
        ("policies: [{slug: p, input: {block_words: [fine, '...']}}]",
         "policies[0].input.block_words[1]: has neither letters nor digits; write it as a pattern"),
        ("policies: [{slug: p, output: {block_words: [C++]}}]",
         "policies[0].output.block_words[0]: has but one letter besides punctuation; write it as a pattern"),
        ("policies: [{slug: p, output: {block_patterns: ['(']}}]",
         "policies[0].output.block_patterns[0]: is not a regular expression: missing ) at position 1"),
        ("policies: [{slug: p, input: {block_patterns: ['x*']}}]",
         "policies[0].input.block_patterns[0]: is found in every text"),
        ("policies: [{slug: p, input: {max_chars: 0}}]",
         "policies[0].input.max_chars: Ensure this value is greater than or equal to 1."),
        ("policies: [{slug: p, input: {block_reply: ''}}]",
         "policies[0].input.block_reply: This field may not be blank."),
        ("policies: [{slug: p, input: {word_lists: [none]}}]",
         "policies[0].input.word_lists[0]: there is no word list none; upload it first"),
        ("policies: [{slug: p, input: {moderation: {timeout_s: 2}}}]",
         "policies[0].input.moderation: name a model or the url of a hook"),
        ("policies: [{slug: p, input: {moderation: {model: none}}}]",
         "policies[0].input.moderation.model: there is no language model none, here or in the database"),
        ("policies: [{slug: p, input: {moderation: {url: 'https://hook.example'}}}]",
         "policies[0].input.moderation.secret: a hook needs a secret: it proves who is asking"),
        ("policies: [{slug: p, output: {moderation: {url: 'ftp://x', secret: s}}}]",
         "policies[0].output.moderation.url: must be an address that begins with http:// or https://"),
        ("policies: [{slug: p, output: {moderation: {url: 'https://x', secret: s, on_failure: shrug}}}]",
         "policies[0].output.moderation.on_failure: must be one of: allow, block"),
        ("policies: [{slug: p, input: {moderation: {url: 'https://x', secret: s, timeout_s: 0}}}]",
         "policies[0].input.moderation.timeout_s: Ensure this value is greater than or equal to 0.1."),
        ("policies: [{slug: p, input: {moderation: {url: 'https://x', secret: s, piece_chars: 100}}}]",
         "policies[0].input.moderation.piece_chars: unknown key"),
        ("policies: [{slug: p, output: {max_chars: 5}}]", "policies[0].output.max_chars: unknown key"),
        ("accounts: [{slug: z, vendor: other}]", "accounts[0].vendor: must be one of: paper"),
        ("models: [{slug: m, model: m, api: other}]",
         "models[0].api: must be one of: anthropic, openai, scripted"),
        (
            FAST + "routes: [{slug: r, rules: [{when: {tiers: [vip]}, models: [fast]}]}]",
            "routes[0].rules[0].when.tiers: there is no tier vip, here or in the database",
        ),
        ("models: [{slug: m, api: scripted, model: m, price: {input: 2}}]",
         "models[0].price.currency: a price needs a currency"),
        ("models: [{slug: m, api: scripted, model: m, price: {currency: yuan}}]",
         "models[0].price.currency: Three capital letters, such as CNY."),
        ("tiers: [{slug: t, daily_cost: -1}]",
         "tiers[0].daily_cost: Ensure this value is greater than or equal to 0."),
        ("tiers: [{slug: t, daily_tokens: many}]", "tiers[0].daily_tokens: A valid integer is required."),
        ("tiers: [{slug: t, weekly_tokens: 1}]", "tiers[0].weekly_tokens: unknown key"),
        ("models: {}", "models: must be a list"),
        ("models: [fast]", "models[0]: must be a mapping"),
        (
            "[models]",
            "must be a mapping with keys from: desks, accounts, models, policies, tiers, intents, routes, robots, agent_templates",  # noqa: E501
        ),
        ("models: [{slug: fast, api: scripted, model: ${NONE}}]",
         "models[0].model: the environment variable NONE is not set"),
    ],
)  # fmt: skip
def test_one_error_is_told_once_with_its_place(errors: Errors, text: str, error: str) -> None:
    assert errors(text) == [f"parley.yaml: {error}"]


def test_an_object_named_twice_is_an_error(errors: Errors) -> None:
    told = errors(FAST.replace("]", ", {slug: fast, api: scripted, model: other}]"))
    assert told == ["parley.yaml: models[1]: fast is already given in parley.yaml: models[0]"]


def test_several_files_are_one_configuration(write: Callable[..., Path]) -> None:
    robots = write(FULL[FULL.index("robots:") :], "robots.yaml")
    rest = write(FULL[: FULL.index("robots:")], "rest.yaml")
    assert len(apply([robots, rest], environment=ENVIRONMENT)) == 5


def test_an_account_stays_with_its_vendor(errors: Errors) -> None:
    VendorAccount.objects.create(slug="acme", vendor="other")
    assert errors(FULL) == [
        "parley.yaml: accounts[0].vendor: an account stays with its vendor; make another account"
    ]


def test_what_is_exported_applies_without_a_change(run: Run, write: Callable[..., Path]) -> None:
    run(FULL)
    exported = export()
    lines = apply([write(str(exported))], environment=exported.variables, prune=True)
    assert {line.deed for line in lines} == {"unchanged"}


def test_an_export_has_variables_in_place_of_secrets_and_lists_them(run: Run) -> None:
    run(FULL)
    text = str(export())
    assert SECRET not in text
    assert "#   ACME_SECRET_KEY\n#   FAST_API_KEY\n" in text
    assert "secret_key: ${ACME_SECRET_KEY}\n" in text
    assert "callback_token: ''\n" in text


def test_variables_of_an_export_have_names_of_their_own() -> None:
    for slug in ("a-b", "a_b", "1st"):
        make_model(slug)
    assert list(export().variables) == ["_1ST_API_KEY", "A_B_API_KEY", "A_B_API_KEY_2"]


def test_the_command_ends_with_one_and_all_errors(write: Callable[..., Path]) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("apply", str(write("models: [{slug: x y}]")))
    assert caught.value.returncode == 1
    assert "parley.yaml: models[0].slug: " in str(caught.value)
    assert "parley.yaml: models[0].api: " in str(caught.value)


def test_the_commands_print_the_outcome_and_the_file(write: Callable[..., Path], paper_cloud: Cloud) -> None:
    output = StringIO()
    call_command("apply", str(write(FAST)), stdout=output)
    call_command("export", stdout=output)
    assert output.getvalue().startswith("model fast: created\nmodels:\n- slug: fast\n")
    assert LanguageModel.objects.get().enabled


def test_text_that_the_database_cannot_store_is_an_error(errors: Errors) -> None:
    assert errors('routes: [{slug: "a\\0b", rules: [{models: []}]}]')[:1] == [
        "parley.yaml: routes[0].slug: has a character that cannot be stored",
    ]


CONDITIONS = """
tiers: [{slug: vip}]
intents: [{slug: weather, keywords: [rain*, 天气]}]
routes:
  - slug: r
    rules:
      - when: {tiers: [vip], intents: [weather, complaint], kinds: [text], min_complexity: 0.6, max_spent: 2}
        models: [fast]
      - models: [fast]
"""


def test_a_rule_asks_for_tiers_intents_kinds_complexity_and_spending(run: Run) -> None:
    assert run(FAST + CONDITIONS)[1:] == ["tier vip: created", "intent weather: created", "route r: created"]
    assert [each.split(": ")[1] for each in run(FAST + CONDITIONS)] == ["unchanged"] * 4
    assert rules_of(Route.objects.get())[0].when == {
        "tiers": ["vip"], "intents": ["weather", "complaint"], "kinds": ["text"], "min_complexity": 0.6,
        "max_spent": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "condition, error",
    [
        ("{intents: [wether]}", "intents: there is no intent wether, here or in the database"),
        ("{tiers: []}", "tiers: must be a list of one or more slugs"),
        ("{min_complexity: 2}", "min_complexity: must be a number from 0 to 1"),
        ("{max_spent: -1}", "max_spent: must be a number, 0 or more"),
        ("{mood: [bad]}", "mood: unknown key"),
    ],
)
def test_a_wrong_condition_is_told(errors: Errors, condition: str, error: str) -> None:
    route = f"routes: [{{slug: r, rules: [{{when: {condition}, models: [fast]}}]}}]"
    [told] = errors(FAST + route)
    assert told.startswith("parley.yaml: routes[0].rules[0].when")
    assert told.endswith(error)


def test_a_route_names_its_classifier(run: Run, errors: Errors) -> None:
    rules = "rules: [{models: [fast]}]"
    told = errors(FAST + f"routes: [{{slug: r, classifier: tiny, {rules}}}]")
    assert told == [
        "parley.yaml: routes[0].classifier: there is no language model tiny, here or in the database"
    ]
    with_classifier = FAST + f"routes: [{{slug: r, classifier: fast, {rules}}}]"
    assert run(with_classifier)[1:] == ["route r: created"]
    assert run(with_classifier)[1:] == ["route r: unchanged"]
    assert "classifier: fast" in str(export())
    assert run(FAST + f"routes: [{{slug: r, {rules}}}]")[1:] == ['route r: changed (classifier: "fast" → –)']


def test_a_rule_hands_over_to_people(run: Run) -> None:
    rules = "rules: [{when: {kinds: [file]}, handoff: true}, {models: [fast]}]"
    assert run(FAST + f"routes: [{{slug: r, {rules}}}]")[1:] == ["route r: created"]
    assert run(FAST + f"routes: [{{slug: r, {rules}}}]")[1:] == ["route r: unchanged"]
    assert [rule.hands_over for rule in rules_of(Route.objects.get())] == [True, False]
    assert str(export()).count("handoff: true") == 1
    assert run(FAST + "routes: [{slug: r, rules: [{models: [fast]}]}]")[1] != "route r: unchanged"


@pytest.mark.parametrize(
    "rule, error",
    [
        ("{}", "name a model, or hand over to people"),
        ("{handoff: false}", "name a model, or hand over to people"),
        ("{models: [fast], handoff: true}", "a rule that hands over to people asks no models"),
    ],
)
def test_a_rule_says_who_answers(errors: Errors, rule: str, error: str) -> None:
    told = errors(FAST + f"routes: [{{slug: r, rules: [{rule}]}}]")
    assert told == [f"parley.yaml: routes[0].rules[0].models: {error}"]


def test_intents_from_the_beginning_can_be_changed(run: Run) -> None:
    text = "intents: [{slug: complaint, keywords: [grr]}]"
    assert "投诉" in run(text)[0]
    assert Intent.objects.get(slug="complaint").keywords == ["grr"]


def test_wrong_keywords_are_told(errors: Errors) -> None:
    text = 'intents: [{slug: a, keywords: ["*"]}, {slug: b, keywords: []}, {slug: c}]'
    assert errors(text) == [
        "parley.yaml: intents[0].keywords.0: must be a word or words",
        "parley.yaml: intents[1].keywords: This list may not be empty.",
        "parley.yaml: intents[2].keywords: This field is required.",
    ]


DESKS = """
desks:
  - slug: day
    time_zone: Asia/Shanghai
    hours: {mon: ["09:00-12:00", "13:00-18:00"]}
    answer_within_min: 10
"""


def test_desks_are_named_by_accounts_and_robots(run: Run) -> None:
    text = DESKS + FULL.replace("    limits:", "    desk: day\n    limits:") + "    desk: day\n"

    assert run(text)[0] == "desk day: created"

    assert Robot.objects.get().desk == VendorAccount.objects.get().desk == Desk.objects.get()
    assert export().content["desks"][0]["hours"] == {"mon": ["09:00-12:00", "13:00-18:00"]}
    assert all(line.endswith(": unchanged") for line in run(text))


def test_a_desks_hours_are_told_with_their_place(errors: Errors) -> None:
    assert errors(DESKS.replace("mon:", "monday:")) == ["parley.yaml: desks[0].hours.monday: unknown key"]
    assert errors(DESKS.replace("12:00", "25:00")) == [
        'parley.yaml: desks[0].hours.mon: must be a list of times such as "09:00-18:00"'
    ]

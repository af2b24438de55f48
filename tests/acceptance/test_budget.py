"""Money: limits hold over all workers, whatever dies, and what was spent can be seen."""

from __future__ import annotations

import os
import signal
from decimal import Decimal
from typing import Any

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, asked, robot, route, words
from tests.support.processes import eventually

ENOUGH = "Enough for today."
PRICE = {"currency": "CNY", "input": 1000, "output": 1000}
KEPT = "SELECT scope, unit, spent, reserved FROM conversations_spend ORDER BY scope, unit"
RESERVED = "SELECT count(*) FROM conversations_spend WHERE reserved != 0"
CALLED = "SELECT sum(input_tokens + output_tokens), sum(cost), count(*) FROM conversations_modelcall"
IDS = "SELECT (SELECT id FROM bots_vendoraccount), (SELECT id FROM bots_tier WHERE slug = 'vip')"


def configure(parley: Parley, *, free: dict[str, Any], **settings: Any) -> None:
    """A robot whose users are of the tier `free`."""
    parley.apply(
        accounts=[parley.account(**settings)],
        models=[parley.model("fast", price=PRICE)],
        routes=[route("default", "fast")],
        tiers=[{"slug": "free", "over_reply": ENOUGH, **free}, {"slug": "vip"}],
        robots=[robot("ada", default_tier="free")],
    )
    parley.serve(workers=2)
    parley.until_registered("ada")


@pytest.mark.parametrize("limits", [{"daily_tokens": 5}, {"monthly_cost": 0.001}], ids=str)
def test_over_the_limit_users_read_the_tiers_reply_and_no_model_is_asked(
    own_parley: Parley, sandbox: Sandbox, limits: dict[str, float]
) -> None:
    parley = own_parley
    configure(parley, free=limits)
    user, other = parley.user(), parley.user()

    assert user.ask("One?").text == "() You said: One?"
    reply = user.ask("Two?")

    assert (reply.kind, reply.text) == ("reply", ENOUGH)
    assert asked(sandbox, "Two?") == []
    page = parley.conversation_page(user)
    assert "blocked" in page
    assert f"over the limit of user {user.id}" in page
    assert other.ask("Three?").text == "() You said: Three?"


def test_a_crowd_never_spends_more_than_an_account_may(own_parley: Parley, sandbox: Sandbox) -> None:
    parley = own_parley
    sandbox.model.script(words(10), match="Crowd", times=0, chunk_delay_s=0.05, chunk_chars=10)
    configure(parley, free={}, budget={"daily_tokens": 3000})
    users = [parley.user() for _ in range(50)]

    for user in users:
        user.write("Crowd?")
    said = [user.wait_for_reply(within_s=60).text for user in users]

    parley.until_settled()
    [(tokens, cost, calls)] = parley.installation.query(CALLED)
    assert set(said) == {words(10), ENOUGH}
    assert calls == said.count(words(10)) == len(asked(sandbox, "Crowd?"))
    kept = {(scope, unit): spent for scope, unit, spent, _ in parley.installation.query(KEPT)}
    assert kept["account", "tokens"] == tokens <= 3000 + tokens / calls
    assert kept["robot", "CNY"] == cost == Decimal(tokens) / 1000
    assert parley.installation.query(RESERVED) == [(0,)]


def test_a_killed_worker_leaves_nothing_reserved_and_its_call_is_paid_for(
    own_parley: Parley, sandbox: Sandbox
) -> None:
    parley = own_parley
    sandbox.model.script(words(30), match="Killed", chunk_chars=20, stall_after=3)
    sandbox.model.script(words(30), match="Killed", times=0)
    configure(parley, free={"daily_tokens": 20_000})
    user = parley.user()
    user.write("Killed?")
    user.wait_until_shown("word1")
    assert parley.installation.query(RESERVED) == [(6,)]

    for worker in parley.workers():
        os.kill(worker, signal.SIGKILL)

    assert user.wait_for_reply(within_s=60).text == words(30)
    parley.until_settled()
    [(tokens, cost, calls)] = parley.installation.query(CALLED)
    kept = {(scope, unit): spent for scope, unit, spent, _ in parley.installation.query(KEPT)}
    assert calls == 2
    assert kept["peer", "tokens"] == tokens > 500
    assert kept["account", "CNY"] == cost
    assert parley.installation.query(RESERVED) == [(0,)]
    assert "lost with its worker" in parley.conversation_page(user)


def test_an_answer_that_broke_off_is_paid_for(own_parley: Parley, sandbox: Sandbox) -> None:
    parley = own_parley
    sandbox.model.script(words(20), match="Half", times=0, break_after=4, chunk_chars=20)
    configure(parley, free={})
    user = parley.user()

    user.write("Half?")
    user.wait_until(lambda said: bool(said) and said[-1].kind == "error")

    parley.until_settled()
    eventually(lambda: parley.installation.query(RESERVED) == [(0,)])
    [(tokens, cost, calls)] = parley.installation.query(CALLED)
    kept = {(scope, unit): spent for scope, unit, spent, _ in parley.installation.query(KEPT)}
    assert tokens >= 20  # 80 characters came
    assert (kept["peer", "tokens"], kept["peer", "CNY"]) == (tokens, cost)
    assert calls == 1


def test_a_user_is_given_another_tier_in_the_admin(own_parley: Parley, sandbox: Sandbox) -> None:
    parley = own_parley
    configure(parley, free={"daily_tokens": 0})
    user = parley.user()
    assert user.ask("One?").text == ENOUGH
    [(account, vip)] = parley.installation.query(IDS)

    parley.admin.add("conversations/enduser", account=account, user_id=user.id, tier=vip)

    assert user.ask("Two?").text == "() You said: Two?"

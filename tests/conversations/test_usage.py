"""What was used in some time is the same, however much of it was summed up before."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import pytest

from bots.models import LanguageModel, Robot, Tier
from conversations import budget, persons, tasks, usage
from conversations.models import ModelCall, Turn, UsageSum
from tests.support.factories import START, make_call, make_conversation, make_model, make_robot, make_turn

pytestmark = pytest.mark.django_db
Outcome = ModelCall.Outcome

LONG_AFTER: Final = START + timedelta(days=1)
GROUPS: Final = [
    groups for count in range(4) for groups in itertools.combinations(["robot", "model", "tier"], count)
]


@pytest.fixture
def turn(robot: Robot) -> Turn:
    return make_turn(make_conversation(robot))


def asked(turn: Turn, minute: float, **fields: Any) -> ModelCall:
    """A call of ten tokens that took two seconds, so many minutes after START."""
    at = START + timedelta(minutes=minute)
    given = {"input_tokens": 10, "started_at": at, "ended_at": at + timedelta(seconds=2)}
    return make_call(turn, **given | fields)


def make_calls(turns: list[Turn], models: list[LanguageModel]) -> None:
    """Of six hours, nearly in the order of time; a turn has some, of several models."""
    chance = random.Random(8)
    for minute in range(360):
        at = START + timedelta(minutes=minute + chance.uniform(-5, 5))
        asked(
            turns[min(len(turns) - 1, minute // 4 + chance.randrange(3))],
            0,
            started_at=at,
            ended_at=at + timedelta(seconds=chance.randrange(9)),
            first_token_at=chance.choice([None, at + timedelta(seconds=0.25)]),
            model=chance.choice(models),
            currency=chance.choice(["", "CNY", "USD"]),
            outcome=chance.choice([Outcome.ANSWERED, Outcome.FAILED, Outcome.LOST]),
            output_tokens=chance.randrange(100),
            cost=Decimal(chance.randrange(10**6)) / 10**8,
        )


def used(since: float = 0, until: float = 360, groups: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Between these minutes after START."""
    times = (START + timedelta(minutes=minute) for minute in (since, until))
    return usage.summed(since=next(times), until=next(times), groups=groups)


def counted_by_hand(since: float, until: float) -> dict[tuple[str, str, str], tuple[int, int, Decimal]]:
    """Turns, calls and cost, of each robot, model and currency."""
    seen: set[object] = set()
    found: dict[tuple[str, str, str], tuple[int, int, Decimal]] = defaultdict(lambda: (0, 0, Decimal()))
    for call in ModelCall.objects.order_by("pk").select_related("turn__conversation__robot", "model"):
        is_first = (call.turn_id, call.model_id, call.currency) not in seen
        seen.add((call.turn_id, call.model_id, call.currency))
        if timedelta(minutes=since) <= call.started_at - START < timedelta(minutes=until):
            group = (call.turn.conversation.robot.user_id, call.model.slug, call.currency)
            turns, calls, cost = found[group]
            found[group] = (turns + is_first, calls + 1, cost + call.cost)
    return found


def test_sums_change_nothing(robot: Robot) -> None:
    robots = [robot, make_robot(robot.account, robot.route, "@RBT#bea")]
    tiers = [None, Tier.objects.create(slug="vip")]
    turns = [
        make_turn(make_conversation(robots[number % 2], f"user{number}"), tier=tiers[number % 3 // 2])
        for number in range(80)
    ]
    make_calls(turns, [make_model("strong"), make_model("cheap")])
    spans = [(0, 360), (60, 120), (59.9, 301), (130, 140), (130, 190), (-100, 500), (200, 100)]
    before = {(span, groups): used(*span, groups) for span in spans for groups in GROUPS}

    for _ in range(4):
        assert usage.sum_up_some(LONG_AFTER, most=83) == 83
        assert before == {(span, groups): used(*span, groups) for span in spans for groups in GROUPS}

    usage.sum_up(LONG_AFTER)
    assert before == {(span, groups): used(*span, groups) for span in spans for groups in GROUPS}
    assert sum(each.calls for each in UsageSum.objects.all()) == ModelCall.objects.count()
    for span in spans:
        assert counted_by_hand(*span) == {
            (row["robot"], row["model"], row["cost"]["currency"]): (
                row["turns"], row["calls"], row["cost"]["amount"]
            )
            for row in used(*span, ["robot", "model"])
        }  # fmt: skip


def test_a_turn_counts_where_its_first_call_is(turn: Turn) -> None:
    asked(turn, 10)
    asked(turn, 70, model=make_model("strong"))
    usage.sum_up(LONG_AFTER)

    def turns(since: int, until: int, *groups: str) -> list[int]:
        return [row["turns"] for row in used(since, until, groups)]

    assert (turns(0, 60), turns(60, 120), turns(0, 120)) == ([1], [0], [1])
    assert (turns(60, 120, "model"), turns(0, 120, "model")) == ([1], [1, 1])


def test_what_may_still_change_is_summed_up_later(turn: Turn) -> None:
    asked(turn, 1)
    running = asked(turn, 2, outcome=Outcome.RUNNING, ended_at=None)
    asked(turn, 3)

    assert usage.sum_up_some(LONG_AFTER) == 1
    ModelCall.objects.filter(pk=running.pk).update(
        outcome=Outcome.ANSWERED, output_tokens=7, ended_at=LONG_AFTER
    )
    assert usage.sum_up_some(LONG_AFTER) == 0
    [row] = used()
    assert (row["calls"], row["tokens"]["output"]) == (3, 7)

    assert usage.sum_up_some(LONG_AFTER + timedelta(hours=3)) == 2
    assert used() == [row]


@pytest.mark.parametrize("minutes, tokens", [(50, 7), (70, 0)])
def test_a_lost_call_is_settled_before_it_is_summed_up_or_never(
    turn: Turn, minutes: int, tokens: int
) -> None:
    call = asked(turn, 0, outcome=Outcome.LOST)
    assert call.ended_at
    assert usage.sum_up_some(call.ended_at + timedelta(minutes=minutes)) == 0

    call.outcome, call.output_tokens = Outcome.ANSWERED, 7
    call.ended_at += timedelta(minutes=minutes)
    budget.settle(call)

    [row] = used()
    assert row["tokens"]["output"] == tokens


def test_sums_stay_when_what_they_are_of_is_gone(turn: Turn, robot: Robot) -> None:
    asked(turn, 10, cost=Decimal("0.5"), currency="CNY", model=make_model("old"))
    tasks.sum_up_usage(0)
    whole_hour, part_of_it = used(0, 60, ["robot", "model"]), used(0, 59, ["robot", "model"])
    assert whole_hour == part_of_it

    persons.erase(robot.account, "alice")
    assert (used(0, 60, ["robot", "model"]), used(0, 59)) == (whole_hour, [])

    robot.delete()
    LanguageModel.objects.get(slug="old").delete()
    [row] = used(0, 60, ["robot", "model"])
    assert (row["robot"], row["model"], row["cost"]["amount"]) == (None, None, Decimal("0.5"))

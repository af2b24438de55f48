"""What models may take, for a user, a robot and an account, by day and by month."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bots.llms import client_for
from bots.llms.base import ChatMessage, Prompt, ReplyStream
from bots.llms.scripted import Scripted
from bots.models import LanguageModel, Price, Robot, Tier, VendorAccount
from conversations import budget, calls, context, turns
from conversations.errors import OverLimit
from conversations.models import Conversation, ModelCall, Spend, Turn
from tests.support.factories import START, make_conversation, make_turn, say
from tests.support.processes import eventually
from tests.support.standin import Cloud

# Replies and rivals run in threads of their own, which see only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

PROMPT = Prompt(messages=(ChatMessage(role="user", content="How are you today?"),))  # 5 tokens
TODAY = date(2026, 11, 21)
CROWD = 50


class Killed(BaseException):
    """The worker is gone: nothing of it runs any more."""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the time; at first it is noon of TODAY."""

    def set_time(now: datetime) -> None:
        monkeypatch.setattr("django.utils.timezone.now", lambda: now)

    set_time(datetime(2026, 11, 21, 12, tzinfo=UTC))
    return set_time


@pytest.fixture
def model(model: LanguageModel) -> LanguageModel:
    """It says 40 characters, 10 tokens."""
    model.params = {"reply": "words " * 6 + "last", "chunk_chars": 8}
    model.save()
    Price.objects.create(model=model, valid_from=START, currency="CNY", input=200_000, output=100_000)
    return model


@pytest.fixture(autouse=True)
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "AHEAD", 20)


@pytest.fixture
def robot(robot: Robot) -> Robot:
    robot.default_tier = Tier.objects.create(slug="free", over_reply="Enough for today.")
    robot.save()
    return robot


@pytest.fixture
def turn(robot: Robot) -> Turn:
    return turn_of(robot, "alice")


def turn_of(robot: Robot, user_id: str, **fields: object) -> Turn:
    """A running turn, as if just taken."""
    conversation = make_conversation(robot, user_id, **fields)
    return make_turn(conversation, Turn.State.THINKING, attempt=1, tier=robot.default_tier)


@contextmanager
def asking(turn: Turn, model: LanguageModel) -> Iterator[ReplyStream]:
    stream = client_for(model.api).stream(model.endpoint, PROMPT)
    with calls.recorded(turn, model, stream):
        yield stream


def ask(turn: Turn, model: LanguageModel) -> None:
    """A call from beginning to end: 15 tokens, 1 + 1 CNY."""
    with asking(turn, model) as stream:
        list(stream)


def kept(field: str = "spent", **only: object) -> dict[tuple[str, str], Decimal]:
    """By scope and unit."""
    rows = Spend.objects.filter(**only).values_list("scope", "unit", field)
    return {(scope, unit): amount for scope, unit, amount in rows}


def is_allowed(turn: Turn, model: LanguageModel) -> bool:
    """Whether a call may begin."""
    try:
        with asking(turn, model):
            raise Killed
    except OverLimit:
        return False
    except Killed:
        calls.close_lost(calls.running().filter(turn=turn))
        return True


def in_thread[**P, R](act: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return act(*args, **kwargs)
    finally:
        connections.close_all()


def limit(holder: Tier | Robot | VendorAccount, **limits: object) -> None:
    for name, value in limits.items():
        setattr(holder, name, value)
    holder.save()


def test_a_call_is_counted_exactly_for_user_robot_and_account(turn: Turn, model: LanguageModel) -> None:
    ask(turn, model)
    assert kept(day=TODAY, account=turn.conversation.robot.account) == {
        ("peer", "tokens"): 15, ("robot", "tokens"): 15, ("account", "tokens"): 15,
        ("peer", "CNY"): 2, ("robot", "CNY"): 2, ("account", "CNY"): 2,
    }  # fmt: skip
    assert set(Spend.objects.values_list("scope", "name")) == {
        ("peer", "alice"), ("robot", "ada"), ("account", ""),
    }  # fmt: skip
    assert set(kept("reserved").values()) == {0}


def test_a_running_call_has_reserved_what_it_will_probably_take(turn: Turn, model: LanguageModel) -> None:
    with asking(turn, model):
        assert kept("reserved", scope="peer") == {("peer", "tokens"): 5 + 20, ("peer", "CNY"): 1 + 2}
        assert set(kept().values()) == {0}
    assert set(kept("reserved").values()) == {0}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_no_more_is_reserved_than_the_model_may_write(turn: Turn, model: LanguageModel, name: str) -> None:
    model.params[name] = 7
    with suppress(Exception), asking(turn, model):
        assert kept("reserved", unit="tokens")["peer", "tokens"] == 5 + 7


def test_a_call_that_fails_in_the_middle_is_counted(turn: Turn, model: LanguageModel) -> None:
    model.params |= {"fail": "unreachable", "fail_after_chars": 16}
    with suppress(Exception):
        ask(turn, model)
    assert kept(scope="peer") == {("peer", "tokens"): 5 + 4, ("peer", "CNY"): Decimal("1.4")}
    assert set(kept("reserved").values()) == {0}


def test_a_model_without_a_price_counts_tokens_only(turn: Turn, model: LanguageModel) -> None:
    Price.objects.all().delete()
    ask(turn, model)
    assert set(Spend.objects.values_list("unit", flat=True)) == {"tokens"}


@pytest.mark.parametrize("scope", ["tier", "robot", "account"])
@pytest.mark.parametrize(
    "limits", [{"daily_tokens": 20}, {"monthly_tokens": 20}, {"daily_cost": 3}, {"monthly_cost": 3}], ids=str
)
def test_every_limit_is_kept(turn: Turn, model: LanguageModel, scope: str, limits: dict[str, int]) -> None:
    robot = turn.conversation.robot
    holders = {"tier": robot.default_tier, "robot": robot, "account": robot.account}
    limit(holders[scope], **limits)  # type: ignore[arg-type]
    turn.tier = robot.default_tier
    ask(turn, model)
    ask(turn, model)  # something was left
    before = kept()

    with pytest.raises(OverLimit) as caught:
        ask(turn, model)

    told = {"tier": "user alice", "robot": "robot ada", "account": "account"}[scope]
    assert str(caught.value).startswith(f"over the limit of {told}: ")
    assert kept() == before
    assert set(kept("reserved").values()) == {0}
    assert ModelCall.objects.count() == 2


def test_the_limit_is_named(turn: Turn, model: LanguageModel) -> None:
    limit(turn.tier, daily_tokens=0, monthly_tokens=100)  # type: ignore[arg-type]
    with pytest.raises(OverLimit, match=r"^over the limit of user alice: 0 a day, 100 a month \(tokens\)$"):
        ask(turn, model)


def test_calls_at_the_same_time_have_to_fit_by_what_they_will_probably_take(
    turn: Turn, model: LanguageModel
) -> None:
    limit(turn.tier, daily_tokens=49)  # type: ignore[arg-type]
    other = turn_of(turn.conversation.robot, "alice", kind=Conversation.Kind.GROUP)
    limit(turn.conversation.robot, daily_tokens=49)
    with asking(turn, model):
        assert not is_allowed(other, model)
        limit(turn.conversation.robot, daily_tokens=50)
        assert is_allowed(turn_of(turn.conversation.robot, "bob"), model)


def test_users_of_a_tier_have_a_limit_each(turn: Turn, model: LanguageModel) -> None:
    limit(turn.tier, daily_tokens=10)  # type: ignore[arg-type]
    ask(turn, model)
    assert not is_allowed(turn, model)
    assert is_allowed(turn_of(turn.conversation.robot, "bob"), model)


def test_currencies_are_counted_apart(turn: Turn, model: LanguageModel) -> None:
    limit(turn.tier, daily_cost=1)  # type: ignore[arg-type]
    ask(turn, model)
    assert not is_allowed(turn, model)
    Price.objects.update(currency="USD")
    assert is_allowed(turn, model)


def test_a_day_begins_anew_and_a_month_goes_on(
    turn: Turn, model: LanguageModel, clock: Callable[[datetime], None]
) -> None:
    limit(turn.tier, daily_tokens=10, monthly_tokens=20)  # type: ignore[arg-type]
    ask(turn, model)
    assert not is_allowed(turn, model)
    clock(datetime(2026, 11, 22, tzinfo=UTC))
    ask(turn, model)
    clock(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    assert not is_allowed(turn, model)
    clock(datetime(2026, 12, 1, tzinfo=UTC))
    assert is_allowed(turn, model)


def test_days_are_those_of_the_time_zone(
    turn: Turn, model: LanguageModel, clock: Callable[[datetime], None]
) -> None:
    clock(datetime(2026, 11, 30, 16, tzinfo=UTC))
    with timezone.override("Asia/Shanghai"):
        ask(turn, model)
    assert set(Spend.objects.values_list("day", flat=True)) == {date(2026, 12, 1)}


def test_a_call_counts_for_the_day_on_which_it_began(
    turn: Turn, model: LanguageModel, clock: Callable[[datetime], None]
) -> None:
    with asking(turn, model) as stream:
        clock(datetime(2026, 11, 22, tzinfo=UTC))
        list(stream)
    assert kept(day=TODAY, scope="peer") == {("peer", "tokens"): 15, ("peer", "CNY"): 2}
    assert kept(day=date(2026, 11, 22)) == {}


def test_a_call_costs_what_was_valid_when_it_began(turn: Turn, model: LanguageModel) -> None:
    with asking(turn, model) as stream:
        now = timezone.now()
        Price.objects.create(model=model, valid_from=now + timedelta(seconds=1), currency="USD", input=1)
        list(stream)
    assert kept(scope="peer") == {("peer", "tokens"): 15, ("peer", "CNY"): 2}


def test_a_long_answer_reserves_more_while_it_is_written(
    turn: Turn, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "AHEAD", 4)
    stream = client_for(model.api).stream(model.endpoint, PROMPT)
    with calls.recorded(turn, model, stream) as call:
        reserved = [kept("reserved")["account", "tokens"] for _ in calls.metered(stream, call)]
    assert reserved == [9, 9, 15, 15, 15]  # 2 tokens a piece
    assert kept("reserved")["account", "CNY"] == 0
    assert kept()["account", "tokens"] == 15


def test_a_long_answer_may_end_but_others_have_to_wait(
    turn: Turn, model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "AHEAD", 4)
    limit(turn.conversation.robot, daily_tokens=20)
    other = turn_of(turn.conversation.robot, "bob")
    stream = client_for(model.api).stream(model.endpoint, PROMPT)
    with calls.recorded(turn, model, stream) as call:
        metered = calls.metered(stream, call)
        next(metered)
        assert is_allowed(other, model)
        Spend.objects.update(spent=0)
        assert len(list(metered)) == 4
        assert not is_allowed(other, model)


def lose(turn: Turn, model: LanguageModel) -> None:
    """Its worker is killed in the middle of a call."""
    with suppress(Killed), asking(turn, model) as stream:
        next(stream)
        raise Killed


def test_what_a_dead_worker_had_reserved_is_counted_as_spent(turn: Turn, model: LanguageModel) -> None:
    lose(turn, model)
    turn.attempt = 2
    calls.close_lost(calls.of_earlier_attempts(turn))
    assert kept(scope="peer") == {("peer", "tokens"): 25, ("peer", "CNY"): 3}
    assert set(kept("reserved").values()) == {0}
    call = ModelCall.objects.get()
    assert (call.input_tokens, call.output_tokens, call.cost, call.tokens_are_estimated) == (
        5, 20, Decimal(3), True,
    )  # fmt: skip
    assert (call.reserved_input_tokens, call.reserved_output_tokens, call.reserved_cost) == (0, 0, Decimal(0))


def test_a_worker_that_only_seemed_dead_corrects_that(turn: Turn, model: LanguageModel) -> None:
    with asking(turn, model) as stream:
        calls.close_lost(calls.running())
        list(stream)
    assert kept(scope="account") == {("account", "tokens"): 15, ("account", "CNY"): 2}
    assert set(kept("reserved").values()) == {0}


WAITING = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def someone_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees what it saw first
        cursor.execute(WAITING)
        return bool(cursor.fetchall())


@pytest.mark.parametrize("spent, allowed", [(75, True), (76, False)])
def test_a_call_that_had_to_wait_sees_what_the_other_took(
    turn: Turn, model: LanguageModel, spent: int, allowed: bool
) -> None:
    limit(turn.conversation.robot.account, daily_tokens=100)
    with asking(turn, model):
        Spend.objects.update(reserved=0)
        rival = turn_of(turn.conversation.robot, "bob")
        ask(rival, model)
        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                Spend.objects.filter(scope="account", unit="tokens").update(spent=spent - 25, reserved=25)
                waiting = threads.submit(in_thread, is_allowed, rival, model)
                eventually(someone_waits)
            assert waiting.result() == allowed
        assert kept()["account", "tokens"] == spent - 25 + (25 if allowed else 0)


def test_a_call_takes_one_statement_to_reserve_and_one_to_settle(turn: Turn, model: LanguageModel) -> None:
    ask(turn, model)
    with CaptureQueriesContext(connection) as queries:
        ask(turn, model)
    written = [query["sql"] for query in queries if "conversations_spend" in query["sql"]]
    assert len(written) == 2


# Whole turns


def converse(robot: Robot, count: int) -> list[int]:
    """Conversations with a question each; their ids."""
    conversations = [make_conversation(robot, f"user{number}") for number in range(count)]
    for conversation in conversations:
        say(conversation, "Hello?")
        make_turn(conversation, Turn.State.WAITING)
    return [conversation.pk for conversation in conversations]


def answer(conversation_id: int) -> None:
    in_thread(turns.answer, conversation_id)


def test_over_the_limit_the_user_reads_the_tiers_reply_and_no_model_is_asked(
    robot: Robot, model: LanguageModel, cloud: Cloud
) -> None:
    limit(robot, daily_tokens=0)
    Scripted.requests.clear()
    [conversation] = converse(robot, 1)

    turns.answer(conversation)

    turn = Turn.objects.get()
    assert cloud.shown() == ["Enough for today."]
    assert cloud.last_frames()[0].is_finished
    assert not cloud.last_frames()[0].is_error
    assert (turn.state, turn.error) == ("blocked", "over the limit of robot ada: 0 a day (tokens)")
    assert (turn.calls.count(), len(Scripted.requests)) == (0, 0)


def test_a_tier_without_a_reply_has_a_standard_one(robot: Robot, model: LanguageModel, cloud: Cloud) -> None:
    Tier.objects.update(over_reply="", daily_tokens=0)
    [conversation] = converse(robot, 1)
    turns.answer(conversation)
    assert cloud.shown() == [
        "You have reached the limit of what you can ask for now. Please try again later."
    ]


def test_what_was_said_over_the_limit_is_no_history(robot: Robot, model: LanguageModel, cloud: Cloud) -> None:
    Tier.objects.update(daily_tokens=0)
    [pk] = converse(robot, 1)
    turns.answer(pk)
    Tier.objects.update(daily_tokens=None)
    say(Conversation.objects.get(), "And now?")
    make_turn(Conversation.objects.get(), Turn.State.WAITING)

    turn = turns.take(pk)

    assert turn is not None
    assert "Enough" not in str(context.show(turn).prompt)


def test_a_crowd_on_one_limit_goes_over_by_no_more_than_the_calls_that_run(
    robot: Robot, model: LanguageModel, cloud: Cloud
) -> None:
    model.params |= {"delay_ms": 5}
    model.save()
    limit(robot.account, daily_tokens=300)

    with ThreadPoolExecutor(CROWD) as threads:
        list(threads.map(answer, converse(robot, CROWD)))

    spent = kept()["account", "tokens"]
    used = sum(call.input_tokens + call.output_tokens for call in ModelCall.objects.all())
    states = Turn.objects.values_list("state", flat=True)
    assert sorted(set(states)) == ["blocked", "done"]
    assert ModelCall.objects.count() == sum(state == "done" for state in states)
    assert spent == used
    assert 0 < spent <= 300 + 20  # the last one may begin while anything is left
    assert set(kept("reserved").values()) == {0}


def test_workers_that_take_different_robots_rows_do_not_block_one_another(
    robot: Robot, model: LanguageModel, cloud: Cloud
) -> None:
    other = Robot.objects.create(account=robot.account, user_id="bob", route=robot.route, merge_window_ms=0)
    crowd = [pk for pair in zip(converse(robot, 20), converse(other, 20), strict=True) for pk in pair]
    with ThreadPoolExecutor(len(crowd)) as threads:
        list(threads.map(answer, crowd))
    assert set(Turn.objects.values_list("state", flat=True)) == {"done"}
    assert Spend.objects.get(scope="account", unit="tokens").spent == sum(
        row.spent for row in Spend.objects.filter(scope="robot", unit="tokens")
    )
    assert set(kept("reserved").values()) == {0}

"""The people behind robots: when they are there, what they take, how long they may leave users waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone

from bots.desks import Desk, check_hours
from bots.models import LanguageModel, Policy, Robot, Route, Rule
from conversations import closing, deadlines, operating, ownership, ratings, turns
from conversations.models import Conversation, Handoff, Message, Rating, Resolution, Turn
from tests.conversations.conftest import Hear
from tests.support.factories import make_conversation, say
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)

NEVER: dict[str, list[str]] = {"mon": []}
SATURDAY = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)  # 10:30 in Shanghai


@pytest.fixture
def desk(robot: Robot) -> Desk:
    robot.own_desk = Desk.objects.create(
        slug="day",
        closed_reply="Nobody is here.",
        waiting_reply="One moment.",
        timeout_reply="Back with me.",
        take_within_min=5,
        answer_within_min=10,
        takes_failures=True,
    )
    robot.policy = Policy.objects.create(slug="people", handoff_words=["human"])
    robot.save()
    return robot.own_desk


@pytest.fixture
def olive(db: None) -> User:
    return User.objects.create_user("olive")


def change(desk: Desk, **fields: Any) -> None:
    Desk.objects.filter(pk=desk.pk).update(**fields)


def told(conversation: Conversation) -> list[str]:
    return list(
        conversation.messages.filter(sender=Message.Sender.SYSTEM)
        .order_by("id")
        .values_list("text", flat=True)
    )


@pytest.mark.parametrize(
    "hours, is_open",
    [
        ({}, True),
        ({"sat": ["09:00-12:00"]}, True),
        ({"sat": ["10:30-24:00"]}, True),
        ({"sat": ["09:00-10:30", "11:00-12:00"]}, False),
        ({"fri": ["00:00-24:00"]}, False),
    ],
)
def test_hours_are_of_the_desks_own_zone(hours: dict[str, list[str]], is_open: bool) -> None:
    assert Desk(hours=hours, time_zone="Asia/Shanghai").is_open(SATURDAY) is is_open


@pytest.mark.parametrize(
    "hours", [[], {"monday": []}, {"mon": "09:00-18:00"}, {"mon": ["9-18"]}, {"mon": ["18:00-09:00"]}]
)
def test_hours_that_are_none_are_refused(hours: Any) -> None:
    with pytest.raises(ValidationError):
        check_hours(hours)


def test_who_asks_for_people_is_told_to_wait(hear: Hear, desk: Desk) -> None:
    conversation = hear("a human, please")

    turns.answer(conversation.pk)

    conversation.refresh_from_db()
    assert (conversation.owner, conversation.need) == (
        Conversation.Owner.OPERATOR,
        Conversation.Need.PERSON,
    )
    assert told(conversation) == ["One moment."]


def test_outside_the_hours_users_stay_with_the_robot(hear: Hear, desk: Desk, cloud: Cloud) -> None:
    change(desk, hours=NEVER)
    conversation = hear("a human, please")

    turns.answer(conversation.pk)

    conversation.refresh_from_db()
    assert conversation.owner == Conversation.Owner.ROBOT
    assert cloud.shown() == ["Nobody is here."]
    turn = Turn.objects.get()
    assert (turn.state, turn.model) == (Turn.State.DONE, None)


@pytest.mark.parametrize("takes_failures", [True, False])
def test_people_take_what_models_fail_at(
    hear: Hear, desk: Desk, model: LanguageModel, cloud: Cloud, takes_failures: bool
) -> None:
    change(desk, takes_failures=takes_failures)
    LanguageModel.objects.filter(pk=model.pk).update(enabled=False)
    conversation = hear("hello")

    turns.answer(conversation.pk)

    conversation.refresh_from_db()
    assert Turn.objects.get().state == Turn.State.FAILED
    causes = list(Handoff.objects.values_list("cause", flat=True))
    assert causes == ([Handoff.Cause.FAILURE] if takes_failures else [])
    needs = Conversation.Need
    assert conversation.need == (needs.PERSON if takes_failures else needs.FAILED_REPLY)
    assert cloud.shown() == ["One moment." if takes_failures else "Sorry."]


@pytest.mark.parametrize("waiting_reply", ["One moment.", ""])
def test_a_rule_hands_over_to_people(hear: Hear, desk: Desk, cloud: Cloud, waiting_reply: str) -> None:
    change(desk, waiting_reply=waiting_reply)
    Rule.objects.update(hands_over=True)
    conversation = hear("hello")

    turns.answer(conversation.pk)

    conversation.refresh_from_db()
    assert (conversation.owner, conversation.need) == (
        Conversation.Owner.OPERATOR,
        Conversation.Need.PERSON,
    )
    assert Handoff.objects.get().cause == Handoff.Cause.RULE
    turn = Turn.objects.get()
    assert (turn.state, turn.model, turn.choice and turn.choice["rule"]) == (Turn.State.HANDED_OFF, None, 1)
    assert [text for text in cloud.shown() if text] == ([waiting_reply] if waiting_reply else [])
    assert not conversation.messages.filter(state__in=Message.UNDELIVERED).exists()


def test_outside_the_hours_the_next_rule_decides(hear: Hear, desk: Desk, route: Route, cloud: Cloud) -> None:
    change(desk, hours=NEVER)
    Rule.objects.update(position=1)
    Rule.objects.create(route=route, position=0, hands_over=True)

    turns.answer(hear("hello").pk)

    assert cloud.shown() == ["You said: hello"]
    assert not Handoff.objects.exists()


def test_a_good_answer_settles_a_failed_one(hear: Hear, model: LanguageModel) -> None:
    LanguageModel.objects.filter(pk=model.pk).update(enabled=False)
    turns.answer(hear("hello").pk)
    LanguageModel.objects.filter(pk=model.pk).update(enabled=True)

    conversation = hear("again", id_="2")
    turns.answer(conversation.pk)

    conversation.refresh_from_db()
    assert (conversation.need, conversation.need_since) == (Conversation.Need.NONE, None)


def test_who_waits_too_long_is_the_robots_again(hear: Hear, desk: Desk) -> None:
    conversation = hear("a human, please")
    turns.answer(conversation.pk)
    now = timezone.now()
    assert deadlines.enforce(now + timedelta(minutes=4)) == 0

    assert deadlines.enforce(now + timedelta(minutes=6)) == 1

    conversation.refresh_from_db()
    assert conversation.owner == Conversation.Owner.ROBOT
    assert Handoff.objects.get().returned_by == deadlines.TIME_OUT
    assert told(conversation)[-1] == "Back with me."


def test_operators_who_fall_silent_lose_the_conversation(robot: Robot, desk: Desk, olive: User) -> None:
    conversation = make_conversation(robot)
    ownership.take_over(conversation, operator=olive)
    later = timezone.now() + timedelta(minutes=11)
    say(conversation, "first")
    operating.say(conversation, "answered", operator=olive)
    assert deadlines.enforce(later) == 0  # nothing is owed

    say(conversation, "second")
    assert deadlines.enforce(later) == 1

    assert Handoff.objects.get().answered_at is not None
    assert Turn.objects.filter(conversation=conversation, state=Turn.State.WAITING).count() == 1
    assert deadlines.enforce(later) == 0


def test_without_a_desk_nobody_is_hurried(robot: Robot, olive: User) -> None:
    conversation = make_conversation(robot)
    ownership.take_over(conversation, operator=olive)
    say(conversation, "hello?")

    assert deadlines.enforce(timezone.now() + timedelta(days=9)) == 0


def test_users_who_are_asked_rate_by_a_number(hear: Hear, desk: Desk, olive: User, cloud: Cloud) -> None:
    conversation = hear("hello")
    ownership.take_over(conversation, operator=olive)
    closing.resolve(conversation, operator=olive, asks_rating=True)
    assert told(conversation) == [desk.rating_question]

    hear(" ２分 ", id_="2")
    turns.answer(conversation.pk)

    conversation.refresh_from_db()
    assert Rating.objects.get().score == 2
    assert cloud.shown() == ["Thank you!"]
    assert conversation.resolved_at is not None
    assert conversation.need == Conversation.Need.LOW_RATING
    assert Resolution.objects.count() == 1


def test_other_words_are_no_rating_nor_are_later_numbers(hear: Hear, robot: Robot, olive: User) -> None:
    conversation = hear("hello")
    ownership.take_over(conversation, operator=olive)
    closing.resolve(conversation, operator=olive, asks_rating=True)

    for number, text in enumerate(("Wait, how many can I order?", "5"), start=2):
        hear(text, id_=str(number))
        turns.answer(conversation.pk)

    assert not Rating.objects.exists()
    conversation.refresh_from_db()
    assert conversation.resolved_at is None


def test_what_goes_quiet_is_resolved_by_robots(robot: Robot, olive: User) -> None:
    now = timezone.now()
    long_ago = now - timedelta(hours=25)
    alone, helped, recent, held = (make_conversation(robot, name) for name in ("a", "b", "c", "d"))
    ownership.take_over(helped, operator=olive)
    ownership.hand_back(helped)
    ownership.take_over(held, operator=olive)
    Conversation.objects.exclude(pk=recent.pk).update(last_message_at=long_ago)

    assert closing.resolve_quiet(now) == 2
    assert closing.resolve_quiet(now) == 0

    by_robot = dict(Resolution.objects.values_list("conversation__peer_id", "is_by_robot"))
    assert by_robot == {alone.peer_id: True, helped.peer_id: False}


def test_resolving_leaves_nothing_to_be_answered(robot: Robot, olive: User) -> None:
    conversation = make_conversation(robot)
    ownership.take_over(conversation, operator=olive)
    say(conversation, "thanks, bye")

    closing.resolve(conversation, operator=olive)
    closing.resolve(conversation, operator=olive)

    assert conversation.owner == Conversation.Owner.ROBOT
    assert not turns.unanswered(conversation.pk).exists()
    assert not Turn.objects.filter(state=Turn.State.WAITING).exists()
    assert Resolution.objects.get().resolved_by == "olive"


def test_only_low_ratings_need_a_person(robot: Robot) -> None:
    conversation = make_conversation(robot)

    ratings.record(conversation, score=3)

    conversation.refresh_from_db()
    assert conversation.need == Conversation.Need.NONE

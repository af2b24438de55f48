from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from audit.models import Entry
from bots.models import Robot
from conversations import closing, handoffs, operating, ownership, ratings
from conversations.console import numbers
from conversations.console.rights import Scope
from conversations.models import Conversation, Handoff, Resolution, Spend
from tests.support.factories import make_conversation, make_robot, make_spend
from tests.support.staff import logged_in, make_staff

ALL = Scope(robots=None)


@pytest.fixture
def susan(db: None) -> Client:
    return logged_in(make_staff("susan", "supervisor"))


@pytest.fixture
def day(robot: Robot) -> Robot:
    """Olive helps alice, and bob's talk with the robot goes quiet; carol waits."""
    olive = User.objects.create_user("olive")
    alice, bob, carol = (make_conversation(robot, name) for name in ("alice", "bob", "carol"))
    handoffs.begin(alice, Handoff.Cause.WORDS)
    ownership.take_over(alice, operator=olive)
    operating.say(alice, "Hello", operator=olive)
    began_at = timezone.now() - timedelta(seconds=90)
    Handoff.objects.update(began_at=began_at, answered_at=began_at + timedelta(seconds=30))
    closing.resolve(alice, operator=olive)
    ratings.record(alice, score=4)
    long_ago = timezone.now() - timedelta(days=2)
    Conversation.objects.filter(pk=bob.pk).update(last_message_at=long_ago, opened_at=long_ago)
    closing.resolve_quiet(timezone.now())
    handoffs.begin(carol, Handoff.Cause.FAILURE)
    make_spend(
        robot, scope=Spend.Scope.ROBOT, name=robot.user_id, day=timezone.localdate(), unit="CNY", spent=2
    )
    return robot


def test_what_is_the_case_now(day: Robot) -> None:
    live = numbers.live(ALL)

    assert (live.open, live.waiting, live.with_people) == (1, 1, 0)
    assert live.longest_since is not None


def test_days_are_summed_up(day: Robot) -> None:
    lines = numbers.by_day(ALL, numbers.first_day(7))

    assert len(lines) == 7
    today = lines[timezone.localdate()]
    assert (today.resolved, today.by_robot, today.share) == (2, 1, 0.5)
    assert (today.handoffs, today.response) == (2, timedelta(seconds=30))
    assert (today.ratings, today.score, today.costs) == (1, 4.0, "2.00 CNY")
    assert lines[numbers.first_day(7)].resolved == 0
    assert numbers.causes(ALL, numbers.first_day(1)) == {
        "the user asked for people": 1,
        "every model failed": 1,
    }
    assert numbers.scores(ALL, numbers.first_day(1)) == {1: 0, 2: 0, 3: 0, 4: 1, 5: 0}


def test_figures_are_told_by_robot_and_operator(day: Robot) -> None:
    make_robot(day.account, day.route, "bea")
    since = numbers.first_day(1)

    [(robot, line)] = numbers.by_robot(ALL, since).items()
    assert (robot, line.resolved, line.handoffs, line.costs) == (day, 2, 2, "2.00 CNY")
    [(name, theirs)] = numbers.by_operator(ALL, since).items()
    assert (name, theirs.resolved, theirs.handoffs) == ("olive", 1, 1)
    nobodys = Scope(robots=frozenset())
    assert numbers.by_robot(nobodys, since) == {}
    assert numbers.live(nobodys).waiting == 0


def test_supervisors_see_the_page_and_take_the_figures_along(susan: Client, day: Robot) -> None:
    page = susan.get("/console/numbers/?days=30").content.decode()
    table = susan.get("/console/numbers.csv?days=7")

    assert "olive" in page
    assert table["Content-Type"] == "text/csv; charset=utf-8"
    head, *lines = table.content.decode("utf-8-sig").splitlines()
    assert head.startswith("day,resolved,by_robot")
    today, resolved, by_robot, resolution_s, *others = lines[-1].split(",")
    assert (today, resolved, by_robot) == (timezone.localdate().isoformat(), "2", "1")
    assert int(resolution_s) == pytest.approx(24 * 3600, abs=60)  # between two days and nothing
    assert others == ["2", "30", "1", "4.0", "2.00 CNY"]
    assert Entry.objects.filter(who="susan", deed="exported", what="figures of 7 days").exists()


@pytest.mark.parametrize("address", ["/console/numbers/", "/console/numbers.csv"])
def test_operators_do_not_see_them(susan: Client, address: str) -> None:
    User.objects.get().groups.set([Group.objects.get(name="operator")])

    assert susan.get(address).status_code == 403


@pytest.mark.parametrize("days", ["", "0", "x", "365"])
def test_other_periods_count_as_a_week(susan: Client, days: str) -> None:
    assert susan.get("/console/numbers/", {"days": days}).context["days"] == 7


def test_queries_do_not_grow_with_what_was_said(day: Robot, django_assert_max_num_queries: Any) -> None:
    Resolution.objects.bulk_create(
        Resolution(conversation=each, is_by_robot=True, opened_at=timezone.now())
        for each in Conversation.objects.all()
        for _ in range(20)
    )

    with django_assert_max_num_queries(5):
        numbers.by_day(ALL, numbers.first_day(90))

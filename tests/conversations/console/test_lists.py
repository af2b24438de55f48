from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from bots.models import Robot, VendorAccount
from conversations import handoffs, ownership
from conversations.console import lists
from conversations.console.rights import Scope, scope_of
from conversations.models import Conversation, Handoff, Message, Seat
from tests.support.factories import START, make_conversation, make_robot, say

type Parameters = dict[str, str]

ALL = Scope(robots=None)


@pytest.fixture
def olive(db: None) -> User:
    return User.objects.create_user("olive")


def at(robot: Robot, peer_id: str, minute: int) -> Conversation:
    return make_conversation(robot, peer_id, last_message_at=START + timedelta(minutes=minute))


def names(user: User, **parameters: str) -> list[str]:
    return [
        row.conversation.peer_id for row in lists.page(user, scope_of(user), lists.asked(parameters)).rows
    ]


def wait_for_people(conversation: Conversation, minute: int) -> None:
    handoff = handoffs.begin(conversation, Handoff.Cause.WORDS)
    Handoff.objects.filter(pk=handoff.pk).update(began_at=START + timedelta(minutes=minute))


def test_latest_comes_first_and_pages_follow_without_gap(
    robot: Robot, olive: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PAGE", 2)
    for number in range(5):
        at(robot, f"user{number}", minute=number // 2)  # some at the same time
    seen: list[str] = []
    after = "none"
    while after:
        page = lists.page(olive, ALL, lists.asked({"after": "" if after == "none" else after}))
        seen += [row.conversation.peer_id for row in page.rows]
        after = page.next

    assert seen == ["user4", "user3", "user2", "user1", "user0"]


def test_who_has_waited_longest_comes_first(robot: Robot, olive: User) -> None:
    early, late, at_ease = (at(robot, name, minute=0) for name in ("early", "late", "at_ease"))
    wait_for_people(late, minute=9)
    wait_for_people(early, minute=3)
    Conversation.objects.filter(pk=early.pk).update(last_message_at=START + timedelta(minutes=20))
    assert at_ease.owner == Conversation.Owner.ROBOT

    assert names(olive, view="waiting") == ["early", "late"]
    assert lists.counts(olive, ALL) == {"waiting": 2, "mine": 0}


def test_what_an_operator_has_is_theirs_until_it_is_handed_back(robot: Robot, olive: User) -> None:
    conversation, other = at(robot, "alice", 0), at(robot, "bob", 1)
    ownership.take_over(conversation, operator=olive)
    ownership.take_over(other, by="desk")
    assert names(olive, view="mine") == ["alice"]
    assert names(olive, view="waiting") == []

    ownership.hand_back(conversation, by="olive")

    assert names(olive, view="mine") == []


def test_lists_are_narrowed_by_robot_and_user(robot: Robot, olive: User) -> None:
    other = make_robot(robot.account, robot.route, "bea")
    alice = at(robot, "alice", 0)
    at(robot, "albert", 1)
    at(other, "alice", 2)

    assert names(olive, robot=str(other.pk)) == ["alice"]
    assert names(olive, q="al") == ["alice", "albert", "alice"]
    assert names(olive, q="lice") == []
    assert names(olive, q=alice.public_id) == ["alice"]


@pytest.mark.parametrize(
    "parameters",
    [{"view": "no"}, {"robot": "x"}, {"robot": "²"}, {"after": "x"}, {"after": "2026~x"}, {"q": "\0"}],
)
def test_nonsense_counts_as_nothing(robot: Robot, olive: User, parameters: Parameters) -> None:
    at(robot, "alice", 0)

    assert names(olive, **parameters) == ["alice"]


def test_unread_is_counted_behind_what_was_read(robot: Robot, olive: User) -> None:
    conversation = at(robot, "alice", 0)
    read = say(conversation, "one")
    assert [row.unread for row in lists.page(olive, ALL, lists.asked({})).rows] == [0]  # the robot's concern
    lists.mark_read(conversation, olive, read.pk)
    say(conversation, "two")
    last = say(conversation, "three")
    lists.mark_read(conversation, olive, read.pk - 1)  # a page that was slow

    [row] = lists.page(olive, ALL, lists.asked({})).rows
    assert (row.unread, row.last) == (2, last)
    lists.mark_read(conversation, olive, last.pk)
    say(conversation, "answer", sender=Message.Sender.ROBOT)
    assert [row.unread for row in lists.page(olive, ALL, lists.asked({})).rows] == [0]


def test_a_page_takes_the_same_queries_for_any_number_of_rows(
    robot: Robot, olive: User, django_assert_max_num_queries: object
) -> None:
    for number in range(10):
        say(at(robot, f"user{number}", number), "hello")

    with django_assert_max_num_queries(5):  # type: ignore[operator]  # pytest-django's has no name
        lists.page(olive, ALL, lists.asked({}))


def test_a_seat_may_be_limited_to_accounts_and_robots(robot: Robot, olive: User) -> None:
    other = make_robot(robot.account, robot.route, "bea")
    at(robot, "alice", 0)
    at(other, "bob", 1)
    wait_for_people(at(other, "carol", 2), minute=2)
    seat = Seat.objects.create(user=olive)
    assert names(olive) == ["carol", "bob", "alice"]

    seat.robots.add(robot)
    assert names(olive) == ["alice"]
    assert lists.counts(olive, scope_of(olive)) == {"waiting": 0, "mine": 0}

    seat.accounts.add(robot.account)
    assert names(olive) == ["carol", "bob", "alice"]


def test_an_account_without_robots_shows_nothing(robot: Robot, olive: User) -> None:
    at(robot, "alice", 0)
    empty = VendorAccount.objects.create(slug="empty", vendor="standin")

    Seat.objects.create(user=olive).accounts.add(empty)

    assert names(olive) == []

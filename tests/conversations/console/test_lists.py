from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from bots.models import Robot, VendorAccount
from conversations import closing, handoffs, needs, ownership, ratings
from conversations.console import lists
from conversations.console.rights import Scope, scope_of
from conversations.models import Conversation, Handoff, Message, Seat, Tag, Turn
from tests.conversations.conftest import Hear
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
    assert lists.counts(olive, ALL) == {"waiting": 2, "mine": 0, "needy": 0, "mentioned": 0}


def test_what_an_operator_has_is_theirs_until_it_is_handed_back(robot: Robot, olive: User) -> None:
    conversation, other = at(robot, "alice", 0), at(robot, "bob", 1)
    ownership.take_over(conversation, operator=olive)
    ownership.take_over(other, by="desk")
    assert names(olive, view="mine") == ["alice"]
    assert names(olive, view="waiting") == []

    ownership.hand_back(conversation, by="olive")

    assert names(olive, view="mine") == []


@pytest.mark.parametrize("few", [0, lists.FEW])
def test_lists_are_narrowed_by_robot_and_user(
    robot: Robot, olive: User, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(lists, "FEW", few)
    other = make_robot(robot.account, robot.route, "bea")
    alice = at(robot, "alice", 0)
    at(robot, "albert", 1)
    at(other, "alice", 2)

    assert names(olive, robot=str(other.pk)) == ["alice"]
    susan = User.objects.create_superuser("susan")
    assert names(susan, q="al") == ["alice", "albert", "alice"]
    assert names(susan, q="lice") == []
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

    olive.get_all_permissions()  # a request asks for them once

    with django_assert_max_num_queries(7):  # type: ignore[operator]  # pytest-django's has no name
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
    assert lists.counts(olive, scope_of(olive)) == {"waiting": 0, "mine": 0, "needy": 0, "mentioned": 0}

    seat.accounts.add(robot.account)
    assert names(olive) == ["carol", "bob", "alice"]


def test_an_account_without_robots_shows_nothing(robot: Robot, olive: User) -> None:
    at(robot, "alice", 0)
    empty = VendorAccount.objects.create(slug="empty", vendor="standin")

    Seat.objects.create(user=olive).accounts.add(empty)

    assert names(olive) == []


def test_what_needs_a_person_most_comes_first(robot: Robot, olive: User) -> None:
    rated, failed, asking = (at(robot, name, minute=0) for name in ("rated", "failed", "asking"))
    at(robot, "at_ease", minute=0)
    needs.note(failed, Conversation.Need.FAILED_REPLY)
    needs.note(rated, Conversation.Need.FAILED_REPLY)
    needs.settle(rated)
    ratings.record(rated, score=2)
    ratings.record(failed, score=1)  # less urgent than what is noted
    wait_for_people(asking, minute=1)

    assert names(olive, view="needy") == ["asking", "failed", "rated"]
    assert lists.counts(olive, ALL)["needy"] == 2
    ownership.take_over(asking, operator=olive)
    assert names(olive, view="needy") == ["failed", "rated"]


def test_resolved_conversations_are_closed_until_the_user_writes(hear: Hear, olive: User) -> None:
    conversation = hear("Hello")
    Turn.objects.update(state=Turn.State.DONE)
    Conversation.objects.update(opened_at=START)
    closing.resolve(conversation, operator=olive)
    assert (names(olive), names(olive, view="closed")) == ([], ["alice"])

    hear("One more thing", id_="2")

    assert (names(olive), names(olive, view="closed")) == (["alice"], [])
    conversation.refresh_from_db()
    assert conversation.opened_at > START


def test_lists_are_narrowed_by_account_and_tag(robot: Robot, olive: User) -> None:
    alice, bob = at(robot, "alice", 0), at(robot, "bob", 1)
    closing.tag(alice, ["refund", " ", "vip "])
    closing.tag(bob, ["refund"])
    closing.tag(bob, [])
    refund = Tag.objects.get(name="refund")

    assert names(olive, tag=str(refund.pk)) == ["alice"]
    assert names(olive, account=str(robot.account_id)) == ["bob", "alice"]
    assert names(olive, account=str(robot.account_id + 1)) == []
    assert set(Tag.objects.values_list("name", flat=True)) == {"refund", "vip"}

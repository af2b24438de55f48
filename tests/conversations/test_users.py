"""A user's tier: their own, or else the robot's default."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from bots.models import Robot, Tier
from conversations import turns
from conversations.models import Conversation, EndUser, Message, Turn
from conversations.users import set_tier, tier_of
from tests.support.factories import make_conversation, make_turn, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def free(robot: Robot) -> Tier:
    """The robot's default."""
    robot.default_tier = Tier.objects.create(slug="free")
    robot.save()
    return robot.default_tier


@pytest.fixture
def vip() -> Tier:
    return Tier.objects.create(slug="vip")


def test_a_user_has_the_robots_default_tier(robot: Robot, free: Tier) -> None:
    assert tier_of(make_conversation(robot)) == free
    assert not EndUser.objects.exists()


def test_a_user_may_have_no_tier(robot: Robot) -> None:
    assert tier_of(make_conversation(robot)) is None


def test_a_users_own_tier_comes_first(robot: Robot, free: Tier, vip: Tier) -> None:
    set_tier(account=robot.account, user_id="alice", tier=vip)
    assert tier_of(make_conversation(robot, "alice")) == vip
    assert tier_of(make_conversation(robot, "bob")) == free


def test_a_tier_can_be_set_again(robot: Robot, free: Tier, vip: Tier) -> None:
    set_tier(account=robot.account, user_id="alice", tier=vip)
    set_tier(account=robot.account, user_id="alice", tier=free)
    assert EndUser.objects.get().tier == free


def test_a_group_has_no_tier_of_its_own(robot: Robot, free: Tier, vip: Tier) -> None:
    set_tier(account=robot.account, user_id="alice", tier=vip)
    assert tier_of(make_conversation(robot, "alice", kind=Conversation.Kind.GROUP)) == free


def test_a_turn_keeps_the_tier_that_it_began_with(robot: Robot, free: Tier, vip: Tier) -> None:
    conversation = make_conversation(robot, "alice")
    say(conversation, "Hello", state=Message.State.RECEIVED)
    make_turn(conversation, Turn.State.WAITING)
    turn = turns.take(conversation.pk)
    set_tier(account=robot.account, user_id="alice", tier=vip)
    assert turn is not None
    assert Turn.objects.get().tier == turn.tier == free


def test_an_admin_gives_a_user_a_tier(admin_client: Client, robot: Robot, vip: Tier) -> None:
    url = reverse("admin:conversations_enduser_add")
    admin_client.post(url, {"account": robot.account.pk, "user_id": "alice", "tier": vip.pk})
    assert tier_of(make_conversation(robot, "alice")) == vip
    listed = admin_client.get(reverse("admin:conversations_enduser_changelist", query={"q": "ali"}))
    assert "vip" in listed.content.decode()

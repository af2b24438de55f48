from __future__ import annotations

from datetime import UTC, datetime

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from bots.configuration.saving import (
    RuleDraft,
    register_again,
    rules_of,
    save_account,
    save_robot,
    save_route,
)
from bots.models import Robot, Route, Rule, VendorAccount
from tests.support.factories import make_account, make_model, make_robot, make_route

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def account() -> VendorAccount:
    return make_account()


@pytest.fixture
def robot(account: VendorAccount) -> Robot:
    """A robot that its vendor knows."""
    return make_robot(account, make_route(), registered_at=NOW)


def queued() -> list[int]:
    """Ids of robots that are about to be registered."""
    jobs = ProcrastinateJob.objects.filter(task_name="bots.register_robot").order_by("id")
    return [args["robot_id"] for args in jobs.values_list("args", flat=True)]


def test_a_new_robot_is_registered(account: VendorAccount) -> None:
    robot = Robot(account=account, route=make_route(), user_id="@RBT#bob")
    save_robot(robot)
    assert queued() == [robot.pk]


def test_a_robot_that_looks_different_is_registered_again(robot: Robot) -> None:
    robot.nickname = "Eve"
    save_robot(robot)
    assert queued() == [robot.pk]
    assert robot.registered_at is None


def test_a_robot_that_looks_the_same_stays_registered(robot: Robot) -> None:
    robot.persona = "You are Eve."
    save_robot(robot)
    assert queued() == []
    assert Robot.objects.get().registered_at == NOW


def test_an_outcome_that_came_meanwhile_is_not_overwritten(robot: Robot) -> None:
    stale = Robot.objects.get()
    Robot.objects.update(registered_at=None, registration_error="no")
    Robot.objects.update(enabled=False)
    stale.enabled = False
    save_robot(stale)
    assert Robot.objects.get().registration_error == "no"


def test_a_disabled_robot_is_registered_once_it_is_enabled(account: VendorAccount) -> None:
    robot = Robot(account=account, route=make_route(), user_id="@RBT#bob", enabled=False)
    save_robot(robot)
    assert queued() == []
    robot.enabled = True
    save_robot(robot)
    assert queued() == [robot.pk]


def test_other_credentials_register_an_accounts_robots_again(robot: Robot) -> None:
    robot.account.config["secret_key"] = "other"
    save_account(robot.account)
    assert queued() == [robot.pk]
    assert Robot.objects.get().registered_at is None


def test_other_limits_do_not(robot: Robot) -> None:
    robot.account.limits = {"send_per_s": 1}
    save_account(robot.account)
    assert queued() == []


def test_robots_of_disabled_accounts_are_not_registered(robot: Robot) -> None:
    VendorAccount.objects.update(enabled=False)
    assert register_again(Robot.objects.all()) == 0
    assert queued() == []


def test_a_route_has_exactly_the_rules_it_was_saved_with() -> None:
    fast, strong = make_model("fast"), make_model("strong")
    route = make_route("default", [fast], [strong])
    drafts = [RuleDraft(when={"kinds": ["image"]}, models=[strong, fast]), RuleDraft(when={}, models=[fast])]
    save_route(route, drafts)
    assert rules_of(Route.objects.get()) == drafts


def test_rules_that_did_not_change_are_left_alone() -> None:
    route = make_route("default", [make_model("fast")])
    before = Rule.objects.get()
    save_route(route, rules_of(route))
    assert Rule.objects.get() == before

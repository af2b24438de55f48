from __future__ import annotations

import pytest

from bots.errors import VendorBusy, VendorRefused
from bots.models import Robot
from bots.robots import register
from bots.tasks import register_robot
from tests.support.factories import make_account, make_robot, make_route
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db


@pytest.fixture
def robot(paper_cloud: Cloud) -> Robot:
    return make_robot(make_account(), make_route(), avatar_url="https://paper.example/ada.png")


def test_the_vendor_is_told_what_users_see(robot: Robot, paper_cloud: Cloud) -> None:
    register(robot)
    assert paper_cloud.registered == [robot.profile]
    assert Robot.objects.get().registered_at is not None


def test_a_refusal_is_kept_with_the_robot(robot: Robot, paper_cloud: Cloud) -> None:
    paper_cloud.trouble.append((True, VendorRefused("no more than 20 robots", party="paper", code="10008")))
    with pytest.raises(VendorRefused):
        register(robot)
    assert Robot.objects.get().registration_error == "paper 10008: no more than 20 robots"


def test_success_clears_the_error(robot: Robot) -> None:
    Robot.objects.update(registration_error="no")
    register(robot)
    assert Robot.objects.get().registration_error == ""


def test_a_bug_is_kept_by_name_only_for_its_text_may_hold_a_secret(robot: Robot, paper_cloud: Cloud) -> None:
    paper_cloud.trouble.append((True, ValueError("key=s3cret")))
    with pytest.raises(ValueError, match="s3cret"):
        register(robot)
    assert Robot.objects.get().registration_error == "ValueError"


def test_an_outcome_says_nothing_of_a_robot_that_was_edited_meanwhile(
    robot: Robot, paper_cloud: Cloud
) -> None:
    def edit(call: str) -> None:
        Robot.objects.update(nickname="Eve")

    paper_cloud.on_call = edit
    register(robot)
    assert Robot.objects.get().registered_at is None


def test_the_task_leaves_disabled_and_deleted_robots_alone(robot: Robot, paper_cloud: Cloud) -> None:
    Robot.objects.update(enabled=False)
    register_robot(robot_id=robot.pk)
    Robot.objects.all().delete()
    register_robot(robot_id=robot.pk)
    assert paper_cloud.registered == []


def test_the_task_is_repeated_by_what_the_error_says(robot: Robot, paper_cloud: Cloud) -> None:
    paper_cloud.trouble.append((True, VendorBusy("slow down")))
    with pytest.raises(VendorBusy):
        register_robot(robot_id=robot.pk)
    register_robot(robot_id=robot.pk)
    assert Robot.objects.get().registered_at is not None

"""Robots at their vendor."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from bots.clients import vendor_for
from bots.errors import BotError
from bots.events import RobotProfile
from bots.models import Robot


def load_robot(pk: int) -> Robot:
    """The robot with all that a turn goes by, for `bots.known`."""
    related = "account__desk", "own_desk", "route__classifier", "policy", "default_tier"
    return Robot.objects.select_related(*related).get(pk=pk)


def register(robot: Robot) -> None:
    """Create the robot at its vendor, or bring its profile up to date; the outcome is kept with it.

    Blocks.  Raises what the vendor's client raises, VendorError above all.
    """
    profile = robot.profile
    try:
        vendor_for(robot.account).register(profile)
    except Exception as error:
        # Only our own errors are known to quote no credential.
        reason = str(error) if isinstance(error, BotError) else type(error).__name__
        _keep_outcome(robot, profile, registered_at=None, error=reason)
        raise
    _keep_outcome(robot, profile, registered_at=timezone.now(), error="")


def _keep_outcome(robot: Robot, profile: RobotProfile, *, registered_at: datetime | None, error: str) -> None:
    # A robot that was edited meanwhile has a job of its own waiting, and this outcome says nothing of it.
    unchanged = Robot.objects.filter(
        pk=robot.pk, user_id=profile.user_id, nickname=profile.nickname, avatar_url=profile.avatar_url
    )
    unchanged.update(registered_at=registered_at, registration_error=error)

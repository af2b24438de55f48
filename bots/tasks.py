"""Background work of robots: each task loads by id and calls a service."""

from __future__ import annotations

from collections.abc import Iterable

from procrastinate.contrib.django import app

from bots import robots
from bots.models import Robot
from bots.retries import RetryByError


@app.task(name="bots.register_robot", retry=RetryByError())
def register_robot(robot_id: int) -> None:
    enabled = Robot.objects.filter(enabled=True, account__enabled=True).select_related("account")
    robot = enabled.filter(pk=robot_id).first()
    if robot is not None:
        robots.register(robot)


def defer_registrations(robot_ids: Iterable[int]) -> None:
    """Queue a job for each robot, in the transaction that is under way."""
    for robot_id in robot_ids:
        # One after the other, so that the newest profile is the last that the vendor hears of.
        register_robot.configure(lock=f"robot:{robot_id}").defer(robot_id=robot_id)

"""The people behind a robot: are they there, and what are users told of it."""

from __future__ import annotations

from django.utils import timezone

from bots.desks import Desk
from bots.models import Robot


def desk_of(robot: Robot) -> Desk:
    """Its own or its account's; where nothing is settled, people are always there and nothing is said."""
    return robot.desk or Desk()


def is_open(robot: Robot) -> bool:
    return desk_of(robot).is_open(timezone.now())


def takes_failures(robot: Robot) -> bool:
    return desk_of(robot).takes_failures and is_open(robot)

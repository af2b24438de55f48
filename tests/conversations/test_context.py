"""What the model is shown, and how the turn tells of it."""

from __future__ import annotations

import pytest

from bots.configuration.saving import save_robot
from bots.models import Robot
from conversations import turns
from conversations.models import Turn
from tests.conversations.conftest import Hear

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_turn_names_the_version_of_the_persona(hear: Hear, robot: Robot) -> None:
    for number, persona in enumerate(("You are Ada.", "You are Bea."), start=1):
        robot.persona = persona
        save_robot(robot)
        turns.answer(hear("hello", id_=str(number)).pk)

    named = [turn.persona and turn.persona.number for turn in Turn.objects.order_by("id")]
    assert named == [1, 2]

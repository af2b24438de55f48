"""What the model is shown, and how the turn tells of it."""

from __future__ import annotations

import pytest

from bots.configuration.saving import save_robot
from bots.events import JSONDict
from bots.llms.scripted import Scripted
from bots.models import LanguageModel, Robot
from conversations import turns
from conversations.models import Message, Turn
from tests.conversations.conftest import Hear

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_turn_names_the_version_of_the_persona(hear: Hear, robot: Robot) -> None:
    for number, persona in enumerate(("You are Ada.", "You are Bea."), start=1):
        robot.persona = persona
        save_robot(robot)
        turns.answer(hear("hello", id_=str(number)).pk)

    named = [turn.persona and turn.persona.number for turn in Turn.objects.order_by("id")]
    assert named == [1, 2]


PICTURE = "https://cos.example/a.png?sign=1"


@pytest.mark.parametrize("takes_images, shown", [(True, (PICTURE,)), (False, ())])
def test_a_picture_is_shown_to_models_that_take_it(
    hear: Hear, model: LanguageModel, takes_images: bool, shown: tuple[str, ...]
) -> None:
    LanguageModel.objects.update(takes_images=takes_images)
    conversation = hear("", "What is it?")
    Message.objects.filter(text="").update(kind=Message.Kind.IMAGE, extra={"url": PICTURE})

    turns.answer(conversation.pk)

    asked = Scripted.requests[-1].prompt.messages[-1]
    assert (asked.content, asked.images) == ("[image]\nWhat is it?", shown)


def test_a_picture_is_shown_once(hear: Hear, model: LanguageModel) -> None:
    LanguageModel.objects.update(takes_images=True)
    conversation = hear("")
    Message.objects.filter(text="").update(kind=Message.Kind.IMAGE, extra={"url": PICTURE})
    turns.answer(conversation.pk)

    turns.answer(hear("Thanks", id_="2").pk)

    assert [message.images for message in Scripted.requests[-1].prompt.messages if message.images] == []


@pytest.mark.parametrize("extra", [{}, {"url": 5}, {"url": "javascript:alert(1)"}])
def test_a_picture_without_an_address_is_only_told_of(
    hear: Hear, model: LanguageModel, extra: JSONDict
) -> None:
    LanguageModel.objects.update(takes_images=True)
    conversation = hear("")
    Message.objects.filter(text="").update(kind=Message.Kind.IMAGE, extra=extra)

    turns.answer(conversation.pk)

    asked = Scripted.requests[-1].prompt.messages[-1]
    assert (asked.content, asked.images) == ("[image]", ())

"""Robots, accounts and models are stopped and started: what runs ends cleanly, what waited is answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from bots.models import LanguageModel, Robot, VendorAccount
from conversations import halting, turns
from conversations.models import Message, Reconciliation, Turn
from tests.conversations.conftest import Hear
from tests.support.factories import make_conversation, make_turn
from tests.support.standin import Cloud

pytestmark = pytest.mark.django_db(transaction=True)  # frames leave in a thread of their own


@pytest.mark.parametrize("kind", [Robot, VendorAccount])
def test_a_stopped_one_begins_nothing_and_answers_when_it_starts(kind: Any, hear: Hear, cloud: Cloud) -> None:
    conversation = hear("Hello")  # waits while it is stopped
    assert halting.stop(kind.objects.all(), by="susan") == 1
    turns.answer(conversation.pk)
    assert (Turn.objects.get().state, cloud.shown()) == ("stopped", [])

    assert halting.start(kind.objects.all(), by="susan") == 1
    assert halting.start(kind.objects.all(), by="susan") == 0
    turns.answer(conversation.pk)

    assert cloud.shown() == ["You said: Hello"]
    assert ProcrastinateJob.objects.filter(
        task_name="conversations.answer", lock=f"conversation:{conversation.pk}"
    ).exists()
    assert Reconciliation.objects.exists() == (kind is VendorAccount)


def test_what_is_too_old_is_not_answered(hear: Hear, robot: Robot) -> None:
    conversation = hear("Hello")
    halting.stop(Robot.objects.all(), by="susan")
    turns.answer(conversation.pk)
    Message.objects.update(created_at=timezone.now() - timedelta(seconds=robot.max_age_s + 60))

    halting.start(Robot.objects.all(), by="susan")

    assert not Turn.objects.filter(state=Turn.State.WAITING).exists()


def test_running_replies_end_by_themselves_or_at_once(hear: Hear, robot: Robot, model: LanguageModel) -> None:
    turn = make_turn(make_conversation(robot, "bob"), Turn.State.SPEAKING, model=model)
    halting.stop(Robot.objects.all(), by="susan")
    for chosen in (Robot.objects.all(), VendorAccount.objects.all(), LanguageModel.objects.all()):
        assert list(halting.running(chosen)) == [turn]
    turn.refresh_from_db()
    assert turn.ending == ""

    assert halting.end_replies(Robot.objects.all(), by="susan") == 1
    assert halting.end_replies(Robot.objects.all(), by="susan") == 0

    turn.refresh_from_db()
    assert turn.ending == "stopped"


def test_models_are_stopped_and_started(model: LanguageModel) -> None:
    for act, enabled in ((halting.stop, False), (halting.start, True)):
        assert act(LanguageModel.objects.all(), by="susan") == 1
        assert act(LanguageModel.objects.all(), by="susan") == 0
        model.refresh_from_db()
        assert model.enabled == enabled


def act(client: Client, name: str, action: str, pk: int) -> list[str]:
    sent = {"action": action, "_selected_action": [pk]}
    response = client.post(reverse(f"admin:bots_{name}_changelist"), sent, follow=True)
    return [str(message) for message in response.context["messages"]]


def test_the_admin_stops_and_starts_and_notes_it(
    admin_client: Client, robot: Robot, model: LanguageModel
) -> None:
    make_turn(make_conversation(robot, "bob"), Turn.State.SPEAKING, model=model)

    assert act(admin_client, "robot", "stop", robot.pk) == [
        "1 is stopped.",
        "1 reply is still being said, and ends by itself.",
    ]
    assert "1 reply was ended." in act(admin_client, "robot", "stop_at_once", robot.pk)
    assert act(admin_client, "robot", "start", robot.pk) == ["1 is in service again."]
    assert act(admin_client, "vendoraccount", "stop", robot.account.pk)[0] == "1 is stopped."
    assert act(admin_client, "languagemodel", "stop", model.pk)[0] == "1 is stopped."

    assert LogEntry.objects.filter(change_message__in=["stopped", "started"]).count() == 5

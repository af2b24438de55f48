from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from bots.models import Robot
from conversations import outages, reconciling, tasks
from conversations.models import Conversation, Heartbeat, Reconciliation
from tests.support.factories import make_conversation

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return make_conversation(robot)


def silent_for(**span: float) -> datetime:
    """Since when."""
    since = timezone.now() - timedelta(**span)
    Heartbeat.objects.create(seen_at=since)
    return since


def jobs() -> list[tuple[str, object]]:
    return list(ProcrastinateJob.objects.order_by("id").values_list("task_name", "args"))


def test_first_beat_of_all_finds_no_outage() -> None:
    outages.beat()
    outages.beat()

    assert Heartbeat.objects.count() == 1
    assert jobs() == []


def test_steady_beats_find_no_outage() -> None:
    silent_for(seconds=2)

    outages.beat()

    assert jobs() == []


def test_one_of_several_processes_has_what_was_missed_looked_for() -> None:
    began_at = silent_for(minutes=10)

    for _ in range(3):
        outages.beat()

    [(name, args)] = jobs()
    assert name == "conversations.reconcile_active"
    assert isinstance(args, dict)
    assert began_at - datetime.fromisoformat(args["since"]) >= outages.MARGIN


def test_restart_is_found_sooner() -> None:
    silent_for(seconds=2)

    outages.beat(pause=outages.RESTART)

    assert len(jobs()) == 1


def test_active_conversations_are_queued_with_a_job_of_their_account(
    robot: Robot, conversation: Conversation
) -> None:
    tasks.reconcile_active((timezone.now() - timedelta(minutes=5)).isoformat())

    assert Reconciliation.objects.get().conversation == conversation
    assert jobs() == [("conversations.reconcile", {"account_id": robot.account_id})]


def test_heart_goes_on_beating_when_the_database_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[timedelta] = []
    enough = Event()

    def beat(*, pause: timedelta) -> None:
        beats.append(pause)
        if len(beats) == 3:
            enough.set()
        raise DatabaseError("away")

    monkeypatch.setattr(outages, "beat", beat)
    monkeypatch.setattr(outages, "BEAT_S", 0.001)
    heart = outages.Heart()
    heart.start()
    assert enough.wait(10)
    heart.stop()

    assert beats[:2] == [outages.RESTART, outages.OUTAGE]


# On request


def test_command_queues_the_conversations_of_an_account(robot: Robot, conversation: Conversation) -> None:
    output = StringIO()

    call_command("reconcile", robot.account.slug, "--since=2099-01-01T00:00Z", stdout=output)
    assert "0 conversations" in output.getvalue()
    call_command("reconcile", robot.account.slug, stdout=output)

    assert "1 conversations" in output.getvalue()
    since = Reconciliation.objects.get().since
    assert abs(timezone.now() - reconciling.window() - since) < timedelta(minutes=1)


@pytest.mark.parametrize("arguments, complaint", [
    (["nobody"], "there is no account nobody"),
    (["--since=noon"], "--since: 'noon' is not a time"),
    (["--since=2026-13-01T00:00"], "is not a time"),
])  # fmt: skip
def test_command_that_makes_no_sense(arguments: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        call_command("reconcile", *arguments)


@pytest.mark.parametrize("of", ["conversations", "accounts"])
def test_admin_has_missed_messages_looked_for(
    admin_client: Client, robot: Robot, conversation: Conversation, of: str
) -> None:
    pages = {
        "conversations": (
            "admin:conversations_conversation_changelist",
            "reconcile_selected",
            conversation.pk,
        ),
        "accounts": ("admin:bots_vendoraccount_changelist", "reconcile_accounts", robot.account_id),
    }
    page, action, pk = pages[of]

    answer = admin_client.post(reverse(page), {"action": action, "_selected_action": [pk]}, follow=True)

    assert "1 conversation will be compared with the vendor" in answer.text
    assert Reconciliation.objects.get().conversation == conversation

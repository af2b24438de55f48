from __future__ import annotations

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import DjangoAssertNumQueries, Settings

from bots import vendors
from bots.models import Robot
from config import scraping
from conversations.models import Conversation, Turn
from tests.support.factories import (
    VENDORS,
    make_account,
    make_conversation,
    make_model,
    make_robot,
    make_route,
    make_turn,
)
from tests.support.jobs import note

pytestmark = pytest.mark.django_db

NAMES = {
    "parley_callbacks_total", "parley_callback_seconds", "parley_turns_total", "parley_turn_wait_seconds",
    "parley_first_token_seconds", "parley_reply_seconds", "parley_model_calls_total", "parley_tokens_total",
    "parley_cost_total", "parley_vendor_calls_total", "parley_queue_depth", "parley_open_conversations",
    "parley_agent_instances", "parley_ratings_total",
}  # fmt: skip


@pytest.fixture
def robot(db: None, monkeypatch: pytest.MonkeyPatch) -> Robot:
    monkeypatch.setattr(vendors, "VENDORS", VENDORS)
    return make_robot(make_account(), make_route("default", [make_model()]))


def test_all_families_are_told_of_even_before_anything_happened(client: Client) -> None:
    answer = client.get("/metrics")

    told = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# HELP")}
    assert (answer.status_code, told) == (200, NAMES)
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_a_scrape_asks_no_more_however_much_there_is(
    client: Client, robot: Robot, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(3):
        make_turn(make_conversation(robot, f"user-{number}"), Turn.State.WAITING)
    client.get("/metrics")

    with django_assert_num_queries(4):  # samples, queue, conversations, agents of calls
        client.get("/metrics")


def test_open_conversations_are_counted_by_what_they_wait_for(robot: Robot) -> None:
    make_turn(make_conversation(robot, "alice"), Turn.State.WAITING)
    make_turn(make_conversation(robot, "bob"), Turn.State.SPEAKING)
    make_turn(make_conversation(robot, "charlie"), Turn.State.DONE)
    make_conversation(robot, "dora", owner=Conversation.Owner.OPERATOR)

    assert scraping.open_conversations() == {"waiting": 1, "thinking": 0, "speaking": 1, "operator": 1}


def test_the_queue_is_as_deep_as_there_are_jobs_that_could_run() -> None:
    note.defer(name="now")
    note.configure(schedule_in={"hours": 1}).defer(name="later")

    assert ProcrastinateJob.objects.count() == 2
    assert scraping.queue_depth() == 1


@pytest.mark.parametrize("headers, status", [
    ({}, 401),
    ({"Authorization": "Bearer other"}, 401),
    ({"Authorization": "Bearer prometheus-token"}, 200),
])  # fmt: skip
def test_the_token_lets_in_whoever_has_it(
    client: Client, settings: Settings, headers: dict[str, str], status: int
) -> None:
    settings.METRICS_TOKEN = "prometheus-token"

    answer = client.get("/metrics", headers=headers, REMOTE_ADDR="10.0.0.7")

    assert answer.status_code == status
    assert "prometheus-token" not in answer.text


@pytest.mark.parametrize("address, headers", [
    ("10.0.0.7", {}),
    ("127.0.0.1", {"X-Forwarded-For": "10.0.0.7"}),
])  # fmt: skip
def test_without_a_token_strangers_stay_outside(
    client: Client, address: str, headers: dict[str, str]
) -> None:
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == 401

"""What processes keep of the configuration: as long as nobody changes it, whoever that is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.apps import apps
from django.db import connection, connections, transaction
from django.db.models import Model
from pytest_django import DjangoAssertNumQueries

from agents.models import AgentTemplate
from bots import health
from bots.errors import ModelUnreachable
from bots.known import REVISION, Known, Memory, known_at
from bots.models import (
    AccountMemory,
    ModelHealth,
    Pace,
    PersonaVersion,
    Revision,
    Robot,
    Tier,
    VendorAccount,
)
from bots.robots import load_robot
from bots.routing import rules_of
from tests.support.factories import make_account, make_model, make_robot, make_route
from tests.support.standin import Cloud

# What changes by work, and what a robot names another of when it changes.
NO_CONFIGURATION: set[type[Model]] = {Pace, AccountMemory, ModelHealth, PersonaVersion, Revision}


@pytest.fixture
def robot(db: None, paper_cloud: Cloud) -> Robot:
    return make_robot(make_account(), make_route("default", [make_model()]))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def known_now() -> Known:
    """What is known under the revision of this moment."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {REVISION}")
        (revision,) = cursor.fetchone()
    return known_at(revision)


def persona(robot: Robot) -> str:
    return known_now().get(load_robot, robot.pk).persona


def test_every_table_that_admins_fill_names_a_revision(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'revise'")
        watched = {table for (table,) in cursor.fetchall()}
    tables = {model._meta.db_table for model in apps.get_app_config("bots").get_models()}
    work = {model._meta.db_table for model in NO_CONFIGURATION}
    assert watched == tables - work | {AgentTemplate._meta.db_table}


CHANGES: dict[str, Callable[[Robot], object]] = {
    "saved": lambda robot: robot.save(),
    "updated": lambda robot: Robot.objects.update(persona="new"),
    "sql": lambda robot: execute("UPDATE bots_robot SET persona = 'new'"),
    "added": lambda robot: Tier.objects.create(slug="vip"),
    "deleted": lambda robot: robot.delete(),
}


@pytest.mark.parametrize("how", CHANGES)
def test_every_change_names_another(robot: Robot, how: str) -> None:
    before = known_now().revision
    CHANGES[how](robot)
    assert known_now().revision not in (None, before)


def test_what_was_read_is_kept(robot: Robot, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first = known_now().get(load_robot, robot.pk)
    with django_assert_num_queries(1):  # for the revision
        second = known_now().get(load_robot, robot.pk)
    assert first is second


def test_a_change_that_is_taken_back_never_was(robot: Robot) -> None:
    before = known_now()
    with transaction.atomic():
        Robot.objects.update(persona="never")
        assert persona(robot) == "never"
        transaction.set_rollback(True)

    assert known_now().revision == before.revision
    assert persona(robot) == "You are Ada."


def test_what_is_not_there_is_asked_for_again(db: None) -> None:
    make_model()
    asked: list[str] = []

    def find(slug: str) -> None:
        asked.append(slug)

    known_now().get(find, "ada")
    known_now().get(find, "ada")
    assert asked == ["ada", "ada"]


def test_without_a_revision_nothing_is_kept() -> None:
    memory = Memory()
    assert memory.at(None).get(object) is not memory.at(None).get(object)


def test_a_model_that_fails_changes_nothing_that_is_kept(robot: Robot) -> None:
    [choice] = known_now().get(rules_of, robot.route_id)[0].choices.all()
    before = known_now().revision

    [asked] = health.as_now([choice.model])
    health.note_failure(asked, ModelUnreachable("no answer"))

    assert known_now().revision == before
    [known] = health.as_now([choice.model])
    assert health.health_of(known) is not None
    assert "health" not in choice.model._state.fields_cache


@pytest.mark.django_db(transaction=True)
def test_of_two_who_change_something_at_once_none_waits_and_both_are_seen(robot: Robot) -> None:
    account = robot.account
    other = connection.copy()
    other.set_autocommit(False)
    with closing(other), other.cursor() as cursor:
        cursor.execute("UPDATE bots_robot SET persona = 'theirs'")
        VendorAccount.objects.update(enabled=False)  # and is committed first
        assert (persona(robot), seen_account(robot).enabled) == ("You are Ada.", False)
        other.commit()
    assert persona(robot) == "theirs"

    VendorAccount.objects.update(enabled=True)
    assert (persona(robot), seen_account(robot)) == ("theirs", account)
    assert Revision.objects.count() == 1


def seen_account(robot: Robot) -> VendorAccount:
    return known_now().get(load_robot, robot.pk).account


@pytest.mark.django_db(transaction=True)
def test_threads_share_what_one_has_read(robot: Robot) -> None:
    read = known_now().get(load_robot, robot.pk)

    def read_it() -> Robot:
        try:
            return known_now().get(load_robot, robot.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(read_it) for _ in range(4)]
    assert all(each.result() is read for each in found)

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from config import dashboard
from metrics.figures import Figures
from metrics.models import Hour
from metrics.tasks import HOURS_KEPT, forget_hours

pytestmark = pytest.mark.django_db


def make_hour(name: str, value: float, *, at: datetime | None = None, **labels: str) -> Hour:
    hour = (at or timezone.now()).replace(minute=0, second=0, microsecond=0)
    return Hour.objects.create(hour=hour, name=f"parley_{name}", labels=labels, value=value)


def noon(*, days_ago: int = 0) -> datetime:
    return timezone.localtime().replace(hour=12) - timedelta(days=days_ago)


def figures(*, days: int = 30) -> Figures:
    return Figures.since(timezone.now() - timedelta(days=days))


def lines(context: dict[str, Any]) -> dict[str, list[str]]:
    return {str(title): [str(cell) for cell in cells] for title, *cells in context["overview"]["rows"]}


@pytest.fixture
def page(admin_client: Client) -> dict[str, Any]:
    """What the front page shows: many turns, most of them days ago."""
    make_hour("turns_total", 8, at=noon(days_ago=3), robot="@RBT#ada", outcome="done")
    make_hour("turns_total", 1, at=noon(days_ago=3), robot="@RBT#ada", outcome="failed")
    make_hour("turns_total", 1, robot="@RBT#ada", outcome="done")
    make_hour("turns_total", 5, at=noon(days_ago=40), robot="@RBT#ada", outcome="done")
    return dict(admin_client.get("/admin/").context)


def test_a_figure_is_told_for_the_hour_the_day_and_the_month(page: dict[str, Any]) -> None:
    assert lines(page)["Turns"] == ["1", "1", "10"]
    assert lines(page)["Turns answered"] == ["100.0 %", "100.0 %", "90.0 %"]
    assert lines(page)["Satisfaction"] == ["–", "–", "–"]


def test_charts_show_each_day(page: dict[str, Any]) -> None:
    turns = json.loads(page["charts"][0]["data"])

    assert len(turns["labels"]) == dashboard.DAYS
    assert turns["datasets"][0]["data"][-4:] == [8, 0, 0, 1]
    assert turns["datasets"][1]["data"][-4:] == [1, 0, 0, 0]


def test_robots_are_told_apart(page: dict[str, Any]) -> None:
    assert page["tables"][0]["rows"] == [["@RBT#ada", "10", "90.0 %", "1"]]


def test_the_page_asks_no_more_however_much_was_counted(
    admin_client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    admin_client.get("/admin/")
    for number in range(5):
        make_hour("callbacks_total", 1, account=f"acme-{number}", event="message", outcome="read")

    # Three periods, the charts, two for now; alerts, twice; the log, who is asking.
    with django_assert_num_queries(11):
        admin_client.get("/admin/")


def test_who_may_not_see_turns_sees_no_figures(client: Client) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    make_hour("turns_total", 1, robot="@RBT#ada", outcome="done")

    answer = client.get("/admin/")

    assert answer.status_code == 200
    assert "@RBT#ada" not in answer.text


def test_shares_leave_out_what_people_ended() -> None:
    for outcome, count in {"done": 3, "failed": 1, "taken_over": 4, "stopped": 2}.items():
        make_hour("turns_total", count, robot="ada", outcome=outcome)

    assert dashboard.answered(figures()) == "75.0 %"


def test_costs_are_told_by_currency() -> None:
    make_hour("cost_total", 1.5, model="fast", currency="CNY")
    make_hour("cost_total", 1234.5, model="strong", currency="USD")

    assert dashboard.cost(figures()) == "1.50 CNY, 1,234.50 USD"


def test_satisfaction_is_the_mean_of_all_ratings() -> None:
    make_hour("ratings_total", 3, score="5")
    make_hour("ratings_total", 1, score="1")

    assert dashboard.satisfaction(figures()) == "4.0 / 5 (4)"


@pytest.mark.parametrize("value, shown", [(None, "–"), (0.0123, "12 ms"), (2.34, "2.3 s")])
def test_times_are_told_as_people_read_them(value: float | None, shown: str) -> None:
    assert dashboard.seconds(value) == shown


def test_old_hours_are_forgotten() -> None:
    make_hour("turns_total", 1, at=timezone.now() - HOURS_KEPT - timedelta(hours=1))
    kept = make_hour("turns_total", 1, at=timezone.now() - HOURS_KEPT + timedelta(hours=2))

    for _ in range(2):
        forget_hours(timestamp=0)

    assert list(Hour.objects.all()) == [kept]

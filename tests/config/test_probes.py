from __future__ import annotations

import json

import pytest
from django.test import RequestFactory

from config import probes, readiness

request = RequestFactory().get("/readyz")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[readiness.Report]:
    """The reports that were made; each is that of a moment when no worker was there."""
    reports: list[readiness.Report] = []

    def report() -> readiness.Report:
        reports.append({"database": None, "workers": "none"})
        return reports[-1]

    monkeypatch.setattr(readiness, "report", report)
    monkeypatch.setattr(probes, "_last", (float("-inf"), {}))
    return reports


def test_alive_asks_nobody(asked: list[readiness.Report]) -> None:
    assert (probes.healthz(request).status_code, asked) == (200, [])


@pytest.mark.usefixtures("asked")
def test_one_problem_is_enough_not_to_be_ready() -> None:
    answer = probes.readyz(request)

    assert answer.status_code == 503
    assert json.loads(answer.content) == {"ready": False, "database": "ok", "workers": "none"}


def test_no_problem_is_ready(monkeypatch: pytest.MonkeyPatch, asked: list[readiness.Report]) -> None:
    monkeypatch.setattr(readiness, "report", lambda: {"database": None})

    assert probes.readyz(request).status_code == 200


def test_those_who_ask_at_the_same_time_share_a_report(asked: list[readiness.Report]) -> None:
    for _ in range(5):
        probes.readyz(request)

    assert len(asked) == 1

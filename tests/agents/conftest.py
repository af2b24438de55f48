from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from pytest_django import Settings

from agents import aiagent
from bots import vendors
from bots.vendors.base import new_session
from tests.agents.service import Service
from tests.bots.vendors.cloud import open_cloud
from tests.support import factories
from tests.support.standin import Cloud, StandIn


@pytest.fixture
def paper_cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud beside ZEGO's."""
    monkeypatch.setitem(vendors.VENDORS, "paper", factories.VENDORS["paper"])
    StandIn.cloud = Cloud()
    return StandIn.cloud


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Service]:
    """The voice service; accounts have to name its `url`."""
    settings.OWN_URL = "https://parley.example.com"
    monkeypatch.setattr(aiagent, "CALLS_PER_S", 10_000.0)
    sessions: list[requests.Session] = []

    def session() -> requests.Session:
        sessions.append(new_session())
        return sessions[-1]

    monkeypatch.setattr(aiagent, "new_session", session)
    service = Service()
    with open_cloud(service):
        yield service
    for each in sessions:
        each.close()

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts import evaluating
from alerts.models import Alert, AlertRule, Channel
from bots import vendors
from bots.models import LanguageModel, Robot, VendorAccount
from metrics import keeping
from tests.support import factories
from tests.support.factories import make_account, make_model, make_robot, make_route

NOW = timezone.now().replace(minute=30, second=0, microsecond=0)

type Count = Callable[..., None]
type Look = Callable[..., list[Alert]]


@pytest.fixture
def robot(db: None, monkeypatch: pytest.MonkeyPatch) -> Robot:
    monkeypatch.setitem(vendors.VENDORS, "paper", factories.VENDORS["paper"])
    return make_robot(make_account(), make_route("default", [make_model()]))


@pytest.fixture
def account(robot: Robot) -> VendorAccount:
    return robot.account


@pytest.fixture
def model(robot: Robot) -> LanguageModel:
    return LanguageModel.objects.get()


@pytest.fixture
def count(db: None) -> Count:
    """Count so much more of a metric, as a process does."""

    def count(name: str, value: float, **labels: str) -> None:
        keeping.add({(f"parley_{name}", json.dumps(labels, sort_keys=True)): value})

    return count


@pytest.fixture
def rule(db: None) -> Callable[..., AlertRule]:
    """The only rule."""

    def rule(kind: str, **fields: Any) -> AlertRule:
        AlertRule.objects.all().delete()
        given = {"threshold": 1, "closes_after_s": 0} | fields
        return AlertRule.objects.create(kind=kind, **given)

    return rule


@pytest.fixture
def look(db: None) -> Look:
    """Look around so many seconds after NOW; → the alerts that are open then."""

    def look(seconds: float = 0, *, at: datetime | None = None) -> list[Alert]:
        evaluating.evaluate((at or NOW) + timedelta(seconds=seconds))
        return list(Alert.objects.open().select_related("rule"))

    return look


@pytest.fixture
def channel(db: None) -> Channel:
    return Channel.objects.create(name="on call", kind="email", recipients="oncall@example.com")

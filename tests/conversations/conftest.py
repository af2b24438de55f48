from __future__ import annotations

import pytest

from bots import vendors
from bots.models import LanguageModel, Robot, Route, Rule, RuleModel, VendorAccount
from tests.support.standin import Cloud, StandIn


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setitem(vendors.VENDORS, "standin", "tests.support.standin.StandIn")
    StandIn.cloud = Cloud()
    return StandIn.cloud


@pytest.fixture
def account(db: None, cloud: Cloud) -> VendorAccount:
    return VendorAccount.objects.create(
        slug="acme",
        vendor="standin",
    )


@pytest.fixture
def model(db: None) -> LanguageModel:
    return LanguageModel.objects.create(
        slug="script", api="scripted", model="script", params={"reply": "You said: {message}"}
    )


@pytest.fixture
def route(model: LanguageModel) -> Route:
    route = Route.objects.create(slug="default")
    rule = Rule.objects.create(route=route)
    RuleModel.objects.create(rule=rule, model=model)
    return route


@pytest.fixture
def robot(account: VendorAccount, route: Route) -> Robot:
    return Robot.objects.create(
        account=account,
        user_id="ada",
        nickname="Ada",
        persona="You are Ada.",
        route=route,
        merge_window_ms=0,
        fallback="Sorry.",
    )

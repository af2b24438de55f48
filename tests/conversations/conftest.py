from __future__ import annotations

from collections.abc import Callable

import pytest

from bots import vendors
from bots.models import LanguageModel, Robot, Route, Rule, RuleModel, VendorAccount
from conversations import receiving
from conversations.models import Conversation
from tests.support.standin import Cloud, StandIn, callback_body, incoming

type Hear = Callable[..., Conversation]


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


@pytest.fixture
def hear(robot: Robot) -> Hear:
    """Alice writes these texts; → her conversation."""

    def hear(*texts: str, id_: str = "1") -> Conversation:
        for number, text in enumerate(texts):
            body = callback_body(text, id_=f"{id_}.{number}", at=1_790_000_000 + float(id_) * 60 + number)
            receiving.store([receiving.open_callback(robot.account, incoming(body))])
        return Conversation.objects.get()

    return hear

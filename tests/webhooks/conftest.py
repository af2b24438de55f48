from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from tests.bots.llms.provider import Exchange, Provider, failing
from tests.conversations.conftest import account, cloud, hear, model, robot, route
from webhooks import courier
from webhooks.models import EventType, Webhook

__all__ = ["account", "cloud", "hear", "model", "robot", "route"]

SECRET = "an app's secret"


class Receiver(Provider):
    """An app that takes events; `status` is what it answers."""

    status = "200 OK"

    def __init__(self) -> None:
        super().__init__(lambda exchange: failing(self.status, "")(exchange))

    @property
    def types(self) -> list[str]:
        return [exchange.body["type"] for exchange in self.exchanges]

    @property
    def last(self) -> Exchange:
        return self.exchanges[-1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def webhook(db: None, receiver: Receiver) -> Webhook:
    """One that is told everything."""
    return Webhook.objects.create(
        name="shop", url=receiver.url, secret=SECRET, events=[event.value for event in EventType]
    )


@pytest.fixture
def run() -> Callable[[], int]:
    """Deliver what is due, one after another; → how many."""

    def run() -> int:
        count = 0
        while claimed := courier.claim(timezone.now(), at_most=10):
            for delivery in claimed:
                courier.deliver(delivery)
            count += len(claimed)
        return count

    return run

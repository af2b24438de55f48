"""An app is told what happens, by signed POSTs, whatever it answers and whoever dies."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.driver import Sandbox
from tests.bots.llms.provider import Exchange, Provider, failing
from tests.support.parley import Parley, User
from tests.support.processes import eventually

SECRET = "the shop's secret"
EVENTS = [
    "message.received", "message.delivered", "turn.started", "turn.ended", "handoff.taken", "rating.given",
]  # fmt: skip


class Shop(Provider):
    """An app that refuses the first event of each kind, and can be made to hold its answers back."""

    def __init__(self) -> None:
        super().__init__(self.answer_event)
        self.refused: set[tuple[str, str]] = set()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer_event(self, exchange: Exchange) -> None:
        about = exchange.body["conversation"]["user_id"], exchange.body["type"]
        if about[1] == "turn.started" and about not in self.refused:
            self.refused.add(about)
            failing("500 Internal Server Error", "not now")(exchange)
        else:
            self.may_answer.wait(20)
            failing("200 OK", "")(exchange)

    def heard(self, user: User) -> list[dict[str, Any]]:
        """What it was told of that user, with repeats."""
        return [each.body for each in self.exchanges if each.body["conversation"]["user_id"] == user.id]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as shop:
        yield shop


@pytest.fixture(scope="module")
def told(files_parley: Parley, shop: Shop) -> Parley:
    """A Parley that tells the shop."""
    files_parley.configure_and_serve("ada")
    files_parley.admin.add(
        "webhooks/webhook", name="shop", url=shop.url, secret=SECRET, events=EVENTS, enabled="on"
    )
    return files_parley


def skip_pauses(parley: Parley) -> None:
    """Let time pass: pauses after failures, and claims of the dead, are over."""
    with parley.installation.connect() as database:
        database.execute("UPDATE webhooks_webhook SET rests_until = now()")
        database.execute("UPDATE webhooks_delivery SET due_at = now() WHERE state = 'waiting'")


def test_a_conversation_is_told_in_order_and_signed(told: Parley, shop: Shop, sandbox: Sandbox) -> None:
    user = told.user()
    user.ask("Hello")
    eventually(lambda: len(shop.heard(user)) == 2)  # the second was refused: what comes after it waits
    skip_pauses(told)

    eventually(lambda: len(shop.heard(user)) == 5)

    heard = shop.heard(user)
    assert [each["type"] for each in heard] == [
        "message.received",
        "turn.started",
        "turn.started",
        "message.delivered",
        "turn.ended",
    ]
    assert heard[1] == heard[2]
    assert (heard[0]["data"]["text"], heard[0]["data"]["sender"]) == ("Hello", "user")
    assert heard[3]["data"]["model"] == "fast"
    for exchange in shop.exchanges:
        signed = f"{exchange.headers['x-parley-timestamp']}.".encode() + exchange.raw_body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        assert exchange.headers["x-parley-signature"] == f"sha256={expected}"


def test_nothing_is_lost_with_the_worker_that_was_telling_it(told: Parley, shop: Shop) -> None:
    user = told.user()
    shop.may_answer.clear()
    user.write("Hello again")
    eventually(lambda: len(shop.heard(user)) == 1)

    for worker in told.workers():
        os.kill(worker, signal.SIGKILL)
    shop.may_answer.set()
    user.wait_for_reply()
    told.until_settled()
    skip_pauses(told)
    eventually(lambda: len(shop.heard(user)) >= 3)
    skip_pauses(told)
    eventually(lambda: shop.heard(user)[-1]["type"] == "turn.ended")

    ids = [each["id"] for each in shop.heard(user)]
    assert ids[0] == ids[1]  # told again, as the same event
    types = [each["type"] for each in shop.heard(user)]
    assert list(dict.fromkeys(types)) == [
        "message.received",
        "turn.started",
        "message.delivered",
        "turn.ended",
    ]


def test_the_log_tells_and_sends_again(told: Parley, shop: Shop) -> None:
    user = told.user()
    user.ask("Once more")
    eventually(lambda: len(shop.heard(user)) >= 1)
    [told_as] = {each["id"] for each in shop.heard(user) if each["type"] == "message.received"}

    address = told.admin.find("webhooks/delivery", "message.received", query=told_as)
    page = told.admin.text(address)
    told.admin.act("webhooks/delivery", "send_selected_again", address)

    assert "Once more" in page
    eventually(lambda: [each["id"] for each in shop.heard(user)].count(told_as) == 2)

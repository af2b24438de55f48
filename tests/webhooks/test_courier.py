"""How events reach an app: signed, in order, again and again if need be, and never twice by two couriers."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from conversations.models import Conversation, Message
from tests.conversations.conftest import Hear
from tests.webhooks.conftest import SECRET, Receiver
from webhooks import courier, tasks
from webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db

type Run = Callable[[], int]


def wake() -> None:
    """Let all pauses be over."""
    Delivery.objects.update(due_at=timezone.now())
    Webhook.objects.update(rests_until=timezone.now())


def test_an_app_can_check_who_tells_it(webhook: Webhook, hear: Hear, receiver: Receiver, run: Run) -> None:
    hear("Hello")

    run()

    sent = receiver.last
    at = sent.headers["x-parley-timestamp"]
    expected = hmac.new(SECRET.encode(), f"{at}.".encode() + sent.raw_body, hashlib.sha256).hexdigest()
    assert sent.headers["x-parley-signature"] == f"sha256={expected}"
    assert abs(int(at) - time.time()) < 60
    assert (sent.headers["x-parley-event"], sent.headers["x-parley-delivery"]) == (
        "message.received",
        sent.body["id"],
    )
    assert Delivery.objects.get().state == Delivery.State.DELIVERED


def test_what_failed_is_sent_again_as_it_was(
    webhook: Webhook, hear: Hear, receiver: Receiver, run: Run
) -> None:
    hear("Hello")
    receiver.status = "500 Internal Server Error"
    run()
    failed = Delivery.objects.get()
    receiver.status = "200 OK"

    assert run() == 0  # not before its time
    wake()
    run()

    first, second = receiver.exchanges
    delivery = Delivery.objects.get()
    assert (failed.state, failed.status, failed.attempts) == ("waiting", 500, 1)
    assert first.raw_body == second.raw_body
    assert (delivery.state, delivery.attempts, delivery.error) == ("delivered", 2, "")
    assert Webhook.objects.get().failures == 0


def test_later_events_of_a_conversation_wait_for_the_one_that_failed(
    webhook: Webhook, hear: Hear, receiver: Receiver, run: Run
) -> None:
    hear("one", "two")
    receiver.status = "500 Internal Server Error"

    run()
    receiver.status = "200 OK"
    wake()
    run()

    assert [exchange.body["data"]["text"] for exchange in receiver.exchanges] == ["one", "one", "two"]


def test_an_event_that_is_always_refused_is_given_up_at_last(
    webhook: Webhook, hear: Hear, receiver: Receiver, run: Run
) -> None:
    hear("one")
    Delivery.objects.update(attempts=courier.ATTEMPTS - 1)
    receiver.status = "400 Bad Request"
    run()
    hear("two", id_="2")
    receiver.status = "200 OK"
    wake()

    run()

    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "delivered"]


def test_an_address_that_fails_is_probed_with_one_event(
    webhook: Webhook, hear: Hear, receiver: Receiver, run: Run
) -> None:
    conversation = hear("one")
    other = Conversation.objects.create(robot=conversation.robot, peer_id="bob")
    Message.objects.create(
        conversation=other, sender="user", sender_id="bob", state="received", happened_at=timezone.now()
    )
    Webhook.objects.update(failures=3)

    assert len(courier.claim(timezone.now(), at_most=10)) == 1


def test_an_address_that_has_failed_for_days_is_disabled_and_told_why(
    webhook: Webhook, hear: Hear, receiver: Receiver, run: Run
) -> None:
    hear("Hello")
    Webhook.objects.update(failures=500, failing_since=timezone.now() - timedelta(days=4))
    receiver.status = "503 Service Unavailable"

    run()

    webhook.refresh_from_db()
    assert not webhook.enabled
    assert "HTTP 503" in webhook.disabled_because
    assert Delivery.objects.get().state == Delivery.State.WAITING


def test_pauses_grow_up_to_a_limit() -> None:
    waits = [courier.wait_after(attempts).total_seconds() for attempts in range(1, courier.ATTEMPTS)]
    rests = [courier.rest_after(failures).total_seconds() for failures in (1, 2, 3, 1000)]

    assert waits[:3] == [5, 15, 45]
    assert 20 < sum(waits) / 3600 < 30
    assert rests == [1, 2, 4, 300]


def test_a_delivery_is_in_one_hand_until_its_courier_counts_as_dead(webhook: Webhook, hear: Hear) -> None:
    hear("Hello")
    now = timezone.now()

    first, second = courier.claim(now, at_most=5), courier.claim(now, at_most=5)
    third = courier.claim(now + courier.LEASE + timedelta(seconds=1), at_most=5)

    assert [len(first), len(second), len(third)] == [1, 0, 1]
    courier.note_failure(first[0], None, "too late", asked_at=now)
    assert Delivery.objects.get().error == ""


def test_private_addresses_are_told_nothing(
    webhook: Webhook, hear: Hear, receiver: Receiver, run: Run, settings: Settings
) -> None:
    settings.PRIVATE_NETWORKS = []
    hear("Hello")

    run()

    assert receiver.exchanges == []
    assert "private network" in Delivery.objects.get().error


def test_what_was_deleted_is_not_told(webhook: Webhook, hear: Hear, receiver: Receiver, run: Run) -> None:
    hear("Hello")
    Message.objects.all().delete()

    run()

    assert receiver.exchanges == []
    assert Delivery.objects.get().state == Delivery.State.FAILED


def test_old_deliveries_are_forgotten(webhook: Webhook, hear: Hear) -> None:
    hear("Hello")
    Delivery.objects.update(happened_at=timezone.now() - timedelta(days=8))
    hear("Hello again", id_="2")

    tasks.forget_old(0)

    assert Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_courier_goes_by_itself(webhook: Webhook, hear: Hear, receiver: Receiver) -> None:
    thread = courier.Courier()
    hear("one", "two", "three")

    thread.start()
    try:
        deadline = time.monotonic() + 30
        while len(receiver.exchanges) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        thread.stop()

    assert [exchange.body["data"]["text"] for exchange in receiver.exchanges] == ["one", "two", "three"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}

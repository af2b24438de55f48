from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from tests.conversations.conftest import Hear
from webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db

FORM = {"name": "shop", "url": "https://shop.example/events", "events": ["rating.given"], "enabled": "on"}


def test_a_secret_that_is_made_is_shown_once(admin_client: Client) -> None:
    page = admin_client.post("/admin/webhooks/webhook/add/", FORM, follow=True).content.decode()

    webhook = Webhook.objects.get()
    assert len(webhook.secret) >= 32
    assert webhook.secret in page
    for address in ("/admin/webhooks/webhook/", f"/admin/webhooks/webhook/{webhook.pk}/change/"):
        assert webhook.secret not in admin_client.get(address).content.decode()


def test_a_stored_secret_stays_unless_another_is_given(admin_client: Client) -> None:
    webhook = Webhook.objects.create(name="shop", url="https://a.example", secret="old", events=[])
    address = f"/admin/webhooks/webhook/{webhook.pk}/change/"

    admin_client.post(address, FORM)
    kept = Webhook.objects.get().secret
    admin_client.post(address, FORM | {"secret": "new"})

    assert (kept, Webhook.objects.get().secret) == ("old", "new")


@pytest.mark.parametrize("wrong", [{"url": "ftp://a.example"}, {"events": []}, {"events": ["weather.fine"]}])
def test_a_wrong_webhook_is_refused(admin_client: Client, wrong: dict[str, object]) -> None:
    page = admin_client.post("/admin/webhooks/webhook/add/", FORM | wrong).content.decode()

    assert re.search(rf'id="id_{next(iter(wrong))}_error"|errorlist', page)
    assert not Webhook.objects.exists()


def test_saving_lets_a_disabled_webhook_begin_anew(admin_client: Client) -> None:
    webhook = Webhook.objects.create(
        name="shop", url="https://a.example", secret="s", events=["rating.given"], enabled=False,
        failures=9, failing_since=timezone.now(), disabled_because="It has failed since Monday",
    )  # fmt: skip
    listed = admin_client.get("/admin/webhooks/webhook/").content.decode()

    admin_client.post(f"/admin/webhooks/webhook/{webhook.pk}/change/", FORM)

    webhook.refresh_from_db()
    assert "It has failed since Monday" in listed
    assert (webhook.enabled, webhook.failures, webhook.disabled_because) == (True, 0, "")


def test_what_was_told_is_listed_and_sent_again(admin_client: Client, hear: Hear) -> None:
    Webhook.objects.create(name="shop", url="https://a.example", secret="s", events=["message.received"])
    hear("Hello")
    Delivery.objects.update(state="failed", attempts=14, error="HTTP 500", body='{"id": "e1"}')
    delivery = Delivery.objects.get()

    listed = admin_client.get("/admin/webhooks/delivery/").content.decode()
    shown = admin_client.get(f"/admin/webhooks/delivery/{delivery.pk}/change/").content.decode()
    admin_client.post(
        "/admin/webhooks/delivery/", {"action": "send_selected_again", "_selected_action": [delivery.pk]}
    )

    delivery.refresh_from_db()
    assert "message.received" in listed
    assert "e1" in shown
    assert (delivery.state, delivery.attempts) == ("waiting", 0)

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from alerts.models import Alert, AlertRule, Channel, Silence
from tests.alerts.conftest import NOW
from tests.support.admin import FormReader

pytestmark = pytest.mark.django_db

HOOK = "https://oapi.dingtalk.com/robot/send?access_token=t0ken"


@pytest.fixture
def alert(rule: Any) -> Alert:
    facts = {"count": 8}
    return Alert.objects.create(
        rule=rule("model_failing", threshold=0.3),
        subject="fast",
        value=0.5,
        facts=facts,
        began_at=NOW,
        opened_at=NOW,
    )


def text(client: Client, url: str) -> str:
    response = client.get(url, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def page(obj: Any, name: str = "change") -> str:
    return reverse(f"admin:alerts_{obj._meta.model_name}_{name}", args=[obj.pk])


def test_open_alerts_are_listed_and_others_on_request(admin_client: Client, alert: Alert) -> None:
    closed = Alert.objects.create(rule=alert.rule, subject="gone", began_at=NOW, opened_at=NOW, closed_at=NOW)
    url = reverse("admin:alerts_alert_changelist")

    assert "50 % of 8 calls to fast failed" in text(admin_client, url)
    assert page(closed) not in text(admin_client, url)
    assert page(closed) in text(admin_client, f"{url}?state=closed")
    assert page(closed) in text(admin_client, f"{url}?state=all")


def test_the_front_page_and_the_sidebar_tell_how_many_are_open(admin_client: Client, alert: Alert) -> None:
    front = text(admin_client, reverse("admin:index"))

    assert page(alert) in front
    assert admin_client.get(reverse("admin:index")).context["alerts"] == [alert]
    Alert.objects.update(closed_at=NOW)
    assert page(alert) not in text(admin_client, reverse("admin:index"))


def test_an_alert_is_acknowledged_and_silenced_from_its_page(admin_client: Client, alert: Alert) -> None:
    assert page(alert, "handle") in text(admin_client, page(alert))

    admin_client.post(page(alert, "handle"))
    admin_client.post(page(alert, "handle"), {"hours": "8"})

    alert.refresh_from_db()
    silence = Silence.objects.get()
    assert alert.acknowledged_by == silence.made_by == "admin"
    assert silence.covers(alert)
    assert timedelta(hours=7.9) < silence.until - timezone.now() < timedelta(hours=8.1)


def test_selected_alerts_are_acknowledged_and_silenced(admin_client: Client, alert: Alert) -> None:
    for action in ("acknowledge_selected", "silence_selected"):
        sent = {"action": action, "_selected_action": [alert.pk]}
        admin_client.post(reverse("admin:alerts_alert_changelist"), sent)

    alert.refresh_from_db()
    assert alert.acknowledged_by == "admin"
    assert Silence.objects.get().subject == "fast"


def test_who_may_only_look_changes_nothing(client: Client, alert: Alert, channel: Channel) -> None:
    user = User.objects.create_user("carol", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)

    assert page(alert, "handle") not in text(client, page(alert))
    assert client.post(page(alert, "handle")).status_code == 403
    assert client.get(page(alert, "handle")).status_code == 405
    assert client.post(page(channel, "test")).status_code == 403


def form_of(client: Client, url: str) -> dict[str, list[str]]:
    reader = FormReader()
    reader.feed(text(client, url))
    return next(form.values for form in reader.forms if "name" in form.values)


def test_a_channels_secrets_are_written_and_never_read(admin_client: Client) -> None:
    fields = {"name": "ops", "kind": "dingtalk", "url": HOOK, "secret": "SEC1", "language": "en"}
    fields |= {"least": "warning", "enabled": "on"}
    admin_client.post(reverse("admin:alerts_channel_add"), fields)
    channel = Channel.objects.get()

    shown = text(admin_client, page(channel)) + text(admin_client, reverse("admin:alerts_channel_changelist"))
    assert "t0ken" not in shown
    assert "SEC1" not in shown
    admin_client.post(page(channel), form_of(admin_client, page(channel)) | {"name": "night"})

    channel.refresh_from_db()
    assert (channel.name, channel.url, channel.secret) == ("night", HOOK, "SEC1")
    admin_client.post(page(channel), form_of(admin_client, page(channel)) | {"clear_secret": "on"})
    channel.refresh_from_db()
    assert (channel.url, channel.secret) == (HOOK, "")


def test_a_channel_without_an_address_is_an_error_on_its_field(admin_client: Client) -> None:
    fields = {"name": "ops", "kind": "feishu", "language": "en", "least": "warning"}
    response = admin_client.post(reverse("admin:alerts_channel_add"), fields)

    assert response.context["adminform"].form.errors == {"url": ["this kind of channel needs an address"]}


def test_a_channel_is_tested_by_a_button(admin_client: Client, channel: Channel) -> None:
    assert page(channel, "test") in text(admin_client, page(channel))

    response = admin_client.post(page(channel, "test"), follow=True)

    assert [str(message) for message in response.context["messages"]] == ["on call has taken a test."]
    assert mail.outbox[0].subject == "[Parley] This is a test: alerts will be told here."


def test_a_test_that_fails_says_why(admin_client: Client) -> None:
    channel = Channel.objects.create(
        name="ops", kind="dingtalk", url="http://127.0.0.1:1/?access_token=t0ken"
    )
    sent = {"action": "test_selected", "_selected_action": [channel.pk]}

    response = admin_client.post(reverse("admin:alerts_channel_changelist"), sent, follow=True)

    [told] = [str(message) for message in response.context["messages"]]
    assert told.startswith("ops did not take it: no answer (ConnectionRefusedError)")


@pytest.mark.parametrize("name", ["alert", "alertrule", "channel", "silence", "notification"])
def test_all_pages_open(admin_client: Client, alert: Alert, channel: Channel, name: str) -> None:
    alert.notifications.create(channel=channel, event="opened")
    Silence.objects.create(rule=alert.rule, until=NOW)
    models: dict[str, Any] = {"alert": Alert, "alertrule": AlertRule, "channel": Channel, "silence": Silence}

    text(admin_client, reverse(f"admin:alerts_{name}_changelist"))
    if name in models:
        text(admin_client, page(models[name].objects.first()))
    if name in {"alertrule", "channel", "silence"}:
        text(admin_client, reverse(f"admin:alerts_{name}_add"))


def test_a_silence_knows_who_made_it(admin_client: Client, alert: Alert) -> None:
    fields = {
        "rule": alert.rule.pk,
        "subject": "",
        "until_0": "2030-01-01",
        "until_1": "00:00:00",
        "reason": "moving",
    }
    admin_client.post(reverse("admin:alerts_silence_add"), fields)

    assert (Silence.objects.get().made_by, Silence.objects.get().reason) == ("admin", "moving")

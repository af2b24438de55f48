from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.test import Client

from audit.models import Entry
from audit.recording import record
from bots.models import Tier

pytestmark = pytest.mark.django_db


def entries() -> list[tuple[str, str, str]]:
    return list(Entry.objects.order_by("id").values_list("who", "deed", "what"))


def change() -> None:
    Entry.objects.update(who="somebody else")


def delete() -> None:
    Entry.objects.all().delete()


@pytest.mark.parametrize("tamper", [change, delete])
def test_entries_are_there_for_good(tamper: Callable[[], None]) -> None:
    record("olive", Entry.Deed.EXPORTED, "configuration")

    with pytest.raises(DatabaseError, match="audit log"), transaction.atomic():
        tamper()

    assert entries() == [("olive", "exported", "configuration")]


def test_admins_read_entries_and_change_nothing(admin_client: Client) -> None:
    record("olive", Entry.Deed.EXPORTED, "configuration")
    entry = Entry.objects.get()

    assert "configuration" in admin_client.get("/admin/audit/entry/").content.decode()
    assert admin_client.post(f"/admin/audit/entry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.post("/admin/audit/entry/add/", {}).status_code == 403


def test_what_admins_change_is_recorded(admin_client: Client) -> None:
    admin_client.post("/admin/bots/tier/add/", {"slug": "vip", "over_reply": "Enough."})
    tier = Tier.objects.get()
    admin_client.post(
        "/admin/bots/tier/", {"action": "delete_selected", "_selected_action": tier.pk, "post": "yes"}
    )

    assert entries() == [("admin", "created", "tier vip"), ("admin", "deleted", "tier vip")]


def test_what_files_change_is_recorded_without_secrets(tmp_path: object) -> None:
    file = tmp_path / "parley.yaml"  # type: ignore[operator]
    for limit in (10, 20):
        file.write_text(f"tiers: [{{slug: vip, daily_tokens: {limit}}}]")
        call_command("apply", str(file))
        call_command("apply", str(file))
        call_command("apply", str(file), "--dry-run")

    assert entries() == [
        ("manage.py apply", "created", "tier vip"),
        ("manage.py apply", "changed", "tier vip"),
    ]
    assert "daily_tokens: 10 → 20" in Entry.objects.last().details  # type: ignore[union-attr]

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.test import APIClient

from conversations.models import ApiKey
from tests.conversations.api.conftest import new_client

pytestmark = pytest.mark.django_db


def error_of(client: APIClient, path: str = "/api/v1/conversations") -> tuple[int, str]:
    response = client.get(path)
    return response.status_code, response.json()["error"]["code"]


def test_without_a_key_nothing_is_told() -> None:
    assert error_of(APIClient()) == (401, "not_authenticated")


@pytest.mark.parametrize("change", [{"revoked": True}, {"expiry_date": timezone.now() - timedelta(days=1)}])
def test_a_key_that_is_over_opens_nothing(client: APIClient, change: dict[str, object]) -> None:
    ApiKey.objects.update(**change)

    assert error_of(client) == (401, "invalid_key")


def test_a_made_up_key_opens_nothing() -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer abcdefgh.made-up")

    assert error_of(client) == (401, "invalid_key")


@pytest.mark.parametrize(
    "path", ["sessions", "conversations/x/take_over", "conversations/x/hand_back", "conversations/x/messages"]
)
def test_scopes_keep_apps_and_desks_apart(path: str) -> None:
    wrong = new_client("operate" if path == "sessions" else "sessions")

    response = wrong.post(f"/api/v1/{path}", {})

    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")


def test_too_many_requests_are_put_off(client: APIClient, settings: object) -> None:
    settings.API_RATE = "2/min"  # type: ignore[attr-defined]
    for _ in range(2):
        assert client.get("/api/v1/usage").status_code == 200

    response = client.get("/api/v1/usage")

    assert (response.status_code, response.json()["error"]["code"]) == (429, "throttled")
    assert int(response["Retry-After"]) > 0


def test_the_command_prints_a_key_of_which_a_hash_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_api_key", "desk", "--scope", "operate")

    key = capsys.readouterr().out.strip()
    stored = ApiKey.objects.get(name="desk")
    assert stored.scopes == ["operate", "sessions"]
    assert stored.is_valid(key)
    assert key.partition(".")[2] not in stored.pk + stored.hashed_key


def test_a_key_needs_a_name() -> None:
    with pytest.raises(CommandError, match="1 to 50 characters"):
        call_command("create_api_key", "")

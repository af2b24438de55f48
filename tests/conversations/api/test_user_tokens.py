from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from conversations.api import user_tokens
from conversations.models import ApiKey, Conversation, Message, Session
from tests.conversations.api.conftest import Open

pytestmark = pytest.mark.django_db

type Json = dict[str, Any]


def bearer(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


@pytest.fixture
def session(open_chat: Open) -> Json:
    return open_chat()


@pytest.fixture
def address(session: Json) -> str:
    return f"/api/v1/sessions/{session['id']}"


@pytest.fixture
def page(client: APIClient, address: str) -> APIClient:
    """Alice's client, with a token for her session."""
    return bearer(client.post(f"{address}/user_token").json()["token"])


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_a_client_calls_its_own_session(page: APIClient, address: str) -> None:
    said = page.post(f"{address}/messages", {"text": "Hello"})
    listed = page.get(f"{address}/messages").json()["results"]

    assert page.get(address).status_code == 200
    assert (said.status_code, [each["text"] for each in listed]) == (202, ["Hello"])
    assert page.post(f"{address}/interrupt").json() == {"interrupted": False}
    assert page.post(f"{address}/rating", {"score": 4}).status_code == 201
    assert page.post(f"{address}/token").json()["im"]["token"] == "token-of-alice"


def test_a_client_calls_nothing_else(page: APIClient, session: Json, address: str, open_chat: Open) -> None:
    other = open_chat(user_id="bob")["id"]
    conversation = f"/api/v1/conversations/{session['conversation']}"

    for path in (f"/api/v1/sessions/{other}", "/api/v1/conversations", conversation, "/api/v1/usage"):
        assert error_of(page.get(path)) == (403, "permission_denied"), path
    for path in ("/api/v1/sessions", f"{address}/user_token", f"{conversation}/take_over"):
        assert error_of(page.post(path, {})) == (403, "permission_denied"), path
    assert error_of(page.post(f"/api/v1/sessions/{other}/messages", {"text": "Hi"}))[0] == 403


def test_what_models_took_is_not_told_to_clients(
    page: APIClient, client: APIClient, session: Json, address: str
) -> None:
    conversation = Conversation.objects.get()
    turn = conversation.turns.create(state="done", input_tokens=7)
    Message.objects.create(
        conversation=conversation, turn=turn, sender="robot", sender_id="ada", text="Hi", state="delivered",
        happened_at=timezone.now(),
    )  # fmt: skip

    [to_app] = client.get(f"{address}/messages").json()["results"]
    [to_client] = page.get(f"{address}/messages").json()["results"]

    assert to_app["tokens"]["input"] == 7
    assert (to_client["model"], to_client["tokens"], to_client["cost"]) == (None, None, None)
    assert to_client["text"] == "Hi"


def test_a_token_ends_with_its_session(page: APIClient, client: APIClient, address: str) -> None:
    client.delete(address)

    assert error_of(page.get(address)) == (401, "session_ended")


def test_a_token_ends_with_the_key_that_asked_for_it(page: APIClient, address: str) -> None:
    ApiKey.objects.update(revoked=True)

    assert error_of(page.get(address)) == (401, "invalid_token")


def test_a_token_ends_by_its_time(session: Json, address: str) -> None:
    token, _ = user_tokens.issue(Session.objects.get(), ApiKey.objects.get(), lifetime_s=-1)

    assert error_of(bearer(token).get(address)) == (401, "token_expired")


def test_a_token_that_was_changed_opens_nothing(client: APIClient, address: str) -> None:
    token = client.post(f"{address}/user_token").json()["token"]

    assert error_of(bearer(token[:-1] + ("a" if token[-1] != "a" else "b")).get(address)) == (
        401,
        "invalid_token",
    )


def test_the_app_says_how_long_a_token_is_good(client: APIClient, address: str) -> None:
    before = timezone.now()

    answer = client.post(f"{address}/user_token", {"lifetime_s": 120})
    refused = client.post(f"{address}/user_token", {"lifetime_s": 10**9})

    expires_at = datetime.fromisoformat(answer.json()["expires_at"])
    assert timedelta(seconds=118) < expires_at - before < timedelta(seconds=121)
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["lifetime_s"])


def test_clients_of_two_users_share_no_idempotency_key(
    page: APIClient, client: APIClient, address: str, open_chat: Open
) -> None:
    other = f"/api/v1/sessions/{open_chat(user_id='bob')['id']}"
    bobs = bearer(client.post(f"{other}/user_token").json()["token"])
    same = {"Idempotency-Key": "k1"}

    first = page.post(f"{address}/messages", {"text": "Hello"}, headers=same)
    second = bobs.post(f"{other}/messages", {"text": "Hello"}, headers=same)

    assert (first.status_code, second.status_code) == (202, 202)
    assert Message.objects.count() == 2


def test_clients_are_held_to_their_own_rate(page: APIClient, address: str, settings: Settings) -> None:
    settings.API_CLIENT_RATE = "1/min"
    assert page.get(address).status_code == 200

    response = page.get(address)

    assert error_of(response) == (429, "throttled")
    assert int(response["Retry-After"]) > 0


def test_pages_of_named_origins_may_call_the_api(page: APIClient, address: str, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}

    known = page.get(address, headers={"Origin": "https://app.example.com"})
    asked = APIClient().options(address, headers={"Origin": "https://app.example.com"} | preflight)
    unknown = page.get(address, headers={"Origin": "https://evil.example.com"})
    elsewhere = page.get("/admin/login/", headers={"Origin": "https://app.example.com"})

    assert known["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "idempotency-key" in asked["Access-Control-Allow-Headers"]
    assert not unknown.has_header("Access-Control-Allow-Origin")
    assert not elsewhere.has_header("Access-Control-Allow-Origin")

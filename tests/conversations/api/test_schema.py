"""The API driven from its own description: what the description allows, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from rest_framework.test import APIClient
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from config.wsgi import application
from conversations.models import ApiKey
from tests.conversations.api.conftest import Open

SCHEMA = schemathesis.openapi.from_dict(SchemaGenerator(api_version="1").get_schema(public=True))
SCHEMA.app = application
OPERATIONS: dict[str, Any] = {}
for found in SCHEMA.get_all_operations():
    OPERATIONS[found.ok().label] = found.ok()  # type: ignore[union-attr]
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_makes_it_fail(label: str, open_chat: Open) -> None:
    operation, session = OPERATIONS[label], open_chat()
    _, key = ApiKey.objects.create_key(name="all", scopes=ApiKey.Scope.values)
    known = session["conversation" if "/conversations/" in operation.path else "id"]

    @given(
        case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    )
    @settings(
        max_examples=12,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        cache.clear()  # of what throttles have counted
        if len(case.path_parameters.get("public_id", "")) % 2:
            case.path_parameters["public_id"] = known
        case.headers["Authorization"] = f"Bearer {key}"
        case.call_and_validate(checks=CHECKS)

    ask()


BODIES = [
    '{"text": "\\u0000"}',
    '{"text": "\\ud800"}',
    '{"text": NaN}',
    '{"score": 1e400}',
    '{"kind": "chat", "robot": "ada", "user_id": "\\ud800"}',
    '{"kind": "chat", "robot": "\\ud800", "user_id": "alice"}',
    '{"kind": "chat", "robot": "ada", "user_id": "alice", "metadata": {"a": "\\u0000"}}',
    '{"kind": "chat", "robot": "ada", "user_id": "alice", "metadata": {"\\ud800": ["\\ud800"]}}',
    '{"kind": "chat", "robot": "ada", "user_id": "alice", "tier": "\\u0000"}',
    '{"kind": "chat", "robot": "ada", "user_id": "alice", "account": "\\u0000"}',
    "[]",
    "\ud800",
    "{" * 100_000,
    "[" * 100_000,
]


@pytest.mark.django_db
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:60].encode("unicode_escape").decode())
def test_bodies_that_no_client_sends(client: APIClient, open_chat: Open, body: str) -> None:
    address = f"/api/v1/sessions/{open_chat()['id']}"

    for path in ("/api/v1/sessions", f"{address}/messages", f"{address}/rating"):
        sent = body.encode(errors="surrogatepass")
        response = client.post(path, sent, content_type="application/json")
        assert response.status_code in (200, 201, 202, 400), path
        if response.status_code == 400:
            assert set(response.json()["error"]) == {"code", "message", "fields"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "conversations/%00", "sessions/%ff", "conversations?user_id=%00", "conversations?robot=%ff%00",
        "conversations?cursor=%00", "conversations?cursor=cD0=", "conversations?limit=-1",
        "conversations?since=0001-01-01T00:00:00%2B23:00", "conversations?state=%00", "usage?group_by=%00",
        "usage?from=9999-12-31T23:59:59-23:59", "no-such-address",
    ],
)  # fmt: skip
def test_addresses_that_no_client_asks(client: APIClient, address: str) -> None:
    response = client.get(f"/api/v1/{address}")

    assert response.status_code in (200, 400, 404)
    if response.status_code != 200:
        assert set(response.json()["error"]) == {"code", "message", "fields"}

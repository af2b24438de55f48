from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from conversations import turns
from tests.conversations.conftest import Hear

pytestmark = pytest.mark.django_db(transaction=True)  # frames leave in a thread of their own


def test_conversations_are_found_by_their_user(client: APIClient, hear: Hear) -> None:
    conversation = hear("Hello")
    path = "/api/v1/conversations"

    found = client.get(path, {"user_id": "alice", "robot": "ada", "state": "robot"}).json()
    not_found = client.get(path, {"user_id": "bob"}).json()

    assert [each["id"] for each in found["results"]] == [conversation.public_id]
    assert not_found == {"results": [], "next": None, "previous": None}


@pytest.mark.parametrize("query", [{"state": "asleep"}, {"since": "yesterday"}])
def test_a_wrong_parameter_is_named(client: APIClient, query: dict[str, str]) -> None:
    response = client.get("/api/v1/conversations", query)

    assert (response.status_code, list(response.json()["error"]["fields"])) == (400, list(query))


def test_a_conversation_is_read(client: APIClient, hear: Hear) -> None:
    conversation = hear("Hello")

    response = client.get(f"/api/v1/conversations/{conversation.public_id}")

    body = response.json()
    assert (body["robot"], body["user_id"], body["kind"], body["state"]) == ("ada", "alice", "peer", "robot")


def test_what_is_not_there_is_told_in_the_same_shape(client: APIClient) -> None:
    response = client.get("/api/v1/conversations/nobody")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_usage_is_summed_by_group(client: APIClient, hear: Hear) -> None:
    turns.answer(hear("Hello").pk)

    [row] = client.get("/api/v1/usage", {"group_by": "robot,model"}).json()["results"]

    assert (row["robot"], row["model"], row["turns"], row["calls"]) == ("ada", "script", 1, 1)
    assert row["tokens"]["output"] > 0
    assert row["latency"]["total_s"] >= row["latency"]["first_token_s"]


def test_usage_of_another_time_is_not_counted(client: APIClient, hear: Hear) -> None:
    turns.answer(hear("Hello").pk)

    response = client.get("/api/v1/usage", {"to": "2020-01-01T00:00:00Z"})

    assert response.json() == {"results": []}


def test_usage_knows_its_groups(client: APIClient) -> None:
    response = client.get("/api/v1/usage", {"group_by": "weather"})

    assert "group_by" in response.json()["error"]["fields"]


def test_a_page_costs_the_same_number_of_queries_however_long(
    client: APIClient, hear: Hear, django_assert_max_num_queries: Any
) -> None:
    conversation = hear("one", "two", "three")
    turns.answer(conversation.pk)

    with django_assert_max_num_queries(7):
        client.get(f"/api/v1/conversations/{conversation.public_id}/messages")

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from rest_framework.test import APIClient

from conversations.api import idempotency
from conversations.models import IdempotentRequest, Message
from tests.conversations.api.conftest import Open


def test_the_same_key_and_body_are_done_once(client: APIClient, open_chat: Open) -> None:
    address = f"/api/v1/sessions/{open_chat()['id']}/messages"

    first = client.post(address, {"text": "Hello"}, headers={"Idempotency-Key": "k1"})
    second = client.post(address, {"text": "Hello"}, headers={"Idempotency-Key": "k1"})

    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert Message.objects.count() == 1


def test_another_body_under_the_same_key_is_a_conflict(client: APIClient, open_chat: Open) -> None:
    address = f"/api/v1/sessions/{open_chat()['id']}/messages"
    client.post(address, {"text": "Hello"}, headers={"Idempotency-Key": "k1"})

    response = client.post(address, {"text": "Good-bye"}, headers={"Idempotency-Key": "k1"})

    assert (response.status_code, response.json()["error"]["code"]) == (409, "idempotency_mismatch")
    assert Message.objects.count() == 1


def test_a_request_under_way_is_not_begun_again(client: APIClient, open_chat: Open) -> None:
    address = f"/api/v1/sessions/{open_chat()['id']}/messages"
    client.post(address, {"text": "Hello"}, headers={"Idempotency-Key": "k1"})
    IdempotentRequest.objects.update(status=None)

    response = client.post(address, {"text": "Hello"}, headers={"Idempotency-Key": "k1"})

    assert (response.status_code, response.json()["error"]["code"]) == (409, "in_progress")


def test_a_request_that_failed_may_be_tried_again(client: APIClient, open_chat: Open) -> None:
    address = f"/api/v1/sessions/{open_chat()['id']}/messages"
    refused = client.post(address, {"text": ""}, headers={"Idempotency-Key": "k1"})

    response = client.post(address, {"text": "Hello"}, headers={"Idempotency-Key": "k1"})

    assert (refused.status_code, response.status_code) == (400, 202)


def test_keys_are_forgotten_after_a_day(client: APIClient, open_chat: Open) -> None:
    client.post(f"/api/v1/sessions/{open_chat()['id']}/token", headers={"Idempotency-Key": "k1"})
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert idempotency.forget_old() == 1

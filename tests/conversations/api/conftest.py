from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from bots.models import Robot
from conversations.models import ApiKey
from tests.conversations.conftest import account, cloud, hear, model, robot, route

__all__ = ["account", "cloud", "hear", "model", "robot", "route"]

type Open = Callable[..., dict[str, Any]]


def new_client(*scopes: str) -> APIClient:
    _, key = ApiKey.objects.create_key(name="desk", scopes=scopes)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


@pytest.fixture(autouse=True)
def nobody_was_throttled() -> None:
    cache.clear()


@pytest.fixture
def client(db: None) -> APIClient:
    return new_client(ApiKey.Scope.SESSIONS)


@pytest.fixture
def desk(db: None) -> APIClient:
    return new_client(ApiKey.Scope.OPERATE)


@pytest.fixture
def open_chat(client: APIClient, robot: Robot) -> Open:
    """Alice opens a chat with Ada; → the session."""

    def open_chat(**fields: Any) -> dict[str, Any]:
        wanted = {"kind": "chat", "robot": robot.user_id, "user_id": "alice"} | fields
        response = client.post("/api/v1/sessions", wanted)
        assert response.status_code in (200, 201), response.data
        return dict(response.json())

    return open_chat

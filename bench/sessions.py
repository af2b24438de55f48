"""How soon an app's server has a chat for a user who is new: `POST /sessions`, one after another."""

from __future__ import annotations

import time
from typing import Final

import requests

from bench import stage
from bench.errors import Failed
from bench.table import Row, ms, percentile

WARM_UP: Final = 50
REQUESTS: Final = 1000


def measure() -> list[Row]:
    stage.clear()
    stage.configure()
    key = new_key()
    with stage.serving("sessions", ("manage.py", "web")) as port, requests.Session() as http:
        http.trust_env = False
        http.headers["Authorization"] = f"Bearer {key}"
        address = f"http://127.0.0.1:{port}/api/v1/sessions"
        seconds = [opened(http, address, f"user-{number}") for number in range(WARM_UP + REQUESTS)][WARM_UP:]
    figure = f"{ms(percentile(seconds, 50))} / {ms(percentile(seconds, 99))}"
    return [Row(f"POST /sessions for a new user, {REQUESTS:,} one after another, p50 / p99", figure)]


def new_key() -> str:
    from conversations.models import ApiKey

    _, key = ApiKey.objects.create_key(name="bench", scopes=[ApiKey.Scope.SESSIONS])
    return str(key)


def opened(http: requests.Session, address: str, user_id: str) -> float:
    """Seconds until the chat was open.  Raises Failed."""
    began_at = time.perf_counter()
    response = http.post(address, json={"kind": "chat", "robot": stage.ROBOT, "user_id": user_id})
    took = time.perf_counter() - began_at
    if response.status_code != requests.codes.created:
        raise Failed(f"POST /sessions: HTTP {response.status_code} {response.text[:200]}")
    return took

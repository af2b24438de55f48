"""Callbacks that ask whether a message may be sent: answered from memory, and nothing is stored."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import DatabaseError

from bots import clients
from bots.models import VendorAccount
from conversations import front, inbox
from conversations.models import Callback

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = json.dumps({"kind": "may_it_be_sent", "id": "q1"}).encode()


@pytest.fixture(autouse=True)
def empty_memory(account: VendorAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = clients.Accounts()
    monkeypatch.setattr(inbox, "find_account", accounts.find)
    monkeypatch.setattr(inbox, "recall_account", accounts.recall)


def post(body: bytes, *, secret: str = "s3cret") -> tuple[int, Any]:
    """Status and JSON of the answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    scope = {
        "path": "/callbacks/acme/",
        "method": "POST",
        "query_string": urlencode({"secret": secret}).encode(),
        "headers": [],
    }
    asyncio.run(front.callbacks_app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_question_is_answered_and_not_stored() -> None:
    assert [post(QUESTION), post(QUESTION)] == [(200, {"may": True})] * 2
    assert not Callback.objects.exists()


def test_question_is_answered_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    post(QUESTION)

    def fail(*args: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(inbox, "find_account", fail)
    assert post(QUESTION) == (200, {"may": True})


@pytest.mark.parametrize("is_first", [True, False])
def test_question_of_a_stranger_is_rejected(is_first: bool) -> None:
    if not is_first:
        post(QUESTION)

    assert post(QUESTION, secret="wrong")[0] == 403


def test_other_callbacks_are_stored_as_ever() -> None:
    post(QUESTION)

    assert post(json.dumps({"kind": "other", "id": "1"}).encode()) == (200, {"ok": True})
    assert Callback.objects.get().event == "other"

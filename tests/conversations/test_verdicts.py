"""Callbacks that ask whether a message may be sent: answered from memory, and nothing is stored."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bots import clients
from bots.models import VendorAccount
from bots.vendors.base import Answer
from conversations import front, inbox
from conversations.models import Callback
from tests.support.standin import callback_body, incoming

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = json.dumps({"kind": "may_it_be_sent", "id": "q1"}).encode()
YES = Answer(body={"may": True})


@pytest.fixture(autouse=True)
def empty_memory(account: VendorAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = clients.Accounts()
    monkeypatch.setattr(inbox, "find_account", accounts.find)
    monkeypatch.setattr(inbox, "recall_account", accounts.recall)


def take_in(body: bytes, *, secret: str = "s3cret") -> Answer:
    answers: list[Answer] = []
    inbox.take_in([("acme", incoming(body, secret=secret), answers.append)])
    return answers[0]


def from_memory(body: bytes, *, secret: str = "s3cret") -> Answer | None:
    return inbox.verdict_from_memory("acme", incoming(body, secret=secret))


def test_question_is_answered_and_not_stored() -> None:
    assert take_in(QUESTION) == YES
    assert not Callback.objects.exists()


def test_first_question_has_to_wait_for_the_database() -> None:
    assert from_memory(QUESTION) is None


def test_next_question_does_not_ask_the_database(django_assert_num_queries: Any) -> None:
    take_in(QUESTION)

    with django_assert_num_queries(0):
        assert from_memory(QUESTION) == YES


def test_question_of_a_stranger_is_rejected() -> None:
    assert take_in(QUESTION, secret="wrong").status == 403
    assert from_memory(QUESTION, secret="wrong") is None


def test_other_callbacks_are_stored_as_ever() -> None:
    take_in(QUESTION)

    assert from_memory(callback_body("hello")) is None
    assert take_in(callback_body("hello")) == Answer(body={"ok": True})
    assert Callback.objects.count() == 1


def test_question_overtakes_what_is_being_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    take_in(QUESTION)
    monkeypatch.setattr(front, "inbox", None)  # busy with something else

    assert post(QUESTION) == (200, {"may": True})


def post(body: bytes) -> tuple[int, Any]:
    """Status and JSON of the answer."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    query = b"secret=s3cret"
    scope = {"path": "/callbacks/acme/", "method": "POST", "query_string": query, "headers": []}
    asyncio.run(front.callbacks_app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])

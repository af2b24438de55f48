from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.db import OperationalError, connection

from bots import clients
from bots.models import Robot, VendorAccount
from bots.vendors.base import Answer
from conversations import inbox, receiving
from conversations.models import Callback, Message
from tests.support.standin import callback_body, incoming

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "find_account", clients.Accounts().find)


def take_in(*bodies: bytes, account: str = "acme", secret: str = "s3cret") -> list[Answer]:
    answers: list[Answer] = []
    inbox.take_in([(account, incoming(body, secret=secret), answers.append) for body in bodies])
    return answers


def statuses(answers: Sequence[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def test_each_of_a_batch_is_answered_in_the_vendors_form(robot: Robot) -> None:
    answers = take_in(callback_body("one", id_="1"), callback_body("two", id_="2"))

    assert answers == [Answer(body={"ok": True})] * 2
    assert Message.objects.count() == 2


def test_unknown_account_is_not_found(robot: Robot) -> None:
    assert statuses(take_in(callback_body("hello"), account="nobody")) == [404]


def test_account_that_was_disabled_is_not_found(account: VendorAccount) -> None:
    VendorAccount.objects.update(enabled=False)

    assert statuses(take_in(callback_body("hello"))) == [404]


def test_wrong_signature_and_garbage_leave_no_row_and_stop_nobody_else(robot: Robot) -> None:
    forged = take_in(callback_body("hello"), secret="wrong")
    mixed = take_in(b"{", callback_body("hello"))

    assert statuses(forged) == [403]
    assert sorted(statuses(mixed)) == [200, 400]
    assert Callback.objects.count() == 1


def test_callback_that_does_not_fit_the_tables_is_kept_unread_and_takes_no_other_with_it(
    robot: Robot,
) -> None:
    answers = take_in(callback_body("hello", id_="1"), callback_body("hi", sender="x" * 100, id_="2"))

    assert statuses(answers) == [200, 200]
    assert Message.objects.get().text == "hello"
    assert list(Callback.objects.order_by("delivery_id").values_list("state", flat=True)) == [
        "read",
        "unread",
    ]


def test_a_broken_connection_costs_no_callback(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OperationalError("server closed the connection")]
    monkeypatch.setattr(inbox, "store", failing(failures))

    assert statuses(take_in(callback_body("hello"))) == [200]
    assert Message.objects.count() == 1


def test_a_connection_that_broke_since_the_last_batch_costs_no_callback(robot: Robot) -> None:
    connection.ensure_connection()
    connection.connection.close()

    assert statuses(take_in(callback_body("hello"))) == [200]
    assert Message.objects.count() == 1


def test_what_cannot_be_stored_is_asked_for_again(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OperationalError("disk full")] * 2
    monkeypatch.setattr(inbox, "store", failing(failures))

    assert statuses(take_in(callback_body("hello"))) == [503]


def failing(failures: list[OperationalError]) -> Callable[[Sequence[receiving.Arrival]], None]:
    """The real thing, once it has failed so often."""

    def store(arrivals: Sequence[receiving.Arrival]) -> None:
        if failures:
            raise failures.pop()
        receiving.store(arrivals)

    return store

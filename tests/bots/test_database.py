from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from bots.database import release_connection


@pytest.mark.django_db(transaction=True)
def test_the_connection_goes_back_and_comes_again() -> None:
    connection.ensure_connection()

    release_connection()

    assert connection.connection is None
    assert connection.cursor().execute("SELECT 1")


@pytest.mark.django_db(transaction=True)
def test_a_transaction_keeps_its_connection() -> None:
    with transaction.atomic(), pytest.raises(TransactionManagementError, match="inside a transaction"):
        release_connection()


@pytest.mark.django_db
def test_the_transaction_around_a_test_counts_as_none() -> None:
    release_connection()

    assert connection.connection is not None

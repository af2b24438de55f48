from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from bots.database import execute_quickly, insert, release_connection, wait_for_disk
from conversations.models import Message


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


@pytest.mark.django_db(transaction=True)
def test_what_was_committed_quickly_is_waited_for() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")  # tests do without
        execute_quickly(cursor, "SELECT pg_logical_emit_message(true, 'test', '')", {})
        cursor.execute("SELECT pg_current_wal_insert_lsn()")
        (written,) = cursor.fetchone()

        wait_for_disk()

        cursor.execute("RESET synchronous_commit")
        cursor.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [written])
        assert cursor.fetchone() == (True,)


def test_default_that_differs_from_row_to_row_has_to_be_given() -> None:
    with pytest.raises(TypeError, match="public_id needs an expression"):
        insert(Message)

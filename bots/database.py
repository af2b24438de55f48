"""This thread's database connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.transaction import TransactionManagementError

# A commit then is there for everybody at once, but may be lost with all that follows if the database crashes
# within the second.  One that waits for the disk takes all before it there.
QUICKLY: Final = "SET LOCAL synchronous_commit = off;"


def commit_quickly() -> None:
    """Have the transaction under way not wait for the disk."""
    with connection.cursor() as cursor:
        cursor.execute(QUICKLY)


def execute_quickly(
    cursor: CursorWrapper, statement: str, parameters: Mapping[str, Any] | Sequence[Any]
) -> None:
    """Make a statement whose transaction does not wait for the disk.  One request carries both."""
    cursor.execute(QUICKLY + statement, parameters)
    cursor.nextset()  # behind that of SET LOCAL


def release_connection() -> None:
    """Give this thread's database connection back to the pool; the next query takes one again.

    Call it before a long wait: hundreds of jobs share a few connections.
    Raises TransactionManagementError inside a transaction, which would be lost.
    """
    # The transaction that Django puts around a test counts as none, as with atomic(durable=True).
    if any(not block._from_testcase for block in connection.atomic_blocks):  # type: ignore[attr-defined]
        raise TransactionManagementError("the connection cannot be given back inside a transaction")
    if not connection.in_atomic_block:
        connection.close()


def drop_broken_connections() -> None:
    """Close this thread's connection, and those that wait in the pool in vain: after a restart of the
    database that is all of them, and another try would only get the next."""
    connection.close()
    if pool := connection.pool:  # type: ignore[attr-defined]
        pool.check()

"""This thread's database connection, and statements that are written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from django.db.transaction import TransactionManagementError
from psycopg import sql

# A commit then is there for everybody at once, but may be lost with all that follows if the database crashes
# within the second.  One that waits for the disk takes all before it there.
QUICKLY: Final = "SET LOCAL synchronous_commit = off;"


# It changes no row, but has something to commit.
COMMIT_SOMETHING: Final = "SELECT pg_logical_emit_message(true, 'parley', '')"


def execute_quickly(
    cursor: CursorWrapper, statement: str, parameters: Mapping[str, Any] | Sequence[Any]
) -> None:
    """Make a statement whose transaction does not wait for the disk.  One request carries both."""
    cursor.execute(QUICKLY + statement, parameters)
    cursor.nextset()  # behind that of SET LOCAL


def wait_for_disk() -> None:
    """Returns when all that was committed quickly until now is on the disk."""
    with connection.cursor() as cursor:
        cursor.execute(COMMIT_SOMETHING)


def insert(model: type[Model], **given: str) -> str:
    """`INSERT … SELECT …` of these expressions, and of the model's defaults for its other columns."""
    values = dict(given)
    for field in model._meta.concrete_fields:
        if field.attname in given or field.primary_key or field.get_default() is None:
            continue
        if field.has_default() and callable(field.default):
            raise TypeError(f"{field} needs an expression: its default is not the same for every row")
        values[field.attname] = sql.Literal(field.get_default()).as_string()
    columns = ", ".join(connection.ops.quote_name(name) for name in values)
    return f"INSERT INTO {model._meta.db_table} ({columns}) SELECT {', '.join(values.values())}"


def first_row(cursor: CursorWrapper) -> dict[str, Any]:
    """By the names of its columns; empty where there is none."""
    row = cursor.fetchone()
    return dict(zip((column.name for column in cursor.description), row, strict=True)) if row else {}


def model_of[M: Model](model: type[M], row: Mapping[str, Any]) -> M:
    """The model that the row has the columns of, besides others.  Not for fields that Django has to convert,
    such as JSON."""
    fields = [(field.attname, row[field.attname]) for field in model._meta.concrete_fields]
    return model.from_db(connection.alias, *zip(*fields, strict=True))


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

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


def read[M: Model](model: type[M], statement: str, parameters: Sequence[Any]) -> list[M]:
    """The models of a statement's rows, as `raw` gives them, which takes three times as long to compose them
    as PostgreSQL to find a few."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [model_of(model, row) for row in rows_of(cursor)]


def rows_of(cursor: CursorWrapper) -> list[dict[str, Any]]:
    """By the names of their columns."""
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def model_of[M: Model](model: type[M], row: Mapping[str, Any]) -> M:
    """The model of a row: fields without a column are deferred, what is no field's becomes an attribute."""
    fields = [field for field in model._meta.concrete_fields if field.attname in row]
    names = [field.attname for field in fields]
    found = model.from_db(connection.alias, names, [value_of(field, row[field.attname]) for field in fields])
    for name in row.keys() - names:
        setattr(found, name, row[name])
    return found


def value_of(field: Any, stored: object) -> object:
    """What a model has for what the driver has read."""
    convert = getattr(field, "from_db_value", None)  # JSON fields have it
    return convert(stored, None, connection) if convert else stored


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

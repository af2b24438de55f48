"""Many rows in one statement, carried by one JSON document.

`bulk_create` makes an object of each row and SQL of each value, which took longer than all the rest of
a callback's reception.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from django.db import connection
from django.db.models import Field, Model

INSERT: Final = """
INSERT INTO {table} ({columns})
SELECT {names} FROM json_to_recordset(%s) AS row ({definitions})
ON CONFLICT {on_conflict} RETURNING {returning}
"""


def insert(
    model: type[Model], rows: Iterable[Mapping[str, Any]], *, on_conflict: str, returning: str
) -> list[tuple[Any, ...]]:
    """Insert rows, with the model's defaults for what they leave out; → the given columns of those that
    the statement wrote."""
    defaults = {field.attname: field.get_default for field in fields_of(model)}
    document = [
        {name: row[name] if name in row else default() for name, default in defaults.items()} for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(statement(model, on_conflict, returning), [json.dumps(document, default=str)])
        written: list[tuple[Any, ...]] = cursor.fetchall()
        return written


@cache
def fields_of(model: type[Model]) -> list[Field[Any, Any]]:
    return [field for field in model._meta.concrete_fields if not field.primary_key]


@cache
def statement(model: type[Model], on_conflict: str, returning: str) -> str:
    quote = connection.ops.quote_name
    fields = fields_of(model)
    return INSERT.format(
        table=quote(model._meta.db_table),
        columns=", ".join(quote(str(field.column)) for field in fields),
        names=", ".join(quote(field.attname) for field in fields),
        definitions=", ".join(f"{quote(field.attname)} {field.db_type(connection)}" for field in fields),
        on_conflict=on_conflict,
        returning=returning,
    )

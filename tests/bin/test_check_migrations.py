"""What an old version would not survive is found before it is released."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from bin.check_migrations import problems_of

NAME = models.CharField(max_length=20, null=True)


def released() -> ProjectState:
    """A table that is in use."""
    state = ProjectState()
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.AutoField(primary_key=True)),
        ("name", NAME),
        ("size", models.IntegerField()),
    ]
    state.add_model(ModelState("shop", "Thing", fields))
    return state


def migration(name: str, *operations: Operation, **attributes: str) -> Migration:
    return type("Migration", (Migration,), {"operations": list(operations), **attributes})(name, "shop")


def problems(*operations: Operation, **attributes: str) -> list[str]:
    return list(problems_of([migration("0002_next", *operations, **attributes)], released()))


REMOVED = migrations.RemoveField("thing", "name")
BREAKING = {
    "a column that goes": REMOVED,
    "a table that goes": migrations.DeleteModel("Thing"),
    "another name": migrations.RenameField("thing", "name", "title"),
    "a column that must be filled": migrations.AddField("thing", "colour", models.TextField(default="red")),
    "no more NULL": migrations.AlterField("thing", "name", models.CharField(max_length=20)),
    "less room": migrations.AlterField("thing", "name", models.CharField(max_length=10, null=True)),
    "another type": migrations.AlterField("thing", "size", models.BigIntegerField()),
    "an index that holds up writers": migrations.AddIndex("thing", models.Index("size", name="by_size")),
    "a rule": migrations.AddConstraint("thing", models.UniqueConstraint("name", name="one_of_a_name")),
    "in the database alone": migrations.SeparateDatabaseAndState(database_operations=[REMOVED]),
}  # fmt: skip


@pytest.mark.parametrize("case", BREAKING)
def test_what_breaks_the_old_version_is_told(case: str) -> None:
    [problem] = problems(BREAKING[case])

    assert problem.startswith("shop/migrations/0002_next.py: ")


HARMLESS = {
    "a column that may be empty": migrations.AddField("thing", "colour", models.TextField(null=True)),
    "a column that the database fills": migrations.AddField("thing", "n", models.IntegerField(db_default=0)),
    "more room": migrations.AlterField("thing", "name", models.CharField(max_length=30, null=True)),
    "an index that holds up nobody": AddIndexConcurrently("thing", models.Index("size", name="by_size")),
    "given up, but still there": migrations.SeparateDatabaseAndState(state_operations=[REMOVED]),
    "a word for people": migrations.AlterField("thing", "size", models.IntegerField(help_text="in metres")),
}  # fmt: skip


@pytest.mark.parametrize("case", HARMLESS)
def test_what_does_not_is_not(case: str) -> None:
    assert problems(HARMLESS[case]) == []


def test_a_table_that_no_old_version_knows_may_be_changed_at_will() -> None:
    new = migration("0002_next", migrations.CreateModel("Part", [("id", models.AutoField(primary_key=True))]))
    later = migration("0003_more", migrations.AddField("part", "name", models.TextField(default="")))

    assert list(problems_of([new, later], released())) == []


def test_a_migration_may_say_why_it_is_harmless() -> None:
    assert problems(REMOVED, harmless_because="given up in 0001") == []

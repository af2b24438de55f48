#!/usr/bin/env python3
"""May the version that runs go on while the migrations since the last release are applied?

During a rolling upgrade the old version works on the new tables.  What would break it takes two releases:
the first one stops using a column, the second drops it.  Migrations up to the last release, which
pyproject.toml names, are not looked at; `--release` writes there that those of today are released.

A migration that is harmless for a reason that this cannot see says why:

    class Migration(migrations.Migration):
        harmless_because = "the column was given up in 0021, which is released"
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = ROOT / "pyproject.toml"

sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django  # noqa: E402

if __name__ == "__main__":
    django.setup()

from django.apps import apps  # noqa: E402
from django.contrib.postgres.operations import AddIndexConcurrently  # noqa: E402
from django.db import connection, migrations  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402
from django.db.migrations.migration import Migration  # noqa: E402
from django.db.migrations.operations.base import Operation  # noqa: E402
from django.db.migrations.state import ProjectState  # noqa: E402
from django.db.models import Field, ManyToManyField  # noqa: E402
from django.db.models.fields import NOT_PROVIDED  # noqa: E402

IN_USE: Final = (
    "the old version still uses it: take it out of the state now, and out of the database one release later"
)
RENAMED: Final = (
    "the old version knows the old name: add a new one, fill it, and drop the old one a release later"
)

type Table = tuple[str, str]  # app, model in lower case


def main() -> int:
    loader = MigrationLoader(None)
    if "--release" in sys.argv:
        write_released(loader)
        return 0
    problems = list(problems_of(unreleased(loader), state_of(loader, read_released())))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def own_apps() -> set[str]:
    return {config.label for config in apps.get_app_configs() if Path(config.path).is_relative_to(ROOT)}


def read_released() -> dict[str, str]:
    """The last released migration of each app."""
    tools = tomllib.loads(PROJECT.read_text())["tool"]
    released: dict[str, str] = tools.get("parley", {}).get("released-migrations", {})
    return released


def write_released(loader: MigrationLoader) -> None:
    names = dict(sorted(key for key in loader.graph.leaf_nodes() if key[0] in own_apps()))
    lines = "".join(f'{app} = "{name}"\n' for app, name in names.items())
    text = re.sub(r"\n\[tool\.parley\.released-migrations\]\n(?:\w+ = .*\n)*", "", PROJECT.read_text())
    PROJECT.write_text(f"{text}\n[tool.parley.released-migrations]\n{lines}")


def unreleased(loader: MigrationLoader) -> list[Migration]:
    """Our migrations behind the last release, in the order in which they are applied.  An app of which
    nothing is released has tables that no old version knows."""
    released = read_released()
    done = {key for app, name in released.items() for key in loader.graph.forwards_plan((app, name))}
    wanted = [key for key in loader.graph.leaf_nodes() if key[0] in released]
    plan = dict.fromkeys(key for target in wanted for key in loader.graph.forwards_plan(target))
    return [loader.graph.nodes[key] for key in plan if key[0] in released and key not in done]


def state_of(loader: MigrationLoader, released: dict[str, str]) -> ProjectState:
    return loader.project_state(list(released.items()) or [])


def problems_of(plan: Iterable[Migration], state: ProjectState) -> Iterator[str]:
    """What in these migrations the version before them does not survive."""
    new: set[Table] = set()
    for migration in plan:
        if not getattr(migration, "harmless_because", ""):
            for operation in in_the_database(migration.operations):
                if problem := problem_of(operation, migration.app_label, state, new):
                    told = operation.describe()
                    yield f"{migration.app_label}/migrations/{migration.name}.py: {told}: {problem}"
        new |= {
            (migration.app_label, operation.name_lower)
            for operation in migration.operations
            if isinstance(operation, migrations.CreateModel)
        }
        state = migration.mutate_state(state)


def in_the_database(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from in_the_database(operation.database_operations)
        else:
            yield operation


def problem_of(operation: Operation, app: str, state: ProjectState, new: set[Table]) -> str:
    """Why the old version does not survive it; "" where it does."""
    model = getattr(operation, "model_name_lower", "") or getattr(operation, "name_lower", "")
    if (app, model) in new:
        return ""
    for kind, rule in RULES.items():
        if isinstance(operation, kind):
            return rule(operation, app, state)
    return ""


def added(operation: Any, app: str, state: ProjectState) -> str:
    field = operation.field
    if (
        field.null
        or isinstance(field, ManyToManyField)
        or field.db_default is not NOT_PROVIDED
        or field.generated
    ):
        return ""
    return "the old version leaves it out when it inserts: give it null=True or a db_default"


def altered(operation: Any, app: str, state: ProjectState) -> str:
    before = state.models[app, operation.model_name_lower].get_field(operation.name)
    if before.null and not operation.field.null:
        return "the old version may write NULL: fill it and forbid that one release later"
    if not holds_as_much(before, operation.field):
        return "the table is written anew while everybody waits: add a new column, fill it, drop the old one"
    return ""


def holds_as_much(before: Field[Any, Any], after: Field[Any, Any]) -> bool:
    """Whether PostgreSQL changes the column without touching its rows."""
    old, new = (field.db_type(connection) if not field.is_relation else "" for field in (before, after))
    if old == new:
        return True
    is_text = str(old).startswith("varchar") and str(new).startswith(("varchar", "text"))
    return is_text and (after.max_length or sys.maxsize) >= (before.max_length or sys.maxsize)


def always(problem: str) -> Callable[[Any, str, ProjectState], str]:
    return lambda operation, app, state: problem


RULES: Final[dict[type[Operation], Callable[[Any, str, ProjectState], str]]] = {
    migrations.RemoveField: always(IN_USE),
    migrations.DeleteModel: always(IN_USE),
    migrations.RenameField: always(RENAMED),
    migrations.RenameModel: always(RENAMED),
    migrations.AlterModelTable: always(RENAMED),
    migrations.AddField: added,
    migrations.AlterField: altered,
    migrations.AddConstraint: always(
        "the old version may write what it forbids, and rows are checked while all wait"
    ),
    AddIndexConcurrently: always(""),
    migrations.AddIndex: always("writers wait while it is built: use AddIndexConcurrently"),
}

if __name__ == "__main__":
    sys.exit(main())

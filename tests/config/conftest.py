from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Installation, new_database


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database to copy, which takes a tenth of the time."""
    with new_database("template") as url:
        Installation(tmp_path_factory.mktemp("template"), url).run("migrate", "--verbosity=0")
        yield "template"


@pytest.fixture
def installation(template: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    """Parley with a migrated database and nothing running."""
    with new_database(request.node.name, template=template) as url:
        installation = Installation(tmp_path, url)
        yield installation
        installation.end()

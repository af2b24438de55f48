from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Installation, new_database


@pytest.fixture
def installation(template: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installation]:
    """Parley with a migrated database and nothing running."""
    with new_database(request.node.name, template=template) as url:
        installation = Installation(tmp_path, url)
        yield installation
        installation.end()

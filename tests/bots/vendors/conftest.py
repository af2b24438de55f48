from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bots.vendors.cloud import Cloud, open_cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with open_cloud() as cloud:
        yield cloud

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.driver import Sandbox
from tests.bots.vendors.cloud import Cloud, open_cloud


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with open_cloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The simulated clouds, which were written from the vendors' pages and not from our clients."""
    with Sandbox.start() as sandbox:
        yield sandbox

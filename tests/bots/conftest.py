from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from bots import vendors
from tests.support import factories
from tests.support.standin import Cloud, StandIn


@pytest.fixture
def paper_cloud() -> Iterator[Cloud]:
    """The only vendor there is."""
    StandIn.cloud = Cloud()
    # Unlike pytest's monkeypatch it puts the others back in their order.
    with patch.dict(vendors.VENDORS, {"paper": factories.VENDORS["paper"]}, clear=True):
        yield StandIn.cloud

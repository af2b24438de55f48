from __future__ import annotations

import pytest

from bots import vendors
from tests.support import factories
from tests.support.standin import Cloud, StandIn


@pytest.fixture
def paper_cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud beside ZEGO's."""
    monkeypatch.setitem(vendors.VENDORS, "paper", factories.VENDORS["paper"])
    StandIn.cloud = Cloud()
    return StandIn.cloud

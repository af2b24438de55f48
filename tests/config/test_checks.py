from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from config.checks import check_public_url


@pytest.mark.parametrize("address", ["", "http://parley.example.com"])
def test_plain_http_outside_is_warned_of(settings: Settings, address: str) -> None:
    settings.PUBLIC_URL = address

    assert [warning.id for warning in check_public_url(None)] == ["parley.W002"]


def test_https_outside_is_fine(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://parley.example.com"

    assert check_public_url(None) == []

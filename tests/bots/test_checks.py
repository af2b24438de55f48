from __future__ import annotations

import pytest

from bots.checks import check_accounts
from bots.models import VendorAccount

pytestmark = pytest.mark.django_db


def account(token: str) -> VendorAccount:
    config = {"sdk_app_id": 1400000000, "secret_key": "key", "callback_token": token}
    return VendorAccount.objects.create(slug="acme", vendor="tencent", config=config)


def test_account_with_unsigned_callbacks_is_warned_of() -> None:
    account(token="")

    (warning,) = check_accounts(None)

    assert "acme" in warning.msg
    assert "callback_token" in warning.msg


def test_account_with_signed_callbacks_is_fine() -> None:
    account(token="token")

    assert check_accounts(None) == []


def test_account_that_is_not_in_use_is_not_checked() -> None:
    account(token="")
    VendorAccount.objects.update(enabled=False)

    assert check_accounts(None) == []

"""What `check --deploy` warns of: settings of accounts that are unsafe where strangers can reach us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DatabaseError

from bots.clients import new_client
from bots.models import VendorAccount
from bots.vendors.config import InvalidConfig


@checks.register(checks.Tags.security, deploy=True)
def check_accounts(app_configs: Sequence[Any] | None, **options: Any) -> list[checks.CheckMessage]:
    """A warning for each thing that a vendor finds unsafe about an account that is in use."""
    try:
        accounts = list(VendorAccount.objects.filter(enabled=True))
    except DatabaseError:
        return [
            checks.Info(
                "The vendor accounts were not checked: the database does not answer, or is not migrated.",
                id="parley.I001",
            )
        ]
    return [
        checks.Warning(f"Account {account.slug}: {risk}", id="parley.W001")
        for account in accounts
        for risk in risks_of(account)
    ]


def risks_of(account: VendorAccount) -> list[str]:
    try:
        return new_client(account).risks()
    except InvalidConfig as error:
        return [str(error)]

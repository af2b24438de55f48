"""Accounts and their vendor clients, kept in each process: the callback path asks for them all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from bots.crypto import SecretDict
from bots.memories import SharedMemory
from bots.models import VendorAccount
from bots.vendors import vendor_class
from bots.vendors.base import Vendor
from bots.vendors.config import read_config
from bots.vendors.counting import count_calls

ACCOUNT_CACHE_S: Final = 0.5  # a changed account is noticed within this; a second is promised


class Clients:
    """One client for each account as it is now.  Threads share it.

    A client keeps its HTTP connections and signatures, so it lives until the account's settings change.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[int, tuple[str, SecretDict, Vendor]] = {}

    def for_account(self, account: VendorAccount) -> Vendor:
        with self._lock:
            known = self._clients.get(account.pk)
            if known and known[:2] == (account.vendor, account.config):
                return known[2]
            client = new_client(account)
            count_calls(client, account=account.slug)
            self._clients[account.pk] = account.vendor, SecretDict(account.config), client
            return client


class Accounts:
    """Enabled accounts by slug, as they were at most ACCOUNT_CACHE_S ago.  Threads share it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._found: dict[str, tuple[float, VendorAccount]] = {}

    def find(self, slug: str) -> VendorAccount | None:
        """The account, or None.  Slugs that name none are not kept: anybody may make them up."""
        found_at, account = self._found.get(slug, (0.0, None))
        if account is not None and self._now() - found_at < ACCOUNT_CACHE_S:
            return account
        return self._load(slug)

    def recall(self, slug: str) -> VendorAccount | None:
        """The account as it was when it was found last, however long ago.  Asks no database."""
        _, account = self._found.get(slug, (0.0, None))
        return account

    def _load(self, slug: str) -> VendorAccount | None:
        loaded_at = self._now()
        account = VendorAccount.objects.filter(slug=slug, enabled=True).first()
        if account is None:
            self._found.pop(slug, None)
        else:
            self._found[slug] = loaded_at, account
        return account


def new_client(account: VendorAccount) -> Vendor:
    """A client with the account's settings.  Raises InvalidConfig where they are not complete."""
    vendor = vendor_class(account.vendor)
    client = vendor(read_config(vendor.Config, account.config))
    client.memory = SharedMemory(account.pk)
    return client


vendor_for = Clients().for_account
_accounts = Accounts()
find_account = _accounts.find
recall_account = _accounts.recall

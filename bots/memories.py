"""An account's memory in the database, where all workers share it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from bots.database import release_connection
from bots.events import JSONDict
from bots.models import AccountMemory
from bots.vendors.memory import Memory


class SharedMemory(Memory):
    """Encrypted, as tokens are credentials."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id

    def read(self) -> JSONDict:
        row = AccountMemory.objects.filter(account=self.account_id).first()
        _release()
        return dict(row.kept) if row else {}

    @contextmanager
    def changing(self) -> Iterator[JSONDict]:
        """Under the row's lock: of many workers that need a new token, one asks for it."""
        AccountMemory.objects.get_or_create(account_id=self.account_id)
        with transaction.atomic():
            row = AccountMemory.objects.select_for_update().get(account=self.account_id)
            kept = dict(row.kept)
            yield kept
            row.kept = kept
            row.save(update_fields=["kept"])
        _release()


def _release() -> None:
    """A call to the vendor follows as a rule, which should hold no connection."""
    if not connection.in_atomic_block:
        release_connection()

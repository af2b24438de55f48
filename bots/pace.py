"""Keeping to what a vendor allows an app: one clock per account and kind of call, for all workers.

The clock is a GCRA without burst: it holds the moment at which the next call may leave, and a single
statement moves it on.  A call that must leave *reserves* its slot, however far ahead; one that may be
skipped only *tries* to get a slot now.  So once last frames queue, nothing else gets in between.

A vendor counts what arrives in a second, and of calls that left in step some take longer than others.
Slots therefore lie SLACK_S wider apart, over a second, than the allowance says: as long as the times that
calls take differ by less than this, no second sees one too many.
"""

from __future__ import annotations

from typing import Final

from django.db import connection

from bots.models import VendorAccount

SLACK_S: Final = 0.1
TRY_HORIZON_S: Final = 0.1  # how far ahead a slot may lie for a call that may be skipped
RESERVE_HORIZON_S: Final = 3600.0  # a queue longer than this is refused rather than joined

# The database's clock decides, so that workers on several machines agree.
TAKE_SLOT: Final = """
INSERT INTO bots_pace AS pace (account_id, call, next_at)
VALUES (%(account)s, %(call)s, clock_timestamp() + %(interval)s * interval '1 second')
ON CONFLICT (account_id, call) DO UPDATE
   SET next_at = greatest(pace.next_at, clock_timestamp()) + %(interval)s * interval '1 second'
 WHERE pace.next_at <= clock_timestamp() + %(horizon)s * interval '1 second'
RETURNING extract(epoch FROM next_at - clock_timestamp())::float8 - %(interval)s
"""


def try_slot(account: VendorAccount, call: VendorAccount.Call) -> float | None:
    """Seconds to wait (at most TRY_HORIZON_S) before a call that may be skipped; None: skip it."""
    return _take_slot(account, call.value, account.allowance(call), TRY_HORIZON_S)


def reserve_slot(account: VendorAccount, call: VendorAccount.Call, *, weight: float = 1.0) -> float:
    """Seconds to wait before a call that must be made, and that counts as so many."""
    return reserve_named_slot(account, call.value, account.allowance(call) / weight)


def reserve_named_slot(account: VendorAccount, name: str, per_s: float) -> float:
    """Seconds to wait before a call of a kind of its own, of which the vendor allows so many a second."""
    wait = _take_slot(account, name, per_s, RESERVE_HORIZON_S)
    return RESERVE_HORIZON_S if wait is None else wait


def _take_slot(account: VendorAccount, name: str, per_s: float, horizon_s: float) -> float | None:
    parameters: dict[str, int | float | str] = {
        "account": account.pk,
        "call": name,
        "interval": (1 + SLACK_S) / per_s,
        "horizon": horizon_s,
    }
    with connection.cursor() as cursor:
        cursor.execute(TAKE_SLOT, parameters)
        row = cursor.fetchone()
    return None if row is None else max(0.0, row[0])

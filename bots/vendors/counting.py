"""Calls to IM clouds, counted by account, call and outcome."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from bots.errors import Unsupported, VendorBusy, VendorError, VendorRefused, VendorUnreachable
from bots.events import Said
from bots.vendors.base import Vendor
from metrics.families import VENDOR_CALLS

CALLS: Final = ("register", "admit", "send", "show_thinking", "edit", "find_sent", "recall")
OUTCOMES: Final[dict[type[VendorError], str]] = {
    VendorUnreachable: "unreachable",
    VendorBusy: "busy",
    VendorRefused: "refused",
}


def count_calls(vendor: Vendor, *, account: str) -> None:
    """Have the calls of this client counted.

    Here, because no vendor's class knows its account, and because what they have in common are these calls,
    whatever requests they take.
    """
    for call in CALLS:
        setattr(vendor, call, partial(_make, vendor, account, call))
    vendor.history = partial(_history, vendor, account)  # type: ignore[method-assign]


def _make(vendor: Vendor, account: str, call: str, *args: Any, **kwargs: Any) -> Any:
    with failures_counted(account, call):
        answer = getattr(type(vendor), call)(vendor, *args, **kwargs)
    VENDOR_CALLS.labels(account, call, "ok").inc()
    return answer


def _history(vendor: Vendor, account: str, **kwargs: Any) -> Iterator[list[Said]]:
    """Each page is a call."""
    with failures_counted(account, "history"):
        for page in type(vendor).history(vendor, **kwargs):
            VENDOR_CALLS.labels(account, "history", "ok").inc()
            yield page


@contextmanager
def failures_counted(account: str, call: str) -> Iterator[None]:
    """What the vendor's API has no words for is no call."""
    try:
        yield
    except VendorError as error:
        if not isinstance(error, Unsupported):
            VENDOR_CALLS.labels(account, call, outcome_of(error)).inc()
        raise


def outcome_of(error: VendorError) -> str:
    return next((word for kind, word in OUTCOMES.items() if isinstance(error, kind)), "failed")

"""What is counted, under the names that `docs/metrics.md` promises.

To count takes a few microseconds and no query: a process counts in memory, and `keeping` adds that to the
database's totals.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

# A sum over processes has no one moment of creation.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()

# Seconds.  A callback is answered in milliseconds and given up by its vendor after two to five seconds.
QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
# What a user waits for.
PATIENT: Final = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 8, 12, 20, 30, 60)
WHOLE_REPLY: Final = (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300)

MAX_EVENTS: Final = 50  # of one account: its vendor has fewer, and others may make them up
OTHER: Final = "other"

CALLBACKS: Final = Counter(
    "parley_callbacks", "Callbacks that IM clouds sent.", ["account", "event", "outcome"], registry=REGISTRY
)
CALLBACK_SECONDS: Final = Histogram(
    "parley_callback_seconds",
    "From a callback's arrival to its answer.",
    buckets=QUICK,
    registry=REGISTRY,
)
TURNS: Final = Counter("parley_turns", "Turns that ended.", ["robot", "outcome"], registry=REGISTRY)
TURN_WAIT_SECONDS: Final = Histogram(
    "parley_turn_wait_seconds",
    "From a user's message to the moment a worker takes it up, with the merge window.",
    buckets=PATIENT,
    registry=REGISTRY,
)
FIRST_TOKEN_SECONDS: Final = Histogram(
    "parley_first_token_seconds",
    "From asking a model to its first word.",
    ["model"],
    buckets=PATIENT,
    registry=REGISTRY,
)
REPLY_SECONDS: Final = Histogram(
    "parley_reply_seconds",
    "From a user's message to the end of the reply.",
    buckets=WHOLE_REPLY,
    registry=REGISTRY,
)
MODEL_CALLS: Final = Counter(
    "parley_model_calls", "Calls to models that ended.", ["model", "outcome"], registry=REGISTRY
)
TOKENS: Final = Counter(
    "parley_tokens",
    "Tokens that models read and wrote; cached_input is a part of input.",
    ["model", "direction"],
    registry=REGISTRY,
)
COST: Final = Counter("parley_cost", "What calls to models cost.", ["model", "currency"], registry=REGISTRY)
VENDOR_CALLS: Final = Counter(
    "parley_vendor_calls",
    "Calls to IM clouds.",
    ["account", "call", "outcome"],
    registry=REGISTRY,
)
RATINGS: Final = Counter("parley_ratings", "Ratings that users gave.", ["score"], registry=REGISTRY)

_events: Final[defaultdict[str, set[str]]] = defaultdict(set)
_events_lock: Final = threading.Lock()


def count_callback(account: str, event: str, outcome: str) -> None:
    """`event` is the vendor's own name for it, as it came."""
    with _events_lock:
        known = _events[account]
        if len(known) < MAX_EVENTS:
            known.add(event)
        shown = event if event in known else OTHER
    CALLBACKS.labels(account, shown, outcome).inc()

"""The end of a worker's time.

A worker that is told to end fetches no more jobs and lets those that run finish.  When their time
(DRAIN_S) is over, `must_stop` is set: a job that looks at it stops where it stands and raises
WorkerStopping, which brings it back to the queue (`bots.retries`), for any worker to take at once.
"""

from __future__ import annotations

import threading
from typing import Final

must_stop: Final = threading.Event()


class WorkerStopping(Exception):
    """This worker ends now; another goes on with the job."""


def deadline_passed() -> bool:
    """Whether the job is to stop where it stands.  Costs nothing: look as often as you like."""
    return must_stop.is_set()


def stop_if_told() -> None:
    """Raises WorkerStopping once the deadline has passed."""
    if deadline_passed():
        raise WorkerStopping("the worker's time is over")

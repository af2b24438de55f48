"""The thread by which web processes and workers watch over one another.

Every process has one, as any other may be the one that is dead: without workers a web process looks around
and tells people itself, and without web processes a worker does.
"""

from __future__ import annotations

import threading
from typing import Final

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from alerts import evaluating, telling

log = structlog.get_logger(__name__)

TURN_S: Final = 1.0  # how often a process asks whether it is its turn


class Watcher:
    """Watches from `start` to `stop`."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="alerts", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(TURN_S):
            try:
                if evaluating.look(timezone.now()):
                    telling.send_overdue()
            except DatabaseError as error:
                log.warning("could not look around", error=str(error))
            except Exception:  # whatever it is, the next look may go well
                log.exception("could not look around")
            finally:
                connection.close()

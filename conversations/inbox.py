"""The door for callbacks: they are taken in batches, so that one commit serves many.

One thread a process does the work from checking to committing; what arrives meanwhile is its next
batch.  A lone callback waits for nobody.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import Final

import structlog
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections, connection

from bots.clients import find_account, vendor_for
from bots.errors import CallbackMalformed, CallbackRejected
from bots.vendors.base import Answer, IncomingCallback
from conversations.receiving import Arrival, open_callback, store, unreadable

log = structlog.get_logger(__name__)

MAX_BATCH: Final = 100  # callbacks a transaction: past this a commit's cost no longer shows

type Delivery = tuple[str, IncomingCallback, Future[Answer]]
type Opened = tuple[Arrival, IncomingCallback, Future[Answer]]


class Inbox:
    """Takes callbacks from any thread and answers each once it is stored for good."""

    def __init__(self) -> None:
        self._deliveries: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def deliver(self, account: str, incoming: IncomingCallback) -> Future[Answer]:
        """The answer to give to the vendor, once there is one.  Does not block."""
        self._ensure_started()
        answer: Future[Answer] = Future()
        self._deliveries.put((account, incoming, answer))
        return answer

    def _ensure_started(self) -> None:
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            try:
                take_in(batch)
            except Exception:
                log.exception("callbacks were not taken in")
                for _, _, answer in batch:
                    if not answer.done():
                        answer.set_result(failure(503, "this callback could not be stored; send it again"))

    def _next_batch(self) -> list[Delivery]:
        batch = [self._deliveries.get()]
        while len(batch) < MAX_BATCH:
            try:
                batch.append(self._deliveries.get_nowait())
            except queue.Empty:
                break
        return batch


def take_in(batch: list[Delivery]) -> None:
    """Check, read, store and answer a batch."""
    close_old_connections()
    opened = [opened for delivery in batch if (opened := _open(*delivery))]
    if not opened:
        return
    try:
        store([arrival for arrival, _, _ in opened])
    except DatabaseError:
        connection.close()  # it may be the connection that broke
        # One callback that the database refuses must not take the others with it.
        for each in opened:
            _store_alone(*each)
    else:
        for each in opened:
            _acknowledge(*each)


def failure(status: int, reason: str) -> Answer:
    return Answer(status=status, body={"error": reason})


def _open(slug: str, incoming: IncomingCallback, answer: Future[Answer]) -> Opened | None:
    """The callback, checked and read; None when it was turned away at the door."""
    account = find_account(slug)
    if account is None:
        answer.set_result(failure(404, "no such account"))
        return None
    try:
        return open_callback(account, incoming), incoming, answer
    except CallbackRejected as error:
        log.warning("callback rejected", account=slug, reason=str(error))
        answer.set_result(failure(403, str(error)))
    except CallbackMalformed as error:
        log.warning("callback malformed", account=slug, reason=str(error))
        answer.set_result(failure(400, str(error)))
    return None


def _store_alone(arrival: Arrival, incoming: IncomingCallback, answer: Future[Answer]) -> None:
    try:
        try:
            store([arrival])
        except (DataError, IntegrityError) as error:
            # Its messages do not fit the tables: keep the callback, to be read again when they do.
            store([unreadable(arrival, error)])
    except DatabaseError:
        log.exception("callback not stored", account=arrival.account.slug)
        connection.close()
        answer.set_result(failure(503, "this callback could not be stored; send it again"))
    else:
        _acknowledge(arrival, incoming, answer)


def _acknowledge(arrival: Arrival, incoming: IncomingCallback, answer: Future[Answer]) -> None:
    answer.set_result(vendor_for(arrival.account).answer(incoming))

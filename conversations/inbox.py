"""The door for callbacks: they are taken in batches, so that one commit serves many.

One thread a process does the work from checking to committing; what arrives meanwhile is its next
batch.  A lone callback waits for nobody.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

import structlog
from django.db import DatabaseError, DataError, IntegrityError, connection

from bots.clients import find_account, recall_account, vendor_for
from bots.database import drop_broken_connections
from bots.errors import CallbackError, CallbackMalformed, CallbackRejected
from bots.models import VendorAccount
from bots.vendors.base import Answer, IncomingCallback
from conversations import tracing
from conversations.receiving import Arrival, is_for_robot, open_callback, store, unreadable
from metrics.families import count_callback

log = structlog.get_logger(__name__)

MAX_BATCH: Final = 100  # callbacks a transaction: past this a commit's cost no longer shows

type Reply = Callable[[Answer], object]
type Delivery = tuple[str, IncomingCallback, Reply]
type Opened = tuple[Arrival, IncomingCallback, Reply]


def failure(status: int, reason: str) -> Answer:
    return Answer(status=status, body={"error": reason})


NOT_STORED: Final = failure(503, "this callback could not be stored; send it again")
NOT_READ: Final = "unknown"  # the event of a callback that nobody has vouched for


class Inbox:
    """Takes callbacks from any thread and answers each once it is stored for good."""

    def __init__(self) -> None:
        self._deliveries: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def deliver(self, account: str, incoming: IncomingCallback, reply: Reply) -> None:
        """Take a callback in; `reply` hears the answer for the vendor, in another thread.

        Does not block.  Of several answers the first counts.
        """
        self._ensure_started()
        self._deliveries.put((account, incoming, reply))

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
                connection.close()
                for _, _, reply in batch:
                    reply(NOT_STORED)

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
    opened = [opened for delivery in batch if (opened := _open(*delivery))]
    if not opened:
        return
    try:
        store([arrival for arrival, _, _ in opened])
    except DatabaseError:
        drop_broken_connections()  # this thread keeps its own
        # One callback that the database refuses must not take the others with it.
        for each in opened:
            _store_alone(*each)
    else:
        for each in opened:
            _acknowledge(*each)


def verdict_from_memory(slug: str, incoming: IncomingCallback) -> Answer | None:
    """The answer to a callback that asks whether a message may be sent, given ahead of all that is stored:
    a vendor that waits for it in vain may well keep its user's message back.

    None for any other callback, and where memory does not suffice: then the inbox decides.
    """
    account = recall_account(slug)
    if account is None:
        return None
    try:
        return _verdict(account, incoming)
    except CallbackError:
        return None  # the account's settings may have changed


def _verdict(account: VendorAccount, incoming: IncomingCallback) -> Answer | None:
    vendor = vendor_for(account)
    verdict = vendor.verdict(incoming)
    if verdict is not None:
        vendor.check(incoming)
        count_callback(account.slug, vendor.event_name(incoming), "answered")
    return verdict


def _open(slug: str, incoming: IncomingCallback, reply: Reply) -> Opened | None:
    """The callback, checked and read; None when it was answered at the door."""
    account = _find_account(slug)
    if account is None:
        reply(failure(404, "no such account"))
        return None
    try:
        if verdict := _verdict(account, incoming):
            reply(verdict)  # and not stored: what is sent is told of again
            return None
        return open_callback(account, incoming), incoming, reply
    except CallbackRejected as error:
        log.warning("callback rejected", account=slug, reason=str(error))
        count_callback(slug, NOT_READ, "rejected")
        reply(failure(403, str(error)))
    except CallbackMalformed as error:
        log.warning("callback malformed", account=slug, reason=str(error))
        count_callback(slug, NOT_READ, "malformed")
        reply(failure(400, str(error)))
    return None


def _find_account(slug: str) -> VendorAccount | None:
    """This thread keeps its connection, which may have broken since the last batch: not every vendor sends a
    callback again for that."""
    try:
        return find_account(slug)
    except DatabaseError:
        drop_broken_connections()
        return find_account(slug)


def _store_alone(arrival: Arrival, incoming: IncomingCallback, reply: Reply) -> None:
    try:
        try:
            store([arrival])
        except (DataError, IntegrityError) as error:
            # Its messages do not fit the tables: keep the callback, to be read again when they do.
            store([unreadable(arrival, error)])
    except DatabaseError:
        log.exception("callback not stored", account=arrival.account.slug)
        count_callback(arrival.account.slug, arrival.callback.event, "not_stored")
        connection.close()
        reply(NOT_STORED)
    else:
        _acknowledge(arrival, incoming, reply)


def _acknowledge(arrival: Arrival, incoming: IncomingCallback, reply: Reply) -> None:
    count_callback(arrival.account.slug, arrival.callback.event, arrival.callback.state)
    tracing.note_callback(arrival.account.slug, arrival.callback, arrival.events)
    vendor = vendor_for(arrival.account)
    is_intercepted = vendor.intercepts and is_for_robot(arrival)
    reply(vendor.answer_for_robot(incoming) if is_intercepted else vendor.answer(incoming))

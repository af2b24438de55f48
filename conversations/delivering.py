"""One outgoing message on its way to the vendor: sent, grown, finished.

A message is stored before it is sent, and every frame before it leaves, under one condition: that the
turn is still this worker's.  So a worker that died leaves a row from which the next one goes on, and one
that only seemed dead cannot speak any more.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog
from django.db import connection, models
from django.utils import timezone

from bots import draining, pace
from bots.clients import vendor_for
from bots.database import execute_quickly, release_connection
from bots.errors import MessageEnded, MessageGone, Unsupported, VendorError, VendorUnreachable
from bots.events import Address, OutgoingMessage, Receipt
from bots.keys import new_key
from bots.models import VendorAccount
from conversations.errors import Superseded
from conversations.models import Conversation, Message, Turn
from conversations.tracing import traced

log = structlog.get_logger(__name__)

SHORT_PAUSE_S: Final = 0.01  # taking a connection again would cost more than holding one for so long
PATIENCE_S: Final = 30.0  # how long a call is tried again here, before the job is put back in the queue
FIRST_PAUSE_S: Final = 0.2  # before the second try; it doubles up to:
LONGEST_PAUSE_S: Final = 5.0
FADED: Final = 2 / 3  # of the longest gap between two frames: the rest is for the way
TRY_AGAIN_S: Final = 0.1, 0.4  # after a frame for which there was no room; drawn, so that all take turns
CHECK_S: Final = 0.5  # how often a turn that waits for something else than a vendor looks whether it is ours

SEND: Final = VendorAccount.Call.SEND
EDIT: Final = VendorAccount.Call.EDIT
HISTORY: Final = VendorAccount.Call.HISTORY

# Once a second for every reply under way, and the ORM would take longer to write it than the database
# to do it.  The condition is that of `owned`.
CLAIMED: Final = ("text", "frame", "accepted", "is_error", "state")
CLAIM: Final = """
UPDATE conversations_message
   SET text = %(text)s, frame = %(frame)s, accepted = %(accepted)s, is_error = %(is_error)s, state = %(state)s
 WHERE id = %(message)s AND EXISTS (
    SELECT FROM conversations_turn AS turn
      JOIN conversations_conversation AS conversation ON conversation.id = turn.conversation_id
     WHERE turn.id = %(turn)s AND turn.attempt = %(attempt)s AND turn.state IN ('thinking', 'speaking')
       AND conversation.epoch = %(epoch)s
 )
"""

# Likewise: before the first words of every reply, and behind its last.
NOTE: Final = """
UPDATE conversations_turn SET {columns}
 WHERE id = %s AND attempt = %s AND state IN ('thinking', 'speaking') AND EXISTS (
    SELECT FROM conversations_conversation WHERE id = %s AND epoch = %s
 )
"""


def owned(turn: Turn) -> models.QuerySet[Turn]:
    """The turn, if it is still in this attempt's hands."""
    return Turn.objects.filter(
        pk=turn.pk, attempt=turn.attempt, state__in=Turn.RUNNING, conversation__epoch=turn.epoch
    )


def note(turn: Turn, **changes: object) -> None:
    """Change columns of a turn that is still ours.  Raises Superseded.

    The disk need not have it yet: whatever is asked or sent next is stored first, by a commit that waits.
    """
    fields: list[Any] = [Turn._meta.get_field(name) for name in changes]
    values = [
        field.get_db_prep_save(value, connection)
        for field, value in zip(fields, changes.values(), strict=True)
    ]
    columns = ", ".join(f"{connection.ops.quote_name(field.column)} = %s" for field in fields)
    with connection.cursor() as cursor:
        known = [turn.pk, turn.attempt, turn.conversation_id, turn.epoch]
        execute_quickly(cursor, NOTE.format(columns=columns), [*values, *known])
        if not cursor.rowcount:
            raise Superseded
    for name, value in changes.items():
        setattr(turn, name, value)


def check_ownership(turn: Turn) -> None:
    """Raises Superseded when the conversation or the turn has passed into other hands."""
    if not owned(turn).exists():
        raise Superseded


def pause(seconds: float) -> None:
    """Wait, if long without holding a database connection.  Raises WorkerStopping when the worker has to
    stop."""
    if seconds <= 0:
        return
    if seconds > SHORT_PAUSE_S:
        release_connection()
    draining.must_stop.wait(seconds)
    draining.stop_if_told()


def wait(turn: Turn, seconds: float) -> None:
    """Wait, but not on behalf of a turn that is ours no more.  Raises Superseded."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        pause(min(left, CHECK_S))
        check_ownership(turn)


def show_thinking(turn: Turn) -> None:
    """Let clients show that an answer is coming, if the allowance has room for it.  Failures are let be."""
    robot = turn.conversation.robot
    wait_s = pace.try_slot(robot.account, SEND)
    if wait_s is None:
        return
    pause(wait_s)
    release_connection()
    try:
        vendor_for(robot.account).show_thinking(robot.user_id, address_of(turn.conversation))
    except VendorError as error:
        log.info("thinking not shown", error=str(error))


class Delivery:
    """One message of a turn's reply.  Used by one thread at a time."""

    def __init__(self, turn: Turn, message: Message) -> None:
        self.turn = turn
        self.message = message
        self.account = turn.conversation.robot.account
        self.vendor = vendor_for(self.account)
        self._is_doubtful = not message._state.adding  # an earlier attempt may have sent it
        self._next_frame_at = 0.0  # monotonic
        self._shows_again_at = 0.0
        self._last_frame_at = time.monotonic()

    @classmethod
    def of_new_message(cls, turn: Turn, text: str, *, is_stream: bool, is_error: bool = False) -> Delivery:
        conversation = turn.conversation
        message = Message(
            conversation=conversation,
            turn=turn,
            sender=Message.Sender.ROBOT,
            sender_id=conversation.robot.user_id,
            text=text,
            state=Message.State.SENDING,
            key=new_key(),
            is_stream=is_stream,
            is_error=is_error,
            happened_at=timezone.now(),
        )
        return cls(turn, message)

    @property
    def shown(self) -> str:
        """What the user may have seen of it."""
        return self.message.text

    @property
    def is_error(self) -> bool:
        return self.message.is_error

    @property
    def is_stored(self) -> bool:
        """Whether anybody but us knows of it."""
        return not self.message._state.adding

    @property
    def is_sent(self) -> bool:
        """Whether the vendor has confirmed to have it."""
        return self.message.state != Message.State.SENDING

    @property
    def is_complete(self) -> bool:
        """Whether its last frame has been on its way: nothing can be added any more."""
        is_ended = self.message.state in (Message.State.FINISHING, Message.State.DELIVERED)
        return is_ended or not self.message.is_stream

    def start(self) -> None:
        """Send it as it is stored, unless the vendor has it already."""
        if self.message.state == Message.State.SENDING:
            self._insist(SEND, self._send)

    def frame_due_in(self) -> float:
        """Seconds until the vendor takes another frame of this message."""
        return max(0.0, self._next_frame_at - time.monotonic())

    @property
    def fades(self) -> bool:
        """Whether the vendor is about to end it, as nothing more has come."""
        quiet_s = time.monotonic() - self._last_frame_at
        is_growing = self.message.state == Message.State.STREAMING
        return is_growing and quiet_s > self.vendor.longest_gap_s * FADED

    def may_show(self) -> bool:
        """Whether the account's allowance has room for a frame that may be skipped."""
        wait = pace.try_slot(self.account, EDIT) if time.monotonic() >= self._shows_again_at else None
        if wait is None:
            self._next_frame_at = time.monotonic() + random.uniform(*TRY_AGAIN_S)  # noqa: S311
            return False
        pause(wait)
        return True

    def show(self, text: str) -> None:
        """Let it grow to this text.  A frame that gets lost is not sent again: the next one says it all."""
        try:
            self._edit(text, is_finished=False)
        except VendorError as error:
            if error.permanent:
                raise
            log.info("frame lost", error=str(error))
            self._next_frame_at = time.monotonic() + max(error.retry_after or 0, self.vendor.edit_interval_s)

    def finish(self, text: str, *, is_error: bool = False) -> None:
        """Make this its text for good.  Returns when the vendor has accepted that."""
        self.start()
        message = self.message
        if message.state == Message.State.DELIVERED and (message.text, message.is_error) == (text, is_error):
            return
        message.is_error = is_error
        self._insist(EDIT, lambda: self._edit(text, is_finished=True))

    def recall(self) -> None:
        """Take it back."""
        self._insist(SEND, self._recall)

    def _recall(self) -> None:
        self._claim()
        release_connection()
        with suppress(MessageGone):
            self.vendor.recall(self._outgoing(is_finished=True))
        self._update(state=Message.State.RECALLED)

    def give_up(self, reason: str) -> None:
        """Let it be as it is: it is no part of the reply."""
        self._update(state=Message.State.FAILED, error=reason)

    def _insist(self, call: VendorAccount.Call, act: Callable[[], None]) -> None:
        """Make a call that has to succeed: wait for its slot, try again while it makes sense."""
        give_up_at = time.monotonic() + PATIENCE_S
        break_s = FIRST_PAUSE_S
        while True:
            if call == EDIT:
                pause(self.frame_due_in())
            pause(pace.reserve_slot(self.account, call, weight=self._weight_of(call)))
            try:
                return act()
            except VendorError as error:
                break_s = max(break_s, error.retry_after or 0)
                if error.permanent or time.monotonic() + break_s > give_up_at:
                    raise
                log.info("vendor call failed, trying again", call=call.value, error=str(error))
            pause(break_s)
            break_s = min(2 * break_s, LONGEST_PAUSE_S)

    def _weight_of(self, call: VendorAccount.Call) -> float:
        in_group = self.turn.conversation.kind == Conversation.Kind.GROUP
        return self.vendor.group_send_weight if in_group and call == SEND else 1.0

    def _send(self) -> None:
        if self.message._state.adding:
            check_ownership(self.turn)
            self.message.save(force_insert=True)
        else:
            self._claim()
        release_connection()
        try:
            with traced(self.turn, "frame", call="send", message=self.message.public_id):
                receipt = self._receipt_of_earlier_send() or self.vendor.send(
                    self._outgoing(is_finished=False)
                )
        except VendorUnreachable:
            self._is_doubtful = True
            raise
        grows_on = self.message.is_stream and not self.message.is_error
        self._update(
            vendor_message_id=receipt.vendor_message_id,
            happened_at=receipt.sent_at,
            order=receipt.order,
            accepted=len(self.message.text),
            state=Message.State.STREAMING if grows_on else Message.State.DELIVERED,
        )
        self._note_speech()

    def _receipt_of_earlier_send(self) -> Receipt | None:
        """The vendor's word on a send whose answer was lost, once a plain repeat is no longer harmless."""
        if not self._is_doubtful:
            return None
        if receipt := self._receipt_by_echo():
            return receipt
        age_s = (timezone.now() - self.message.created_at).total_seconds()
        if age_s < self.vendor.repeat_window_s:
            return None
        pause(pace.reserve_slot(self.account, HISTORY))
        try:
            return self.vendor.find_sent(self._outgoing(is_finished=False))
        except Unsupported:
            return None

    def _receipt_by_echo(self) -> Receipt | None:
        """What the vendor's echo of the message has told meanwhile (`storing.confirm`)."""
        row = Message.objects.only("vendor_message_id", "happened_at", "order").get(pk=self.message.pk)
        release_connection()
        if row.vendor_message_id is None:
            return None
        return Receipt(vendor_message_id=row.vendor_message_id, sent_at=row.happened_at, order=row.order)

    def _edit(self, text: str, *, is_finished: bool) -> None:
        if self._is_pending and text != self.message.text and self._takes_increments:
            self._offer(self.message.text, is_finished=False)  # or what it said would be missing
        self._offer(text, is_finished=is_finished)

    @property
    def _takes_increments(self) -> bool:
        return self.vendor.takes_increments(self.message.vendor_message_id or "")

    @property
    def _is_pending(self) -> bool:
        """Whether it is open if the vendor has taken the last frame."""
        message = self.message
        return message.state == Message.State.FINISHING or message.accepted < len(message.text)

    def _offer(self, text: str, *, is_finished: bool) -> None:
        """Send one frame: a new one, or again the one that is open."""
        is_repeat = self._is_repeat(text, is_finished=is_finished)
        frame = self.message.frame + (not is_repeat)
        outgoing = self._outgoing(is_finished=is_finished, text=text, frame=frame, is_repeat=is_repeat)
        # Stored first: whoever comes after a crash must know all that may have been shown.
        self._claim(
            text=text,
            frame=frame,
            is_error=self.message.is_error,
            state=Message.State.FINISHING if is_finished else self.message.state,
        )
        release_connection()
        try:
            with traced(self.turn, "frame", call="edit", frame=frame, is_finished=is_finished):
                self._edit_at_vendor(outgoing)
        except MessageEnded:
            # Words of a frame that is open may be said twice: better than not at all.
            self._update(text=text[: self.message.accepted], state=Message.State.DELIVERED)
            raise
        finally:
            self._last_frame_at = time.monotonic()
            self._next_frame_at = self._last_frame_at + self.vendor.edit_interval_s
            pause_s = self.vendor.pause_after_s(self.message.vendor_message_id or "", frame)
            self._shows_again_at = self._last_frame_at + pause_s
        self._set({"accepted": len(text)})  # stored with the next frame
        if is_finished:
            self._update(state=Message.State.DELIVERED, accepted=len(text))
        self._note_speech()

    def _is_repeat(self, text: str, *, is_finished: bool) -> bool:
        was_finished = self.message.state == Message.State.FINISHING
        return self._is_pending and (text, is_finished) == (self.message.text, was_finished)

    def _edit_at_vendor(self, outgoing: OutgoingMessage) -> None:
        try:
            self.vendor.edit(outgoing)
        except MessageGone:
            # The answer to a repeated send may have named another id than the first send's.
            receipt = self.vendor.find_sent(outgoing)
            if receipt is None or receipt.vendor_message_id == outgoing.vendor_message_id:
                raise
            self._update(vendor_message_id=receipt.vendor_message_id)
            self.vendor.edit(replace(outgoing, vendor_message_id=receipt.vendor_message_id))

    def _outgoing(
        self,
        *,
        is_finished: bool,
        text: str | None = None,
        frame: int | None = None,
        is_repeat: bool = False,
    ) -> OutgoingMessage:
        message, conversation = self.message, self.turn.conversation
        return OutgoingMessage(
            robot_id=conversation.robot.user_id,
            conversation=address_of(conversation),
            text=message.text if text is None else text,
            key=message.key or 0,
            is_stream=message.is_stream,
            is_finished=is_finished or message.is_error or not message.is_stream,
            is_error=message.is_error,
            vendor_message_id=message.vendor_message_id,
            shown=message.text[: message.accepted],
            frame=message.frame if frame is None else frame,
            is_repeat=is_repeat,
            mentions=self.turn.askers,
        )

    def _claim(self, **changes: object) -> None:
        """Change the row under the condition that the turn is still ours.  Raises Superseded."""
        columns = {name: changes.get(name, getattr(self.message, name)) for name in CLAIMED}
        ours: dict[str, Any] = {
            "message": self.message.pk,
            "turn": self.turn.pk,
            "attempt": self.turn.attempt,
            "epoch": self.turn.epoch,
        }
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, ours | columns)
            if not cursor.rowcount:
                raise Superseded
        self._set(changes)

    def _update(self, **changes: object) -> None:
        Message.objects.filter(pk=self.message.pk).update(**changes)
        self._set(changes)

    def _set(self, changes: dict[str, object]) -> None:
        for name, value in changes.items():
            setattr(self.message, name, value)

    def _note_speech(self) -> None:
        """The turn speaks from its first words on."""
        if self.turn.spoken_at is None and self.message.text:
            self.turn.spoken_at = timezone.now()
            self.turn.state = Turn.State.SPEAKING
            owned(self.turn).update(spoken_at=self.turn.spoken_at, state=self.turn.state)


def address_of(conversation: Conversation) -> Address:
    kind: Final = "group" if conversation.kind == Conversation.Kind.GROUP else "peer"
    return Address(kind=kind, id=conversation.peer_id)

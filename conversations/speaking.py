"""A turn's reply, said at the vendor as the model writes it: one message, or several where it is long."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final

import structlog
from django.db import connections
from django.utils import timezone

from bots import draining
from bots.clients import vendor_for
from bots.database import release_connection
from bots.errors import EditingUnavailable, MessageEnded, Unsupported, VendorError, VendorRefused
from bots.models import Robot
from bots.text import split_at
from conversations.delivering import Delivery, address_of, check_ownership, show_thinking
from conversations.errors import Superseded
from conversations.models import Message, Turn

log = structlog.get_logger(__name__)

PREPARATION_S: Final = 0.05  # before a frame is due, all that it can say should be here
THINKING_S: Final = 5.0  # until clients are told again that an answer is coming: they forget it after 10
IDLE_CHECK_S: Final = 2.0  # how often a turn that has nothing new to show looks whether it was stopped


class Speaker:
    """Says one turn's reply.  Frames leave in a thread of their own, so that a slow vendor does not keep
    the model waiting, nor a pause of the model the last words.  To be closed."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.robot: Robot = turn.conversation.robot
        self.vendor = vendor_for(self.robot.account)
        self.grows = (
            self.vendor.can_edit_in(address_of(turn.conversation))
            and self.robot.reply_mode == Robot.ReplyMode.STREAM
        )
        self._start_over()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"frames-{turn.pk}")
        self._opening: Future[None] | None = None
        self._news = threading.Condition()
        self._is_quiet = True
        self._is_woken = False
        self._thinking_shows_until = 0.0  # monotonic
        self._failure: Exception | None = None

    def _start_over(self) -> None:
        # What was left at the vendor before, as by an earlier attempt, is used again, in its order.
        left = self.turn.messages.filter(sender=Message.Sender.ROBOT).exclude(state__in=Message.GONE)
        self._left = deque(Delivery(self.turn, message) for message in left.order_by("id"))
        self._delivery: Delivery | None = None
        self.began_at: datetime | None = None  # when a model gave its first words
        self._reply = ""
        self._start = 0  # where in the reply the current message begins

    def close(self) -> None:
        """Returns when no frame is on its way any more."""
        release_connection()  # which a frame may be waiting for
        self._thread.shutdown()

    def open(self) -> None:
        """Show at once that an answer is coming, where messages can grow.  Does not block, as the model can
        be asked meanwhile."""
        if self.grows and self.vendor.starts_empty:
            self._opening = self._thread.submit(self._open)

    def _open(self) -> None:
        try:
            with suppress(EditingUnavailable):  # what is said takes another message
                self._current("")
        finally:
            connections.close_all()  # they are this thread's, and it may not be used again

    def _until_open(self) -> None:
        """Raises what the first frame has failed for."""
        if self._opening:
            if not self._opening.done():
                release_connection()  # which it may be waiting for
            self._opening.result()

    @contextmanager
    def speaking(self, *, on_failure: Callable[[], None]) -> Iterator[None]:
        """Inside, what is said goes out in frames.  When it no longer can, `on_failure` is called and
        the reason raised at the end."""
        self._is_quiet = False
        frames = self._thread.submit(self._send_frames, on_failure)
        try:
            yield
        finally:
            with self._news:
                self._is_quiet = True
                self._news.notify()
            wait([frames])
            if self._failure:
                # It is why the model's stream ended, whatever that has raised meanwhile.
                raise self._failure

    def say(self, piece: str) -> None:
        """Add to the reply.  Does not block."""
        self.began_at = self.began_at or timezone.now()
        with self._news:
            had_news = self._has_news
            self._reply += piece
            if not had_news:  # or frames would be woken for every piece while they wait to be due
                self._news.notify()

    def wake(self) -> None:
        """Look at once whether the turn may still speak.  Does not block."""
        with self._news:
            self._is_woken = True
            self._news.notify()

    def leisure(self) -> float:
        """Seconds for which nothing that is said could be shown."""
        delivery = self._delivery
        return max(0.0, delivery.frame_due_in() - PREPARATION_S) if delivery else 0.0

    @property
    def said(self) -> str:
        """The reply so far."""
        return self._reply

    def drop_unseen(self) -> None:
        """Forget a reply that broke off before users saw any of it: one without a seam is better."""
        if not (self._start or (self._delivery and self._delivery.shown)):
            self._reply, self.began_at = "", None

    def finish(self, reply: str) -> None:
        """Deliver the whole reply.  What the vendor has already is left alone, or taken back if the reply
        is another one than was being said, or nothing at all."""
        self._until_open()
        if not reply or not reply.startswith(self._reply):
            self._start_over()
        self._reply = reply
        self._until_said(self._finish_reply)
        self._take_back_left()

    def _finish_reply(self) -> None:
        rest = self._turn_pages(is_whole=True)
        if rest:
            self._finish_message(rest)

    def _until_said(self, act: Callable[[], None]) -> None:
        """Do it, and go on in another message wherever one turns out not to grow, or no longer."""
        while True:
            try:
                return act()
            except (EditingUnavailable, MessageEnded) as error:
                log.info("going on in a new message", error=str(error))

    def fail(self, apology: str) -> None:
        """Tell the user that no answer comes, or not all of it.  What was said stays."""
        self._until_open()
        begun = self._begun()
        said = [delivery for delivery in begun if delivery.shown and not delivery.is_error]
        for delivery in said:
            with suppress(MessageEnded):
                self._finish(delivery, delivery.shown)
        self._delivery, self._left = None, deque(delivery for delivery in begun if delivery not in said)
        self._until_said(lambda: self._finish_message(apology, is_error=True))
        self._take_back_left()

    def stop(self) -> None:
        """Say no more: what has begun to grow ends as it stands."""
        with suppress(VendorError, Superseded):
            self._until_open()
        for delivery in self._begun():
            if not delivery.is_stored:
                continue
            if delivery.message.is_stream:
                self._let_be(delivery)
            elif not delivery.is_sent:
                delivery.give_up("stopped before the vendor had taken it")

    def _begun(self) -> list[Delivery]:
        return [*([self._delivery] if self._delivery else []), *self._left]

    def _send_frames(self, on_failure: Callable[[], None]) -> None:
        try:
            self._until_open()
            self._show_thinking()
            while self._wait_for_news():
                with suppress(EditingUnavailable, MessageEnded):  # the next round takes another message
                    self._send_frame()
        except Exception as error:
            self._failure = error
            on_failure()
        finally:
            connections.close_all()  # they are this thread's, and it ends

    def _show_thinking(self) -> None:
        if self.vendor.shows_thinking and not self._reply and time.monotonic() >= self._thinking_shows_until:
            self._thinking_shows_until = time.monotonic() + THINKING_S
            show_thinking(self.turn)

    def _wait_for_news(self) -> bool:
        """Whether to go on.  Returns when a frame is due, and now and then without one."""
        release_connection()
        with self._news:
            if self._news.wait_for(lambda: self._is_called or self._has_news, timeout=IDLE_CHECK_S):
                due_in = self._delivery.frame_due_in() if self._delivery else 0
                self._news.wait_for(lambda: self._is_called, timeout=due_in)
            return not self._is_quiet

    @property
    def _is_called(self) -> bool:
        """Whether there is something else to do than to wait for words."""
        return self._is_quiet or self._is_woken

    @property
    def _has_news(self) -> bool:
        """A frame never shows less than the one before, not even one of an earlier attempt."""
        shown = len(self._delivery.shown) if self._delivery else 0
        return self.grows and len(self._reply) - self._start > shown

    def _send_frame(self) -> None:
        draining.stop_if_told()
        if self._is_woken or not self._has_news:
            self._is_woken = False
            check_ownership(self.turn)
            if self._delivery and self._delivery.fades and self._delivery.may_show():
                self._show(self._delivery, self._delivery.shown)
            self._show_thinking()
            return
        text = self._turn_pages()
        if not (text and self.grows):  # the last page may have shown that messages cannot grow
            return
        delivery = self._current(text)
        if len(text) > len(delivery.shown) and delivery.may_show():
            text = self._turn_pages()  # whatever came while this waited goes with it
            if delivery is self._delivery:  # and has not filled the message
                self._show(delivery, text)

    def _show(self, delivery: Delivery, text: str) -> None:
        try:
            delivery.show(text)
        except EditingUnavailable as error:
            self._stop_growing(delivery, error)

    def _finish_message(self, text: str, *, is_error: bool = False) -> None:
        """Make this the current message's text for good, or a new one's where that cannot be edited."""
        while not self._finish(self._current(text, is_error=is_error), text, is_error=is_error):
            pass

    def _finish(self, delivery: Delivery, text: str, *, is_error: bool = False) -> bool:
        """Whether the vendor has accepted this as the message's text for good."""
        try:
            delivery.finish(text, is_error=is_error)
        except EditingUnavailable as error:
            self._stop_growing(delivery, error)
            return False
        return True

    def _stop_growing(self, delivery: Delivery, error: EditingUnavailable) -> None:
        """Nothing may be edited here: take back what has begun to grow, and go on in whole messages."""
        self._note_that_nothing_grows(error)
        self._take_back(delivery)
        self._delivery = None

    def _note_that_nothing_grows(self, error: EditingUnavailable) -> None:
        log.warning("editing refused, answers come in whole messages", error=str(error))
        self.vendor.note_editing_refused(error.place)
        self.grows = False

    def _turn_pages(self, *, is_whole: bool = False) -> str:
        """Finish all messages that the reply fills; → the text of the current one."""
        while not self._fits(rest := self._go_on(is_whole=is_whole)):
            shown = self._delivery.shown if self._delivery else ""
            head, _ = split_at(rest, self._fits, at_least=len(shown))
            self._finish_message(head)
            self._turn_page(head)
        return rest

    def _go_on(self, *, is_whole: bool) -> str:
        """Bring what an earlier attempt has said in line with the reply; → what is left to be said.

        Its complete messages stay as they are.  Asked again, the model may say something else, and what
        was shown can only be added to: then the message is taken back.
        """
        while rest := self._reply[self._start :]:
            if self._delivery is None and not self._left:
                break
            delivery = self._current(rest)
            shown = delivery.shown
            is_past = rest.startswith(shown)
            if delivery.is_error or not (is_past or (shown.startswith(rest) and not is_whole)):
                self._take_back(delivery)
                self._delivery = None
            elif is_past and delivery.is_complete:
                self._finish_message(shown)  # its last frame may not have left
                self._turn_page(shown)
            else:
                break
        return rest

    def _turn_page(self, text: str) -> None:
        self._delivery = None
        self._start += len(text)

    def _fits(self, text: str) -> bool:
        return self.vendor.fits(text, is_stream=self.grows)

    def _current(self, text: str, *, is_error: bool = False) -> Delivery:
        """The message that is being said; where there is none, one that starts with this text."""
        if self._delivery is None:
            if self._left:
                self._delivery = self._left.popleft()
            else:
                self._delivery = Delivery.of_new_message(
                    self.turn, text, is_stream=self.grows, is_error=is_error
                )
            self._begin(self._delivery)
        return self._delivery

    def _begin(self, delivery: Delivery) -> None:
        """Raises EditingUnavailable, with the message given up, where the vendor starts none that grows."""
        try:
            delivery.start()
        except EditingUnavailable as error:
            self._note_that_nothing_grows(error)
            delivery.give_up(str(error))
            self._delivery = None
            raise

    def _take_back_left(self) -> None:
        """A shorter reply than an earlier attempt's leaves messages over."""
        while self._left:
            self._take_back(self._left[0])
            self._left.popleft()

    def _take_back(self, delivery: Delivery) -> None:
        """Where the vendor does not do that, the message is at least no longer waited for."""
        try:
            delivery.start()
            delivery.recall()
        except (VendorRefused, Unsupported) as error:
            log.info("message left as it is", error=str(error))
            self._let_be(delivery)

    def _let_be(self, delivery: Delivery) -> None:
        try:
            with suppress(MessageEnded):
                delivery.finish(delivery.shown, is_error=delivery.is_error)
        except EditingUnavailable as error:
            delivery.give_up(str(error))

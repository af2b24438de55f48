"""Notifications on their way: rendered in the channel's language, sent by whoever claims them.

A worker that dies while it sends leaves a claim that ends by itself.  The next one sends again under the same
id, by which a webhook or a mailbox can tell that it has it already: it is better told twice than never.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog
from django.db.models import F, Q
from django.utils import timezone

from alerts.channels import channel_class
from alerts.channels.base import ChannelError, Sender
from alerts.letters import letter_for, trial_letter
from alerts.models import Channel, Notification
from bots.database import release_connection

log = structlog.get_logger(__name__)

CLAIM: Final = timedelta(seconds=30)  # longer than any channel takes
PAUSE: Final = timedelta(seconds=10)  # after a failure
OVERDUE: Final = timedelta(seconds=10)  # then nobody seems to work
PATIENCE: Final = timedelta(hours=1)  # what could not be told by then is given up

State = Notification.State


def send(notification_id: int) -> None:
    """Send a notification, if it is still to be sent.  Raises ChannelError where another try may help."""
    notification = claim(notification_id)
    if notification is None:
        return
    try:
        deliver(notification)
    except ChannelError as error:
        is_over = error.permanent or timezone.now() - notification.created_at > PATIENCE
        put_back(notification, State.FAILED if is_over else State.WAITING, str(error))
        if not is_over:
            raise
    else:
        settled = {"state": State.SENT, "sent_at": timezone.now(), "error": "", "held_until": None}
        Notification.objects.filter(pk=notification.pk).update(**settled)


def claim(notification_id: int) -> Notification | None:
    """The notification, in this process's hands; None if it was sent or given up.  Raises ChannelError while
    another process has it."""
    now = timezone.now()
    waiting = Notification.objects.filter(pk=notification_id, state=State.WAITING)
    unheld = waiting.filter(Q(held_until=None) | Q(held_until__lt=now))
    if unheld.update(held_until=now + CLAIM, attempts=F("attempts") + 1):
        return waiting.select_related("channel").get()
    held_until = waiting.values_list("held_until", flat=True).first()
    if held_until is None:
        return None
    raise ChannelError("in other hands", retry_after=(held_until - now).total_seconds())


def deliver(notification: Notification) -> None:
    letter = letter_for(notification)
    release_connection()
    speak(notification.channel).send(letter)


def speak(channel: Channel) -> Sender:
    sender: type[Sender] = channel_class(channel.kind)
    return sender(url=channel.url, secret=channel.secret, recipients=channel.addresses)


def put_back(notification: Notification, state: Notification.State, error: str) -> None:
    log.warning("notification not sent", channel=notification.channel.name, error=error)
    Notification.objects.filter(pk=notification.pk).update(
        state=state, error=error, held_until=timezone.now() + PAUSE
    )


def send_overdue() -> None:
    """Send what no worker has sent, as they may all be dead."""
    now = timezone.now()
    waiting = Notification.objects.filter(state=State.WAITING, created_at__lt=now - OVERDUE)
    unheld = waiting.filter(Q(held_until=None) | Q(held_until__lt=now))
    for notification_id in unheld.order_by("pk").values_list("pk", flat=True):
        with suppress(ChannelError):  # it stays, for the next time
            send(notification_id)


def test(channel: Channel) -> None:
    """Send a letter that tells of nothing.  Raises ChannelError."""
    speak(channel).send(trial_letter(channel))

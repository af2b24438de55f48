"""What failed, done again because a person says so.  To say so twice changes nothing.

A reply that was complete and could not be delivered goes on where it stopped, as after a crash.  Where there
was none, the questions wait for an answer once more, in a new turn.
"""

from __future__ import annotations

from typing import Final

import structlog
from django.db import transaction
from django.utils import timezone

from conversations import tasks, telling
from conversations.models import Conversation, Message, Turn

log = structlog.get_logger(__name__)

UNTURNED: Final = (Message.Sender.OPERATOR, Message.Sender.SYSTEM)  # what no turn says
REPEATABLE: Final = (Turn.State.FAILED, Turn.State.BLOCKED)


def repeat(turn: Turn, *, by: str) -> bool:
    """Answer what this turn was to answer; whether it had failed, and its robot may speak."""
    with transaction.atomic():
        conversation = lock(turn.conversation_id)
        turn = Turn.objects.get(pk=turn.pk)
        if turn.state not in REPEATABLE or turn.is_spoken or not may_speak(conversation):
            return False
        is_undelivered = bool(turn.reply) and turn.state == Turn.State.FAILED
        is_done = go_on(turn, conversation) if is_undelivered else ask_again(turn, by=by)
        if is_done:
            tasks.defer_answers([conversation.pk])
            log.info("turn repeated", turn=turn.pk, by=by)
        return is_done


def deliver_again(message: Message, *, by: str) -> bool:
    """Send a message that could not be delivered; whether that was so.  A robot's goes with its reply."""
    if message.sender == Message.Sender.ROBOT:
        is_failed = message.state == Message.State.FAILED
        return is_failed and message.turn is not None and repeat(message.turn, by=by)
    with transaction.atomic():
        failed = Message.objects.filter(pk=message.pk, state=Message.State.FAILED, sender__in=UNTURNED)
        if not failed.update(state=Message.State.SENDING, error=""):
            return False
        telling.defer_delivery(message)
    log.info("delivery repeated", message=message.pk, by=by)
    return True


def lock(conversation_id: int) -> Conversation:
    locked = Conversation.objects.select_for_update(of=("self",), no_key=True).select_related(
        "robot__account"
    )
    return locked.get(pk=conversation_id)


def may_speak(conversation: Conversation) -> bool:
    robot = conversation.robot
    return conversation.owner == Conversation.Owner.ROBOT and robot.enabled and robot.account.enabled


def go_on(turn: Turn, conversation: Conversation) -> bool:
    """Put the turn back to where a dead worker would have left it; whether no other one runs."""
    if conversation.turns.filter(state__in=Turn.RUNNING, is_spoken=False).exists():
        return False
    # Those that were given up for another reason are no part of the reply.
    undelivered = turn.messages.filter(
        sender=Message.Sender.ROBOT, state=Message.State.FAILED, error=turn.error
    )
    undelivered.filter(vendor_message_id=None).update(state=Message.State.SENDING, error="")
    undelivered.exclude(vendor_message_id=None).update(state=Message.State.STREAMING, error="")
    turn.state, turn.ending, turn.epoch = Turn.State.THINKING, "", conversation.epoch
    turn.error, turn.queued_at, turn.ended_at = "", timezone.now(), None  # its patience begins anew
    turn.save(update_fields=["state", "ending", "epoch", "error", "queued_at", "ended_at"])
    return True


def ask_again(turn: Turn, *, by: str) -> bool:
    """Let the turn's questions wait for a new one; whether it still had any."""
    if not turn.messages.filter(sender=Message.Sender.USER, state=Message.State.RECEIVED).update(turn=None):
        return False
    turn.error = f"{turn.error}; asked again by {by}".lstrip("; ")
    turn.save(update_fields=["error"])
    Turn.objects.get_or_create(conversation_id=turn.conversation_id, state=Turn.State.WAITING)
    return True

"""Whose a conversation is: the one place where its epoch and its owner change.

A rise of the epoch silences the turn that is running, from the commit on: no frame leaves under an old
epoch.  The turn is called off: whoever has it in hand, or takes it over from a dead worker, has one thing
left to do with it, to end at the vendor what it has begun (`turns.py`).
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.models import Entry
from audit.recording import record
from conversations import handoffs, seats, tasks, wakeups
from conversations.models import Conversation, Handoff, Message, Turn
from conversations.turns import unanswered


def interrupt(conversation: Conversation, *, vendor_message_id: str | None = None) -> bool:
    """Stop the reply that is under way, or only that which speaks in a certain message; whether it was
    running.  What was said stays, what is written afterwards is answered."""
    with transaction.atomic():
        lock(conversation)
        if _is_of_another_turn(conversation, vendor_message_id):
            return False  # the reply that was meant has ended
        if not _call_off(conversation, Turn.State.STOPPED):
            return False
        conversation.epoch += 1
        conversation.save(update_fields=["epoch"])
        return True


def take_over(conversation: Conversation, *, operator: User | None = None, by: str = "") -> bool:
    """Give the conversation to an operator, or to an outside desk: nothing more is said by the robot until
    `hand_back`.  Whether it was free: the robot's, or waiting for a person.  Raises NoRoom."""
    cause = Handoff.Cause.OPERATOR if operator else Handoff.Cause.DESK
    with transaction.atomic():
        handoff = _lock_for_people(conversation, cause)
        if handoff.taken_at:
            return False
        if operator:
            seats.claim(operator, handoffs.held_by(operator))
        name = operator.get_username() if operator else by
        note(Entry.Deed.TOOK_OVER, conversation, by=name)
        return handoffs.take(handoff, operator=operator, name=name)


def assign(conversation: Conversation, *, operator: User, by: str = "") -> None:
    """Let this operator have the conversation, whoever has it now.  Raises NoRoom, IsAway."""
    with transaction.atomic():
        handoff = _lock_for_people(conversation, Handoff.Cause.OPERATOR)
        if handoff.operator_id != operator.pk:
            seats.check_presence(operator)
            seats.claim(operator, handoffs.held_by(operator))
            handoffs.give(handoff, operator)
            note(Entry.Deed.ASSIGNED, conversation, by=by, details=operator.get_username())


def hand_back(conversation: Conversation, *, by: str = "", instruction: str = "") -> bool:
    """Give the conversation back to its robot, with what it should know; whether people had it.

    What users wrote before the operator's last words is answered by those.  What came after them waits
    for nobody else, so the robot answers it.
    """
    with transaction.atomic():
        lock(conversation)
        if conversation.owner == Conversation.Owner.ROBOT:
            return False
        handoffs.end(conversation, name=by, instruction=instruction)
        note(Entry.Deed.HANDED_BACK, conversation, by=by)
        _settle_what_people_answered(conversation)
        if unanswered(conversation.pk).exists():
            _, is_new = Turn.objects.get_or_create(conversation=conversation, state=Turn.State.WAITING)
            if is_new:
                tasks.defer_answers([conversation.pk])
        return True


def note(deed: Entry.Deed, conversation: Conversation, *, by: str, details: str = "") -> None:
    """Write it into the audit log."""
    record(by, deed, f"conversation {conversation.public_id}", details)


def settle(conversation: Conversation, *, by: str) -> None:
    """Give the conversation back to its robot, with nothing left to be answered.  For whoever holds its row
    locked."""
    handoffs.end(conversation, name=by)
    _mark_answered(conversation, unanswered(conversation.pk))


def lock(conversation: Conversation) -> None:
    """Hold the conversation until the end of the transaction, with its owner and epoch as they are now."""
    locked = Conversation.objects.select_for_update(no_key=True)
    conversation.refresh_from_db(fields=["owner", "epoch"], from_queryset=locked)


def _lock_for_people(conversation: Conversation, cause: Handoff.Cause) -> Handoff:
    """The conversation's open handoff: the one that it has, or one that begins now and silences the robot."""
    lock(conversation)
    if handoff := handoffs.current(conversation):
        return handoff
    _call_off(conversation, Turn.State.TAKEN_OVER)
    return handoffs.begin(conversation, cause)


def _call_off(conversation: Conversation, ending: Turn.State) -> bool:
    """Have the running turns, the chat's and those of a call, end in this state, and whoever has them in
    hand know on commit; whether there were any."""
    running = list(conversation.turns.filter(state__in=Turn.RUNNING, ending=""))
    for turn in running:
        turn.ending = ending
        turn.save(update_fields=["ending"])
        wakeups.wake(turn.pk)
    return bool(running)


def _is_of_another_turn(conversation: Conversation, vendor_message_id: str | None) -> bool:
    """A message that we do not know counts as the growing one: clients put the id together themselves."""
    if vendor_message_id is None:
        return False
    named = conversation.messages.filter(vendor_message_id=vendor_message_id)
    return named.exclude(turn__state__in=Turn.RUNNING).exists()


def _settle_what_people_answered(conversation: Conversation) -> None:
    last_words = conversation.messages.filter(sender=Message.Sender.OPERATOR).order_by("id").last()
    _mark_answered(
        conversation, unanswered(conversation.pk).filter(id__lt=last_words.pk if last_words else 0)
    )


def _mark_answered(conversation: Conversation, messages: QuerySet[Message]) -> None:
    """No turn has to answer these."""
    if messages.exists():
        turn = Turn.objects.create(
            conversation=conversation, state=Turn.State.TAKEN_OVER, ended_at=timezone.now()
        )
        messages.update(turn=turn)

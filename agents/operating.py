"""What people do in a call: silence the agent, speak through it, tell its model something unheard."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import structlog
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from agents import definitions, jobs, rounds, whispers
from agents.aiagent import service_of
from agents.errors import InstanceGone
from agents.models import AgentTemplate, Call
from bots.errors import VendorError
from bots.text import split_at
from conversations.errors import ConversationError
from conversations.models import Conversation, Message, new_public_id
from conversations.operating import TooLong
from conversations.wording import WHISPERED

log = structlog.get_logger(__name__)

LONGEST_SPEECH: Final = 300  # characters of one SendAgentInstanceTTS
MOST_SPEECHES: Final = 5  # as many wait at the agent (`SamePriorityOption`: Enqueue)

# What people say goes before what the model says, and cuts it short.
AT_ONCE: Final = {"Priority": "High", "SamePriorityOption": "ClearAndInterrupt"}
BEHIND: Final = {"Priority": "High", "SamePriorityOption": "Enqueue"}
UNHEARD: Final = {"AddQuestionToHistory": False, "AddAnswerToHistory": True}


class NoCall(ConversationError):
    """Nobody is on the line."""


def shown_call(conversation: Conversation) -> Call | None:
    """The call that is under way in the conversation, or about to be."""
    calls = Call.objects.filter(
        conversation=conversation, state__in=[Call.State.STARTING, Call.State.RUNNING]
    )
    return calls.select_related("account", "template__robot", "session").last()


def live_call(conversation: Conversation) -> Call | None:
    """The call that is under way in the conversation."""
    calls = Call.objects.filter(conversation=conversation, state=Call.State.RUNNING)
    return calls.select_related("account", "template__robot", "session").exclude(instance_id="").last()


def the_call(conversation: Conversation) -> Call:
    """Raises NoCall."""
    call = live_call(conversation)
    if call is None:
        raise NoCall(_("There is no call under way."))
    return call


def interrupt(call: Call) -> None:
    """Let the agent fall silent.  Raises VendorError."""
    service_of(call.account).interrupt(call.instance_id)


def whisper(call: Call, text: str) -> None:
    """Have the model answer an instruction that the user does not hear.  Raises VendorError, TooLong."""
    if len(text) > whispers.LONGEST:
        raise TooLong(_("The text is too long."))
    asks_us = call.template.llm == AgentTemplate.Mind.PLATFORM
    told = whispers.written(text) if asks_us else WHISPERED.format(whisper=text)
    service_of(call.account).ask(call.instance_id, told, **AT_ONCE, **UNHEARD)


def carry(conversation: Conversation, text: str, name: str, public_id: str) -> Message | None:
    """An operator's words are spoken while a call is under way.  Raises TooLong."""
    call = live_call(conversation)
    return say(call, text, name=name, public_id=public_id) if call else None


def say(call: Call, text: str, *, name: str, public_id: str = "") -> Message:
    """Have the agent say this, for a person of this name: stored, and said by a job; → its first part, by
    which all is known.  Raises TooLong."""
    parts = list(parts_of(text))
    if len(parts) > MOST_SPEECHES:
        raise TooLong(_("The text is too long."))
    with transaction.atomic():
        ids = chain([public_id or new_public_id()], iter(new_public_id, ""))
        messages = [new_message(call, part, name, id_) for part, id_ in zip(parts, ids, strict=False)]
        for message in messages:
            jobs.defer_speech(call, message, is_first=message is messages[0])
    return messages[0]


def parts_of(text: str) -> Iterator[str]:
    rest = text.strip()
    while rest:
        part, rest = split_at(rest, lambda part: len(part) <= LONGEST_SPEECH)
        yield part.strip()
        rest = rest.strip()


def new_message(call: Call, text: str, name: str, public_id: str) -> Message:
    return Message.objects.create(
        public_id=public_id,
        conversation=call.conversation,
        sender=Message.Sender.OPERATOR,
        sender_id=name[:64],
        kind=Message.Kind.CALL,
        text=text,
        state=Message.State.SENDING,
        extra=rounds.extra_of(call, ""),
        happened_at=timezone.now(),
    )


def speak(call: Call, message: Message, *, is_first: bool) -> None:
    """Say a stored message, once: not again where a worker may have died in the middle of it."""
    if message.state != Message.State.SENDING:
        return
    if message.frame:
        give_up(message, "the worker was lost: it may have been said, or not")
        return
    message.frame = 1
    message.save(update_fields=["frame"])
    try:
        number = service_of(call.account).speak(
            call.instance_id, message.text, **(AT_ONCE if is_first else BEHIND)
        )
    except VendorError as error:
        give_up(message, str(error))
    else:
        note_said(call, message, number)


def give_up(message: Message, reason: str) -> None:
    log.warning("an operator's words were not said", message=message.pk, reason=reason)
    message.state, message.error = Message.State.FAILED, reason
    message.save(update_fields=["state", "error"])


def note_said(call: Call, message: Message, number: int) -> None:
    """Callbacks tell of the round as of the agent's own words: they may have come before this."""
    _asked, answered = rounds.ids_of(call, str(number))
    with transaction.atomic():
        Call.objects.select_for_update(no_key=True).get(pk=call.pk)  # as whoever stores a callback does
        call.conversation.messages.filter(vendor_message_id=answered).delete()
        message.vendor_message_id, message.state = answered, Message.State.DELIVERED
        message.accepted = len(message.text)
        message.save(update_fields=["vendor_message_id", "state", "accepted"])


def mind_owner(call: Call) -> None:
    """Silence the agent while people have the conversation, and let it think again afterwards.

    A model that the service asks itself cannot be told to be silent: meanwhile the agent asks our brain,
    which is.  Raises VendorError.
    """
    belongs_to_people = call.conversation.owner == Conversation.Owner.OPERATOR
    changes: dict[str, Any] = {}
    if call.template.llm == AgentTemplate.Mind.DIRECT:
        blocks = definitions.brain_block if belongs_to_people else definitions.llm_block
        changes["LLM"] = blocks(call.template)
    try:
        service = service_of(call.account)
        if changes:
            service.call("UpdateAgentInstance", {"AgentInstanceId": call.instance_id, **changes})
        if belongs_to_people:
            service.interrupt(call.instance_id)
    except InstanceGone:
        log.info("the call has ended meanwhile", call=call.pk)

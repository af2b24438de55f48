"""Rounds, as ZEGO counts what is said in a call: each is a question and its answer, or words of our own.

What is said in one is known by the call, the round and the side: so the agent's question to our brain and
the callbacks make the same messages of it, whichever comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agents.models import Call, CallEvent
from bots.events import JSONDict
from bots.vendors.reading import Fields
from conversations import spoken
from conversations.models import Conversation, Message

ANSWERS: Final = ("LLMResult", "Interrupted")
SENTENCE_ENDS: Final = (".", "!", "?", ",", ";", ":", "…")  # of scripts that put blanks between words


def ids_of(call: Call | None, number: str) -> tuple[str, str]:
    """Of the messages of a round: what the user said, what was answered."""
    place = f"call:{call.pk if call else 'unknown'}:{number}"
    return f"{place}:asked", f"{place}:answered"


def extra_of(call: Call | None, number: str) -> JSONDict:
    """What the messages of a round have besides text."""
    about: JSONDict = {"call": call.session_public_id, "round": number} if call else {}
    # Read where chats are stored: the vendor writes it there too.
    return about | ({"is_archived": True} if call and call.is_synced else {})


def note_question(call: Call, event: CallEvent) -> None:
    """What the user said, for good."""
    asked, _ = ids_of(call, round_of(event))
    text = Fields(event.data).text("Text").strip()
    if text:
        keep(call, event, Message.Sender.USER, asked, text)


def note_answer(call: Call, event: CallEvent) -> None:
    """A sentence of the answer, or how much of it was heard: work out anew what was said.

    An answer of which nobody but the service knows is under way until it is told that it ended.
    """
    number = round_of(event)
    if call.answering is not None and call.answering < int(number):
        end_answer(call)
    _, answered = ids_of(call, number)
    known = call.conversation.messages.filter(vendor_message_id=answered).first()
    if known and known.sender == Message.Sender.OPERATOR:
        return  # it is kept as they typed it
    events = list(call.events.filter(round=event.round, event__in=ANSWERS).order_by("sequence"))
    is_interrupted = any(each.event == "Interrupted" for each in events)
    may_go_on = call.answering is None and not is_interrupted and call.state in Call.OCCUPYING
    if text := heard(events) or longest(said(events), known.text if known else ""):
        if known is None and may_go_on:
            change_answering(call, int(number))
        keep(call, events[0], Message.Sender.ROBOT, answered, text)
    if is_interrupted and call.answering == int(number):
        end_answer(call)


def note_silence(call: Call, event: CallEvent) -> None:
    """The agent has stopped speaking, unless it has said more since."""
    if call.answering is not None:
        since = call.events.filter(round=call.answering, event="LLMResult", sequence__gt=event.sequence)
        if not since.exists():
            end_answer(call)


def end_answer(call: Call) -> None:
    """The answer under way, if there is one, is whole."""
    if call.answering is not None:
        _, answered = ids_of(call, str(call.answering))
        under_way = call.conversation.messages.filter(
            vendor_message_id=answered, state=Message.State.STREAMING
        )
        under_way.update(state=Message.State.DELIVERED)
        change_answering(call, None)


def change_answering(call: Call, number: int | None) -> None:
    call.answering = number
    call.save(update_fields=["answering"])


def heard(events: Sequence[CallEvent]) -> str:
    """What was spoken until somebody interrupted it; "" where nobody did, or the service does not say."""
    return next((text for event in reversed(events) if (text := text_in(event, "PlayedText"))), "")


def said(events: Sequence[CallEvent]) -> str:
    """The sentences that the service has told of, one callback each."""
    text = ""
    for event in events:
        sentence = text_in(event, "Text")
        is_apart = text.endswith(SENTENCE_ENDS) and sentence[:1].isascii() and not sentence[:1].isspace()
        text += f" {sentence}" if is_apart else sentence
    return text.strip()


def longest(told: str, known: str) -> str:
    """Our brain knows an answer before it is spoken."""
    return known if len(known) > len(told) else told


def text_in(event: CallEvent, name: str) -> str:
    return Fields(event.data).text(name, "")


def round_of(event: CallEvent) -> str:
    return str(Fields(event.data).number("Round"))


def keep(call: Call, event: CallEvent, sender: Message.Sender, id_: str, text: str) -> None:
    """Make it a message, or the text of the one that there is."""
    message = spoken.uttered(
        call.conversation, sender, id_, extra_of(call, round_of(event)), at=event.happened_at, text=text
    )
    message.order = event.sequence
    if sender == Message.Sender.ROBOT and call.answering == int(round_of(event)):
        message.state = Message.State.STREAMING
    # The conversation before its messages, as our brain does: or each would wait for the other.
    here = Conversation.objects.filter(pk=call.conversation_id, last_message_at__lt=event.happened_at)
    here.update(last_message_at=event.happened_at)
    spoken.keep([message], changing=["text"])

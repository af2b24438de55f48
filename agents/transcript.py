"""What was said in a call, checked at its end against what its agent remembers: callbacks may get lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from difflib import SequenceMatcher
from itertools import dropwhile
from typing import Final, NamedTuple

import structlog

from agents import rounds
from agents.aiagent import service_of
from agents.models import Call
from bots.errors import VendorError
from bots.events import JSONDict
from conversations import spoken
from conversations.models import Message
from conversations.wording import as_chat, words_of

log = structlog.get_logger(__name__)

MOST_EARLIER: Final = 1000  # messages of the chat, among which those are that the agent began with
JUST_AFTER: Final = timedelta(milliseconds=1)


class Words(NamedTuple):
    """What one side said, in the form in which it is compared."""

    is_users: bool
    text: str

    @classmethod
    def of(cls, is_users: bool, text: str) -> Words:
        return cls(is_users, "".join(text.split()))  # neither side keeps the other's blanks

    def says(self, other: Words) -> bool:
        """Whether it is the same, or more of it, or less: answers are interrupted."""
        is_part = self.text in other.text or other.text in self.text
        return self.is_users == other.is_users and is_part


def complete(call: Call) -> int:
    """Ask the service what was said in a call that is about to end, and store what we have missed; → how many
    messages.  A service that cannot tell keeps no call from ending."""
    if not call.instance_id:
        return 0
    try:
        remembered = service_of(call.account).messages(call.instance_id)
    except VendorError as error:
        log.info("transcript not checked", call=call.pk, reason=str(error))
        return 0
    return add_missing(call, remembered)


def add_missing(call: Call, remembered: Sequence[JSONDict]) -> int:
    """Store what of this, oldest first, is not known from callbacks.  To do it again changes nothing."""
    ours = said_in(call)
    theirs = list(said_anew(call, remembered))
    missing = list(unmatched([words_in(message) for message in ours], [words for words, _ in theirs]))
    at = call.started_at or call.created_at
    stored = []
    for place, number in missing:
        words, text = theirs[number]
        if place:
            at = max(at, ours[place - 1].happened_at)
        at += JUST_AFTER
        sender = Message.Sender.USER if words.is_users else Message.Sender.ROBOT
        id_ = f"call:{call.pk}:remembered:{number}"
        extra = rounds.extra_of(call, "")
        stored.append(spoken.uttered(call.conversation, sender, id_, extra, at=at, text=text))
    if stored:
        spoken.keep(stored, changing=["text"])
        log.info("words found that no callback told of", call=call.pk, messages=len(stored))
    return len(stored)


def said_in(call: Call) -> list[Message]:
    """The call's messages, as they read."""
    messages = call.conversation.messages.filter(extra__call=call.session.public_id).exclude(text="")
    return sorted(messages.select_related("turn"), key=lambda message: message.place)


def said_anew(call: Call, remembered: Sequence[JSONDict]) -> Iterator[tuple[Words, str]]:
    """What the agent remembers, without the chat that it began with."""
    pairs = [
        (Words.of(entry.get("Role") == "user", text), text)
        for entry in remembered
        if isinstance(text := entry.get("Content"), str) and text.strip()
    ]
    known = set(earlier_words(call))
    return dropwhile(lambda pair: pair[0] in known, pairs)


def earlier_words(call: Call) -> Iterator[Words]:
    """What was said before, each message by itself and joined as models are shown it."""
    earlier = call.conversation.messages.filter(created_at__lt=call.created_at).select_related("turn")
    messages = sorted(earlier.order_by("-id")[:MOST_EARLIER], key=lambda message: message.place)
    for line in as_chat(messages, words_of):
        yield Words.of(line.role == "user", line.content)
    for message in messages:
        yield words_in(message)


def words_in(message: Message) -> Words:
    return Words.of(message.sender == Message.Sender.USER, message.text)


def unmatched(ours: Sequence[Words], theirs: Sequence[Words]) -> Iterator[tuple[int, int]]:
    """Which of theirs are not among ours: behind how many of ours they belong, and which they are."""
    matcher = SequenceMatcher(a=ours, b=theirs, autojunk=False)
    for tag, start, end, first, last in matcher.get_opcodes():
        if tag in ("insert", "replace"):
            rest = list(ours[start:end])
            for number in range(first, last):
                same = next((words for words in rest if words.says(theirs[number])), None)
                if same is None:
                    yield end - len(rest), number
                else:
                    del rest[: rest.index(same) + 1]

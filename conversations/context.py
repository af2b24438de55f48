"""What the model is shown: the robot's persona, what was said before, and what is to be answered.

Providers keep a prompt from one turn to the next, at a fraction of price and time, as far as it stays the
same from its beginning.  So history is not trimmed turn by turn: it grows until it is over a limit, and then
a block of its oldest messages is folded away at once.  How far that went is stored, so that the next prompt
begins where this one did.  A summary stands in place of what was folded, once there is one (`summaries`).

Three queries for a turn: its questions, the last fold, the messages since.  One more where a block is folded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Self

from django.db.models import QuerySet
from django.utils import timezone

from bots import variables
from bots.database import read
from bots.events import JSONDict
from bots.llms.base import ChatMessage, Prompt
from bots.llms.tokens import estimate_tokens
from bots.models import Robot
from conversations.models import Conversation, Fold, Message, Turn
from conversations.wording import (
    IN_GROUP,
    INSTRUCTED,
    as_chat,
    speech_in,
    with_images,
    with_summary,
    with_whisper,
)

# Each turn's, so it is not left to the ORM: to write it took longer than all the rest of a turn's context.
SETTLED: Final = """
SELECT message.id, message.conversation_id, message.turn_id, message.sender, message.sender_id, message.kind,
       message.text, message.extra, message.is_overheard, message.happened_at, message.order,
       message.created_at, turn.started_at AS turn_started_at
  FROM conversations_message AS message LEFT JOIN conversations_turn AS turn ON turn.id = message.turn_id
 WHERE message.conversation_id = %s AND message.id > %s AND message.id <= %s
   AND message.state NOT IN ('recalled', 'failed') AND NOT message.is_error
   AND (message.sender <> 'user' OR message.turn_id IS NOT NULL OR message.is_overheard
        OR message.state <> 'received')
   AND (turn.state IS NULL OR turn.state NOT IN ('blocked', 'thinking', 'speaking'))
 ORDER BY message.id DESC LIMIT %s
"""
MOST_READ: Final = 1000  # messages: of more, said before anything was folded, the oldest are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A turn's prompt, and the plan of it as the turn keeps it."""

    prompt: Prompt
    plan: JSONDict


@dataclass(frozen=True, slots=True)
class Line:
    """A message, and about how many tokens a model makes of it."""

    message: Message
    tokens: int


@dataclass(frozen=True, slots=True)
class Size:
    """Of messages, or a limit on it."""

    messages: int
    tokens: int

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Self:
        return cls(len(lines), sum(line.tokens for line in lines))

    def __add__(self, other: Size) -> Size:
        return Size(self.messages + other.messages, self.tokens + other.tokens)

    def __sub__(self, other: Size) -> Size:
        return Size(max(self.messages - other.messages, 0), max(self.tokens - other.tokens, 0))

    def fits(self, limit: Size) -> bool:
        return self.messages <= limit.messages and self.tokens <= limit.tokens

    def as_json(self) -> JSONDict:
        return {"messages": self.messages, "tokens": self.tokens}


NOTHING: Final = Size(0, 0)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a conversation before a turn."""

    fold: Fold | None
    lines: list[Line]  # what was said since the fold
    cut: Size = NOTHING  # of what could not be folded, but is over the limit
    summary: str = ""  # of what was folded

    def plan(self) -> JSONDict:
        folded = Size(self.fold.messages, self.fold.tokens) if self.fold else NOTHING
        told = Size(self.fold.told_messages, self.fold.told_tokens) if self.fold and self.summary else NOTHING
        return {
            "kept": Size.of(self.lines).as_json(),
            "summarised": {**told.as_json(), "summary_tokens": estimate_tokens(self.summary)},
            "dropped": (folded - told + self.cut).as_json(),
            "is_behind": bool(self.fold and self.fold.told_until < self.fold.until),
        }


def show(turn: Turn) -> Shown:
    """All that the model is shown for this turn."""
    conversation = turn.conversation
    questions = lines_of(turn.questions, conversation)
    memory = remembered(turn, before=min((line.message.pk for line in questions), default=0))
    about = about_robot(turn)
    system = [ChatMessage(role="system", content=about)] if about else []
    said = [line.message for line in (*memory.lines, *questions)]
    chat = with_summary(as_chat(said, speech_in(conversation)), memory.summary)
    chat = with_whisper(with_images(chat, [line.message for line in questions]), turn.whisper)
    return Shown(
        prompt=Prompt(messages=(*system, *chat), user=conversation.public_id),
        plan={
            "system": {"tokens": estimate_tokens(about)},
            **memory.plan(),
            "asked": Size.of(questions).as_json(),
            "limit": limit_of(conversation.robot).as_json(),
        },
    )


def about_robot(turn: Turn) -> str:
    """Who the robot is, how to read what it is shown, and what it was told when it was handed back."""
    conversation = turn.conversation
    robot, instruction = conversation.robot, conversation.instruction
    is_group = conversation.kind == Conversation.Kind.GROUP
    parts = [
        variables.filled(robot.persona, values_for(turn)),
        IN_GROUP.format(name=robot) if is_group else "",
        INSTRUCTED.format(instruction=instruction) if instruction else "",
    ]
    return "\n\n".join(filter(None, parts))


def values_for(turn: Turn) -> dict[str, str]:
    """What the variables stand for in this turn: `bots.variables.KNOWN`."""
    conversation = turn.conversation
    is_group = conversation.kind == Conversation.Kind.GROUP
    now = timezone.localtime(turn.started_at)
    return {
        "robot": str(conversation.robot),
        "user_id": "" if is_group else conversation.peer_id,
        "group_id": conversation.peer_id if is_group else "",
        "tier": turn.tier.slug if turn.tier else "",
        "date": f"{now:%Y-%m-%d}",
        "weekday": f"{now:%A}",
        "hour": f"{now:%H}:00–{now:%H}:59",
    }


def remembered(turn: Turn, *, before: int) -> Memory:
    """What is known of the conversation, within the robot's limits.

    `before` is the id of the first message that is yet to be answered: nothing from there on is folded.
    """
    conversation, robot = turn.conversation, turn.conversation.robot
    if not has_memory(robot):
        return Memory(None, [])
    fold = last_fold(conversation)
    lines = lines_of(earlier_messages(turn, after=fold.until if fold else 0), conversation)
    if count := overflow(robot, fold, lines, before=before):
        fold = fold_away(conversation, fold, lines[:count])
        lines = lines[count:]
    summary = summary_for(robot, fold)
    kept = within(lines, limit_of(robot, summary))
    return Memory(fold, kept, cut=Size.of(lines) - Size.of(kept), summary=summary)


def has_memory(robot: Robot) -> bool:
    return bool(robot.history_messages and robot.history_tokens)


def last_fold(conversation: Conversation) -> Fold | None:
    folds = "SELECT * FROM conversations_fold WHERE conversation_id = %s ORDER BY until DESC LIMIT 1"
    return next(iter(read(Fold, folds, [conversation.pk])), None)


def overflow(robot: Robot, fold: Fold | None, lines: Sequence[Line], *, before: int) -> int:
    """How many lines are to be folded, as all of them are over the robot's limits; 0 if they are not."""
    summary = summary_for(robot, fold)
    if Size.of(lines).fits(limit_of(robot, summary)):
        return 0
    return block_of(lines, room_after_fold(robot, summary), before=before)


def summary_for(robot: Robot, fold: Fold | None) -> str:
    """What is shown of what was folded; nothing that would take more than half of the robot's limit."""
    summary = fold.summary if fold and robot.history_summaries else ""
    return summary if 2 * estimate_tokens(summary) <= robot.history_tokens else ""


def limit_of(robot: Robot, summary: str = "") -> Size:
    return Size(robot.history_messages, robot.history_tokens - estimate_tokens(summary))


def room_after_fold(robot: Robot, summary: str) -> Size:
    """What may be left when a block is folded: so much that another block's worth has room."""
    left = max(robot.history_messages - robot.history_block, 0)
    return Size(left, limit_of(robot, summary).tokens * left // robot.history_messages)


def earlier_messages(turn: Turn, *, after: int) -> list[Message]:
    """What was said before the turn, behind the message with the id `after`, as it reads.

    What was written while this turn was running belongs to the next one.
    """
    began_at = turn.started_at or timezone.now()
    return [
        message
        for message in settled_messages(turn.conversation, after=after)
        if message.turn_id != turn.pk and not (message.is_overheard and message.created_at > began_at)
    ]


def settled_messages(conversation: Conversation, *, after: int, until: int = sys.maxsize) -> list[Message]:
    """What was said in a conversation and users may go on from, but for what is being answered, between two
    ids, as it reads; of more than is ever needed the newest."""
    return in_order(read(Message, SETTLED, [conversation.pk, after, until, MOST_READ]))


def newest(messages: QuerySet[Message]) -> list[Message]:
    """As many of them as are ever needed, as they read."""
    return in_order(messages.select_related("turn").order_by("-id")[:MOST_READ])


def in_order(messages: Iterable[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: message.place)


def lines_of(messages: Iterable[Message], conversation: Conversation) -> list[Line]:
    speech = speech_in(conversation)
    return [Line(message, estimate_tokens(speech(message))) for message in messages]


def block_of(lines: Sequence[Line], room: Size, *, before: int) -> int:
    """How many lines to fold, from the first on, so that the rest is within `room`.

    A block ends where it can be told by an id alone: no message of it has a higher one than any that stays.
    """
    ends = list(ends_of_blocks(lines, before=before))
    return next((end for end in ends if Size.of(lines[end:]).fits(room)), ends[-1] if ends else 0)


def ends_of_blocks(lines: Sequence[Line], *, before: int) -> Iterator[int]:
    """Behind how many lines a block can end: not within a turn, nor where ids are out of order."""
    ids = [line.message.pk for line in lines]
    highest = list(accumulate(ids, max))
    lowest = list(accumulate([before, *reversed(ids)], min))[::-1]
    for end in range(1, len(lines) + 1):
        turns = {line.message.turn_id for line in lines[end - 1 : end + 1]}
        is_within_turn = end < len(lines) and len(turns) == 1 and None not in turns
        if highest[end - 1] < lowest[end] and not is_within_turn:
            yield end


def fold_away(conversation: Conversation, last: Fold | None, block: Sequence[Line]) -> Fold:
    """Let the conversation be shown without these lines from now on."""
    size = Size.of(block) + (Size(last.messages, last.tokens) if last else NOTHING)
    fold = Fold(
        conversation=conversation,
        until=max(line.message.pk for line in block),
        messages=size.messages,
        tokens=size.tokens,
        **(last.told if last else {}),
    )
    Fold.objects.bulk_create([fold], ignore_conflicts=True)
    return fold


def within(lines: Sequence[Line], limit: Size) -> list[Line]:
    """The longest end of what was said that is within the limit: all of it, if blocks could be folded."""
    start = 0
    while not Size.of(lines[start:]).fits(limit):
        start += 1
    return list(lines[start:])

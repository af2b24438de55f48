"""What the model is shown: the robot's persona, what was said before, and what is to be answered.

Providers keep a prompt from one turn to the next, at a fraction of price and time, as far as it stays the
same from its beginning.  So history is not trimmed turn by turn: it grows until it is over a limit, and then
a block of its oldest messages is folded away at once.  How far that went is stored, so that the next prompt
begins where this one did.

Three queries for a turn: its questions, the last fold, the messages since.  One more where a block is folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Self

from django.utils import timezone

from bots import variables
from bots.events import JSONDict
from bots.llms.base import ChatMessage, Prompt
from bots.llms.tokens import estimate_tokens
from bots.models import Robot
from conversations.models import Conversation, Fold, Message, Turn
from conversations.wording import IN_GROUP, as_chat, speech_in, with_images

MOST_READ: Final = 500  # messages beyond the limit: what is older was said long before anything was folded


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

    def fits(self, limit: Size) -> bool:
        return self.messages <= limit.messages and self.tokens <= limit.tokens

    def as_json(self) -> JSONDict:
        return {"messages": self.messages, "tokens": self.tokens}


NOTHING: Final = Size(0, 0)


def show(turn: Turn) -> Shown:
    """All that the model is shown for this turn."""
    conversation = turn.conversation
    asked = turn.messages.filter(sender=Message.Sender.USER).order_by("happened_at", "order", "id")
    questions = lines_of(asked, conversation)
    dropped, history = remembered(turn, before=min((line.message.pk for line in questions), default=0))
    about = about_robot(turn)
    system = [ChatMessage(role="system", content=about)] if about else []
    said = [line.message for line in (*history, *questions)]
    chat = with_images(as_chat(said, speech_in(conversation)), [line.message for line in questions])
    return Shown(
        prompt=Prompt(messages=(*system, *chat), user=conversation.public_id),
        plan={
            "system": {"tokens": estimate_tokens(about)},
            "dropped": dropped.as_json(),
            "kept": Size.of(history).as_json(),
            "asked": Size.of(questions).as_json(),
            "limit": limit_of(conversation.robot).as_json(),
        },
    )


def about_robot(turn: Turn) -> str:
    """Who the robot is, and how to read what it is shown."""
    robot = turn.conversation.robot
    is_group = turn.conversation.kind == Conversation.Kind.GROUP
    persona = variables.filled(robot.persona, values_for(turn))
    return "\n\n".join(filter(None, (persona, IN_GROUP.format(name=robot) if is_group else "")))


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


def remembered(turn: Turn, *, before: int) -> tuple[Size, list[Line]]:
    """How much of the conversation is left out, and what was said since, within the robot's limits.

    `before` is the id of the first message that is yet to be answered: nothing from there on is folded.
    """
    conversation, limit = turn.conversation, limit_of(turn.conversation.robot)
    if not (limit.messages and limit.tokens):
        return NOTHING, []
    fold = conversation.folds.order_by("-until").first()
    lines = lines_of(earlier_messages(turn, after=fold.until if fold else 0), conversation)
    if not Size.of(lines).fits(limit):
        count = block_of(lines, room_after_fold(conversation.robot), before=before)
        if count:
            fold = fold_away(conversation, fold, lines[:count])
            lines = lines[count:]
    kept = within(lines, limit)
    folded = Size(fold.messages, fold.tokens) if fold else NOTHING
    return folded + Size.of(lines[: -len(kept) or None]), kept


def limit_of(robot: Robot) -> Size:
    return Size(robot.history_messages, robot.history_tokens)


def room_after_fold(robot: Robot) -> Size:
    """What may be left when a block is folded: so much that another block's worth has room."""
    left = max(robot.history_messages - robot.history_block, 0)
    return Size(left, robot.history_tokens * left // robot.history_messages)


def earlier_messages(turn: Turn, *, after: int) -> list[Message]:
    """What was said before the turn, behind the message with the id `after`, as it reads.

    What was written while this turn was running belongs to the next one.
    """
    conversation = turn.conversation
    messages = (
        conversation.messages.filter(id__gt=after)
        .exclude(turn=turn)
        .exclude(sender=Message.Sender.USER, turn=None, is_overheard=False, state=Message.State.RECEIVED)
        .exclude(is_overheard=True, created_at__gt=turn.started_at or timezone.now())
        .exclude(state__in=Message.GONE)
        .exclude(is_error=True)
        .exclude(turn__state=Turn.State.BLOCKED)
        .select_related("turn")
        .order_by("-id")[: conversation.robot.history_messages + MOST_READ]
    )
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
    )
    Fold.objects.bulk_create([fold], ignore_conflicts=True)
    return fold


def within(lines: Sequence[Line], limit: Size) -> list[Line]:
    """The longest end of what was said that is within the limit: all of it, if blocks could be folded."""
    start = 0
    while not Size.of(lines[start:]).fits(limit):
        start += 1
    return list(lines[start:])

"""What consoles are told of: the changes of messages, turns, handoffs and notes, and of how a conversation
stands; a function for each event.

Each change of such a row gives it the next number of one sequence, by a trigger.  Whoever changes a row
has nothing else to do for it; who shows rows reads from time to time what has a higher number than the
last that was seen.  A NOTIFY would cost more than the change: such transactions commit one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection

from conversations import transcript
from conversations.models import Conversation, Handoff, Message, Note, Standing, Turn

type Event = dict[str, Any]

AT_ONCE: Final = 5000  # changes read by one query
# A number that is missing belongs to a transaction that has not committed, or never will.
PATIENCE_S: Final = 5.0
# As many changes may be under way while a page is read: what comes with them is told again.
MARGIN: Final = 10_000

CHANGED: Final = """
SELECT 'message', id, conversation_id, change FROM conversations_message
 WHERE change > %(last)s OR change = ANY(%(missing)s)
UNION ALL
SELECT 'turn', id, conversation_id, change FROM conversations_turn
 WHERE change > %(last)s OR change = ANY(%(missing)s)
UNION ALL
SELECT 'handoff', id, conversation_id, change FROM conversations_handoff
 WHERE change > %(last)s OR change = ANY(%(missing)s)
UNION ALL
SELECT 'note', id, conversation_id, change FROM conversations_note
 WHERE change > %(last)s OR change = ANY(%(missing)s)
UNION ALL
SELECT 'conversation', conversation_id, conversation_id, change FROM conversations_standing
 WHERE change > %(last)s OR change = ANY(%(missing)s)
ORDER BY change LIMIT %(at_once)s
"""


@dataclass(frozen=True, slots=True)
class Change:
    kind: str  # message, turn, handoff, note or conversation
    pk: int
    conversation_id: int
    number: int


@dataclass
class Reader:
    """Reads each change once, as it becomes visible.  Used by one thread at a time."""

    last: int
    _missing: dict[int, float] = field(default_factory=dict)  # and since when, in seconds of some clock

    @property
    def cursor(self) -> int:
        """All up to this number was read."""
        return min(self._missing, default=self.last + 1) - 1

    def read(self, now: float) -> list[Change]:
        """What is new, by one query."""
        parameters: dict[str, Any] = {"last": self.last, "missing": list(self._missing), "at_once": AT_ONCE}
        with connection.cursor() as cursor:
            cursor.execute(CHANGED, parameters)
            changes = [Change(*row) for row in cursor.fetchall()]
        self._note([change.number for change in changes], now)
        return changes

    def _note(self, numbers: list[int], now: float) -> None:
        newest = max(numbers, default=self.last)
        skipped = set(range(self.last + 1, newest + 1)).difference(numbers)
        for number in numbers:
            self._missing.pop(number, None)
        self._missing = {each: since for each, since in self._missing.items() if now - since < PATIENCE_S}
        self._missing |= dict.fromkeys(skipped, now)
        self.last = max(self.last, newest)


def newest_change() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM conversations_change")
        [number] = cursor.fetchone()
    return int(number)


def cursor_of_page() -> int:
    """From where on to ask for changes to what is read next."""
    return max(0, newest_change() - MARGIN)


def events_of(changes: Iterable[Change]) -> dict[int, list[Event]]:
    """What the changes have made of their rows, by conversation.  A query for each kind."""
    found: dict[int, list[Event]] = {}
    changed: dict[str, list[int]] = {}
    for change in changes:
        changed.setdefault(change.kind, []).append(change.pk)
    for kind, pks in changed.items():
        for row in ROWS[kind].filter(pk__in=pks).order_by("change"):
            found.setdefault(row.conversation_id, []).append(EVENTS[kind](row))
    return found


def events_since(conversation_id: int, cursor: int) -> list[Event]:
    """What has changed in the conversation behind this number."""
    return [
        EVENTS[kind](row)
        for kind, rows in ROWS.items()
        for row in rows.filter(conversation=conversation_id, change__gt=cursor).order_by("change")
    ]


def message_changed(message: Message) -> Event:
    return {
        "type": "message",
        "id": message.pk,
        "public_id": message.public_id,
        "change": message.change,
        "turn": message.turn_id,
        "sender": message.sender,
        "sender_id": message.sender_id,
        "kind": message.kind,
        "text": message.text,
        "link": transcript.link_of(message),
        "name": transcript.name_of(message),
        "state": message.state,
        "error": message.error,
        "is_edited": transcript.is_edited(message),
        "at": message.happened_at.isoformat(),
        "place": place_of(message),
    }


def turn_changed(turn: Turn) -> Event:
    return {
        "type": "turn",
        "id": turn.pk,
        "change": turn.change,
        "state": turn.state,
        "model": turn.model.slug if turn.model else "",
        "tokens": {
            "input": turn.input_tokens,
            "cached_input": turn.cached_input_tokens,
            "output": turn.output_tokens,
            "is_estimated": turn.tokens_are_estimated,
        },
        "cost": {"amount": transcript.amount(turn.cost), "currency": turn.currency},
        "seconds": {
            "waited": between(turn.queued_at, turn.started_at),
            "first_token": between(turn.started_at, turn.first_token_at),
            "first_words": between(turn.queued_at, turn.spoken_at),
            "in_all": between(turn.queued_at, turn.ended_at),
        },
        "error": turn.error,
    }


def handoff_changed(handoff: Handoff) -> Event:
    return {
        "type": "handoff",
        "id": handoff.pk,
        "change": handoff.change,
        "cause": handoff.cause,
        "operator": handoff.operator_id,
        "taken_by": handoff.taken_by,
        "returned_by": handoff.returned_by,
        "instruction": handoff.instruction,
        "began_at": handoff.began_at.isoformat(),
        "is_open": handoff.ended_at is None,
        "is_taken": handoff.taken_at is not None,
    }


def note_changed(note: Note) -> Event:
    at = microseconds(note.created_at)
    return {
        "type": "note",
        "id": note.pk,
        "change": note.change,
        "written_by": note.written_by,
        "text": note.text,
        "at": note.created_at.isoformat(),
        "place": [at, 1, at, 0, 0],
    }


def conversation_changed(standing: Standing) -> Event:
    return {
        "type": "conversation",
        "id": standing.conversation_id,
        "change": standing.change,
        **standing_of(standing.conversation),
    }


def standing_of(conversation: Conversation) -> dict[str, Any]:
    """What a console shows of it beside messages and handoffs."""
    ratings = list(conversation.ratings.all())
    return {
        "is_resolved": conversation.resolved_at is not None,
        "tags": [tag.name for tag in conversation.tags.all()],
        "rating": max(ratings, key=lambda rating: rating.pk).score if ratings else None,
    }


def place_of(message: Message) -> list[int]:
    """`Message.place` in numbers."""
    began_at, is_reply, happened_at, order, pk = message.place
    return [microseconds(began_at), int(is_reply), microseconds(happened_at), order, pk]


def microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def between(start: datetime | None, end: datetime | None) -> float | None:
    return round(transcript.seconds(start, end), 3) if start and end else None


ROWS: Final[dict[str, Any]] = {
    "message": Message.objects.select_related("turn"),
    "turn": Turn.objects.select_related("model"),
    "handoff": Handoff.objects.all(),
    "note": Note.objects.all(),
    "conversation": Standing.objects.select_related("conversation").prefetch_related(
        "conversation__tags", "conversation__ratings"
    ),
}
EVENTS: Final[dict[str, Any]] = {
    "message": message_changed,
    "turn": turn_changed,
    "handoff": handoff_changed,
    "note": note_changed,
    "conversation": conversation_changed,
}

"""Messages found by the words in them, in scripts with blanks between words and in those without.

A message is indexed by its words, and where a script has no blanks by each two characters that follow one
another.  Both sides are folded, so that case, width, accents and traditional characters do not matter.

The index is a table of its own that is brought up to date once a minute and ahead of each search, by the
numbers that changes draw (`announcing`): an index of the messages themselves would be written with every
callback and every frame.  An embedded PostgreSQL has no pg_trgm; arrays of lexemes need no extension.

Messages are indexed in parts, by their ids, and looked for in the newest part first: what is said often
fills a page from there, and what is said seldom costs little in any.  No combination of words makes
PostgreSQL gather more than the hits of a part before it can stop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Self

import regex
from django.db import connection
from django.db.models import F, Max, Min, QuerySet
from django.db.models.expressions import RawSQL

from bots import draining
from bots.safety.folding import NOTHING, fold, is_spelled
from conversations.models import Conversation, Message, MessageWords

LONGEST_WORD: Final = 64  # characters that are indexed
# As many changes may have been under way while others were indexed.  A search looks back less far: what it
# misses so is found by the next round.
MARGIN: Final = 10_000
SMALL_MARGIN: Final = 500
AT_ONCE: Final = 2000
PART_BITS: Final = 14  # 16,384 ids in a part; `conversations_words_in_part` in the database goes by the same
LOOK_S: Final = 0.03  # after that a search shows what it has, and goes on from there when asked to
FASTER: Final = 4  # times as many parts in a statement as in the one before, as long as there is time
FEW_CONVERSATIONS: Final = 100  # of which all messages are looked at one by one,
FEW_MESSAGES: Final = 5000  # if those are not too many
AHEAD_OF_SEARCH: Final = 500  # messages that a search indexes first, at most

INDEX: Final = """
INSERT INTO conversations_messagewords (message_id, change, words)
SELECT message.id, new.change, array_to_tsvector(string_to_array(new.words, ' '))
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS new(id, change, words)
  JOIN conversations_message AS message ON message.id = new.id
    ON CONFLICT (message_id) DO UPDATE SET change = EXCLUDED.change, words = EXCLUDED.words
"""
# Asked for each hit, which PostgreSQL would not do of itself: it expects more hits than there are.
IN_THESE: Final = """
 WHERE (SELECT EXISTS ({chosen}) FROM conversations_message AS message WHERE message.id = hit.message_id)
"""
# Part after part, until there are enough.  OFFSET 0, or PostgreSQL might think it better to go through all
# messages from the newest one on.
LOOK: Final = """
SELECT hit.message_id
  FROM unnest(%(queries)s::text[]) WITH ORDINALITY AS part (query, number)
 CROSS JOIN LATERAL (
    SELECT message_id FROM conversations_messagewords
     WHERE conversations_words_in_part(message_id, words) @@ part.query::tsquery
       AND (%(before)s::bigint IS NULL OR message_id < %(before)s)
    OFFSET 0
 ) AS hit
{where} ORDER BY part.number, hit.message_id DESC LIMIT %(most)s
"""
LOOK_IN_FEW: Final = """
WITH said AS MATERIALIZED (SELECT id FROM conversations_message WHERE conversation_id = ANY(%(few)s))
SELECT message_id FROM said JOIN conversations_messagewords ON message_id = said.id
 WHERE words @@ %(query)s::tsquery AND (%(before)s::bigint IS NULL OR message_id < %(before)s)
 ORDER BY message_id DESC LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of messages, the newest first, and where to look for more: before the message of that id."""

    ids: list[int]
    before: int | None  # None: there are no more
    is_cut: bool = False  # older ones were not looked at yet

    @classmethod
    def page(cls, ids: list[int], most: int) -> Self:
        """So many of them, where all were looked at from which there are more."""
        return cls(ids[:most], ids[most - 1] if len(ids) > most else None)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a message's text, and whether it is what was looked for."""

    text: str
    is_hit: bool


def runs_of(text: str) -> Iterator[tuple[bool, str]]:
    """Words, and what stands together in a script without blanks; which of the two each is."""
    for part in fold(text).replace(NOTHING, "").split():
        for spelled, characters in groupby(part, is_spelled):
            yield spelled, "".join(characters)


def words_of(text: str) -> set[str]:
    """What a text is indexed by."""
    words: set[str] = set()
    for spelled, run in runs_of(text):
        if spelled:
            words.add(run[:LONGEST_WORD])
        else:
            words.update(run[place : place + 2] for place in range(len(run)))
    return words


def terms_of(text: str) -> dict[str, str]:
    """The words that are looked for, each with a mark if its beginning will do.  None if there is nothing to
    look for."""
    terms: dict[str, str] = {}
    for spelled, run in runs_of(text):
        if spelled or len(run) == 1:
            terms[run[:LONGEST_WORD]] = ":*"
        else:
            terms |= {run[place : place + 2]: "" for place in range(len(run) - 1)}
    return terms


def query_of(terms: dict[str, str], prefix: str = "") -> str:
    """For messages that have all of it."""
    return " & ".join(f"'{prefix}{word}'{mark}" for word, mark in terms.items())


def found(
    text: str, *, within: QuerySet[Conversation] | None = None, before: int | None = None, most: int
) -> Found:
    """Messages that have all of it, of any conversation or only of these."""
    terms = terms_of(text)
    if not terms:
        return Found([], None)
    wanted: dict[str, Any] = {"before": before, "most": most + 1}
    if within is None:
        return _look(terms, wanted)
    few = _few(within)
    if few is not None:
        return Found.page(_run(LOOK_IN_FEW, wanted | {"query": query_of(terms), "few": few}), most)
    where, values = _within(within)
    return _look(terms, wanted | values, where)


def _look(terms: dict[str, str], wanted: dict[str, Any], where: str = "") -> Found:
    """Part after part, until there are enough, or it has taken long."""
    most = wanted["most"] - 1
    parts, done, step = _parts(wanted["before"]), 0, 1
    ids: list[int] = []
    until = time.monotonic() + LOOK_S
    while done < len(parts) and len(ids) <= most:
        began = time.monotonic()
        if done and began >= until:
            return Found(ids, parts[done - 1] << PART_BITS, is_cut=True)
        queries = [query_of(terms, f"{part:x}:") for part in parts[done : done + step]]
        ids += _run(LOOK.format(where=where), wanted | {"queries": queries})
        done += step
        now = time.monotonic()
        step = _next_step(step, now - began, until - now)
    return Found.page(ids, most)


def _few(conversations: QuerySet[Conversation]) -> list[int] | None:
    """The conversations, where they are few, and not much was said in them."""
    few = list(conversations.order_by().values_list("pk", flat=True)[: FEW_CONVERSATIONS + 1])
    if len(few) > FEW_CONVERSATIONS:
        return None
    said = Message.objects.filter(conversation__in=few)[: FEW_MESSAGES + 1].count()
    return few if said <= FEW_MESSAGES else None


def _parts(before: int | None) -> range:
    """The parts that there are, the newest first."""
    ends = MessageWords.objects.aggregate(first=Min("pk"), last=Max("pk"))
    if ends["last"] is None:
        return range(0)
    last = ends["last"] if before is None else min(ends["last"], before - 1)
    return range(last >> PART_BITS, (ends["first"] >> PART_BITS) - 1, -1)


def _next_step(step: int, took_s: float, left_s: float) -> int:
    """How many parts to look at next, so that it takes half of the time that is left, more or less."""
    in_time = int(step * left_s / 2 / max(took_s, 1e-6))
    return max(1, min(FASTER * step, in_time))


def _within(conversations: QuerySet[Conversation]) -> tuple[str, dict[str, Any]]:
    """A condition on a hit, with its values by names."""
    chosen = conversations.filter(pk=RawSQL("message.conversation_id", [])).order_by().values("pk")
    sql, values = chosen.query.sql_with_params()
    named = {f"chosen{place}": value for place, value in enumerate(values)}
    return IN_THESE.format(chosen=sql % tuple(f"%({name})s" for name in named)), named


def _run(way: str, wanted: dict[str, Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(way, wanted)
        return [pk for (pk,) in cursor.fetchall()]


def catch_up() -> None:
    """Index all that is behind.  Raises WorkerStopping."""
    while bring_up_to_date(AT_ONCE, MARGIN) == AT_ONCE:
        draining.stop_if_told()


def bring_up_to_date(most: int = AHEAD_OF_SEARCH, margin: int = SMALL_MARGIN) -> int:
    """Index messages that were finished or changed since; how many."""
    newest = MessageWords.objects.aggregate(newest=Max("change"))["newest"] or 0
    behind = (
        Message.objects.filter(change__gt=newest - margin)
        .exclude(state__in=Message.UNDELIVERED)
        .exclude(words__change=F("change"))
        .order_by("change")[:most]
    )
    messages = list(behind)
    if messages:
        index(messages)
    return len(messages)


def index(messages: list[Message]) -> None:
    ids = [message.pk for message in messages]
    changes = [message.change for message in messages]
    words = [" ".join(words_of(text_of(message))) for message in messages]
    with connection.cursor() as cursor:
        cursor.execute(INDEX, [ids, changes, words])


def text_of(message: Message) -> str:
    """With the name of a file."""
    name = message.extra.get("name", "") if isinstance(message.extra, dict) else ""
    return f"{message.text} {name}"


def excerpt(text: str, query: str, *, around: int = 40) -> list[Piece]:
    """The part of a text where the first of what was looked for stands, with all of it marked."""
    folded = fold(text)  # as long as the text, and each place the same
    spots = sorted({(spot.start(), spot.end()) for run in _wanted(query) for spot in run.finditer(folded)})
    first = spots[0][0] if spots else 0
    begin, end = max(0, first - around), first + 3 * around
    pieces = [Piece("…" if begin else "", is_hit=False)]
    at = begin
    for start, stop in spots:
        if start < at or start >= end:
            continue
        pieces += [Piece(text[at:start], is_hit=False), Piece(text[start:stop], is_hit=True)]
        at = stop
    pieces += [Piece(text[at:end], is_hit=False), Piece("…" if end < len(text) else "", is_hit=False)]
    return [piece for piece in pieces if piece.text]


def stands_in(text: str, query: str) -> bool:
    """Whether a text has all that is looked for."""
    folded = fold(text)
    return all(run.search(folded) for run in _wanted(query))


def _wanted(query: str) -> Iterator[regex.Pattern[str]]:
    """Where a run stands: a word where one begins, anything else anywhere."""
    for spelled, run in runs_of(query):
        yield regex.compile(rf"(?<![\p{{L}}\p{{N}}]){run}" if spelled else run)

"""What screening costs: a whole text against a long list of words, and each piece of a streamed answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from bench.table import Row, judged, ms, percentile
from bots.safety.patterns import patterns_of
from bots.safety.personal import Masker, Placeholders, Restorer
from bots.safety.streams import PatternFilter, StreamFilter, WordFilter, through
from bots.safety.words import Words, findings_of, spelling

WORDS: Final = 100_000
TEXT_CHARACTERS: Final = 2_000
ANSWER_CHARACTERS: Final = 20_000
CHUNK_CHARACTERS: Final = 4  # two or three tokens of Chinese
RUNS: Final = 300
WHOLE_GOAL_S: Final = 0.001
CHUNK_GOAL_US: Final = 20.0
PATTERNS: Final = [r"(?i)order number \d{8}", r"\b一丁\d{6}", r"(?:https?://)?internal\.example\.com"]

CHARACTERS: Final = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)] + list(" ，。")
# As in any language, few are frequent and most are rare.
WEIGHTS: Final = [1 / (rank + 10) for rank in range(len(CHARACTERS))]


def measure() -> list[Row]:
    random.seed(4)
    answer = text_of(ANSWER_CHARACTERS)
    drawn = set(map(text_of, random.choices(range(3, 9), k=2 * WORDS)))
    chosen = unfound(drawn, answer)
    words, built_in_s = timed(lambda: Words(findings_of(chosen, "bench")))
    whole = [timed(lambda: words.find(answer[:TEXT_CHARACTERS]))[1] for _ in range(RUNS)]
    pieces = [answer[at : at + CHUNK_CHARACTERS] for at in range(0, len(answer), CHUNK_CHARACTERS)]
    runs = [timed(partial(list, through(all_filters(words), pieces)))[1] for _ in range(5)]
    per_chunk_us = 1e6 * min(runs) / len(pieces)
    middle, slow = percentile(whole, 50), percentile(whole, 99)
    return [
        Row(f"{WORDS:,} words made ready, once for a policy in each process", ms(built_in_s)),
        Row(
            f"{TEXT_CHARACTERS:,} characters against {WORDS:,} words, p50 / p99",
            f"{ms(middle)} / {ms(slow)}",
            judged("p50 < 1 ms", is_met=middle < WHOLE_GOAL_S),
        ),
        Row(
            f"all filters for a chunk of {CHUNK_CHARACTERS} characters",
            f"{per_chunk_us:.1f} µs",
            judged("< 20 µs", is_met=per_chunk_us < CHUNK_GOAL_US),
        ),
    ]


def text_of(length: int) -> str:
    return "".join(random.choices(CHARACTERS, WEIGHTS, k=length))


def unfound(words: set[str], text: str) -> list[str]:
    """So many words that the text does not have in it, however written."""
    letters = spelling(text)
    return [word for word in sorted(words) if spelling(word) not in letters][:WORDS]


def all_filters(words: Words) -> list[StreamFilter]:
    placeholders = Placeholders()
    placeholders.cover("13800138000, ada@example.com")
    return [
        Restorer(placeholders),
        Masker(),
        WordFilter(words),
        PatternFilter(patterns_of(PATTERNS, "bench")),
    ]


def timed[T](act: Callable[[], T]) -> tuple[T, float]:
    """→ what it gave, and the seconds of this thread on a processor that it took."""
    began_at = time.thread_time()
    result = act()
    return result, time.thread_time() - began_at

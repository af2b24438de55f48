"""What a user wants, and how hard it is to answer: cheap guesses that a person can follow.

Intents are found by their keywords, which admins edit; complexity is a sum of features, each of which is
told with what it adds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

FIRST_IDEOGRAPH: Final = "\u2e80"
IDEOGRAPH_WEIGHT: Final = 2.5  # a Chinese character says about as much as so many letters

# Each feature of a text: what one occurrence adds to its complexity, and what all may add together.
LENGTH: Final = (1 / 2000, 0.3)  # by letter
QUESTIONS: Final = (0.1, 0.2)  # by question after the first
REASONING: Final = (0.2, 0.5)  # by different word
PARTS: Final = (0.05, 0.2)  # by line after the first
NUMBERS: Final = (0.04, 0.2)
CODE: Final = (0.3, 0.3)

QUESTION: Final = re.compile(r"[?？]+")
NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
CODE_LIKE: Final = re.compile(
    r"```|[{};]\s*$|\bdef \w+\(|\bfunction \w*\(|^\s*(?:import|from) \w+\s*$|\bselect .+ from |</\w+>",
    re.MULTILINE,
)
REASONING_WORDS: Final = (
    "why", "explain*", "compare", "comparison", "difference*", "analy*", "step by step", "prove", "derive",
    "calculate", "design*", "plan", "strateg*", "summar*", "translate", "evaluate", "pros and cons",
    "in detail", "为什么", "为何", "解释", "比较", "对比", "区别", "分析", "步骤", "证明", "推导", "计算",
    "设计", "方案", "规划", "策略", "总结", "翻译", "评估", "优缺点", "详细", "原理",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found in a text, and by what."""

    intent: str = ""  # slug; "": none is known
    words: tuple[str, ...] = ()  # the intent's keywords that are in the text
    complexity: float = 0.0  # from 0 to 1
    features: Mapping[str, float] = field(default_factory=dict)  # what adds up to the complexity
    source: Literal["keywords", "model"] = "keywords"


def classify(text: str, intents: Iterable[tuple[str, tuple[str, ...]]]) -> Verdict:
    """`intents`: slugs and their keywords.  The one with most keywords in the text wins, then the first."""
    plain = plain_text(text)
    found = [(slug, words_in(plain, keywords)) for slug, keywords in intents]
    intent, words = max(found, key=lambda each: len(each[1]), default=("", ()))
    features = features_of(plain)
    return Verdict(
        intent=intent if words else "",
        words=words,
        complexity=min(1.0, round(sum(features.values()), 2)),
        features=features,
    )


def features_of(text: str) -> dict[str, float]:
    """What makes the text complex, without what adds nothing."""
    letters = sum(IDEOGRAPH_WEIGHT if character >= FIRST_IDEOGRAPH else 1 for character in text)
    lines = sum(bool(line.strip()) for line in text.splitlines())
    added = {
        "length": share(letters, LENGTH),
        "questions": share(len(QUESTION.findall(text)) - 1, QUESTIONS),
        "reasoning": share(len(words_in(text, REASONING_WORDS)), REASONING),
        "parts": share(lines - 1, PARTS),
        "numbers": share(len(NUMBER.findall(text)), NUMBERS),
        "code": share(bool(CODE_LIKE.search(text)), CODE),
    }
    return {name: amount for name, amount in added.items() if amount > 0}


def share(count: float, feature: tuple[float, float]) -> float:
    each, most = feature
    return round(min(max(count, 0) * each, most), 2)


def words_in(text: str, keywords: tuple[str, ...]) -> tuple[str, ...]:
    """The keywords that are in a text that `plain_text` has returned."""
    return tuple(keyword for keyword in keywords if pattern_of(keyword).search(text))


def plain_text(text: str) -> str:
    """The text in lower case, with full-width letters and digits made half-width."""
    return unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=10_000)
def pattern_of(keyword: str) -> re.Pattern[str]:
    """Finds a keyword: letters as a whole word, or with `*` at the end as its beginning; ideographs
    anywhere, for nothing sets Chinese words apart."""
    word = plain_text(keyword.removesuffix("*").strip())
    start = r"(?<![a-z0-9])" if word[:1].isascii() else ""
    end = r"(?![a-z0-9])" if word[-1:].isascii() and not keyword.endswith("*") else ""
    return re.compile(start + re.escape(word) + end)

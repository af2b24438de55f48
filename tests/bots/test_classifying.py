from __future__ import annotations

import pytest

from bots import intents
from bots.classifying import classify

KNOWN = [
    ("complaint", ("unacceptable", "complain*", "投诉")),
    ("refund", ("refund*", "money back", "退款")),
    ("greeting", ("hi", "你好")),
]


@pytest.mark.parametrize(
    "text, intent, words",
    [
        ("I want a REFUND", "refund", ["refund*"]),
        ("Refunded twice!", "refund", ["refund*"]),
        ("ｒｅｆｕｎｄ please", "refund", ["refund*"]),
        ("this is high", "", []),
        ("Hi, I want my money back", "refund", ["money back"]),
        ("我要退款！", "refund", ["退款"]),
        ("你好，我要投诉", "complaint", ["投诉"]),
        ("complain about a refund: my money back", "refund", ["refund*", "money back"]),
        ("", "", []),
    ],
)
def test_the_intent_is_the_one_with_most_keywords_then_the_first(
    text: str, intent: str, words: list[str]
) -> None:
    verdict = classify(text, KNOWN)
    assert (verdict.intent, list(verdict.words)) == (intent, words)


def test_a_greeting_is_simple() -> None:
    assert classify("你好", KNOWN).complexity < 0.05


@pytest.mark.parametrize(
    "text, features",
    [
        ("why? and how?", {"length", "questions", "reasoning"}),
        ("```\nx = 1\n```", {"length", "parts", "numbers", "code"}),
        ("我的班级 has a class and an import business", {"length"}),
        ("请比较这两个方案", {"length", "reasoning"}),
    ],
)
def test_complexity_is_a_sum_of_features(text: str, features: set[str]) -> None:
    verdict = classify(text, KNOWN)
    assert set(verdict.features) == features
    assert verdict.complexity == pytest.approx(sum(verdict.features.values()))


def test_harder_questions_are_more_complex() -> None:
    texts = [
        "hi",
        "How much is it?",
        "Why does my router lose its connection every evening, and what can I do about it?",
        "Compare both plans step by step, explain the difference, calculate the price:\n1. 9.90\n2. 19.90",
    ]
    found = [classify(text, KNOWN).complexity for text in texts]
    assert found == sorted(found)
    assert found[0] < 0.1 < 0.2 < found[2] < 0.6 < found[3] <= 1


def test_complexity_ends_at_one() -> None:
    assert classify("why? compare! explain; 1 2 3 4 5 6\n" * 500, KNOWN).complexity == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text, intent",
    [
        ("This is unacceptable, I want to complain", "complaint"),
        ("你们太差了，我要投诉", "complaint"),
        ("怎么退款？", "refund"),
        ("Where is my parcel?", "order"),
        ("快递到哪了", "order"),
        ("the app crashes when I log in", "technical"),
        ("可以开发票吗", "payment"),
        ("How much is it?", "purchase"),
        ("Hello!", "greeting"),
        ("What is the meaning of life", ""),
    ],
)
def test_intents_that_are_there_from_the_beginning(text: str, intent: str) -> None:
    assert classify(text, intents.known()).intent == intent

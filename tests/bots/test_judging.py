from __future__ import annotations

import pytest

from bots.classifying import Verdict
from bots.judging import LONGEST_TEXT, SHOWN_KEYWORDS, prompt_for, read_verdict

INTENTS = [("complaint", ("bad", "投诉")), ("weather", tuple(f"word{n}" for n in range(SHOWN_KEYWORDS + 1)))]


def test_the_prompt_names_the_intents_and_holds_the_message() -> None:
    system, user = prompt_for("x" * (LONGEST_TEXT + 1), INTENTS).messages

    assert "- complaint: bad, 投诉\n- weather: word0" in system.content
    assert f"word{SHOWN_KEYWORDS}" not in system.content
    assert (system.role, user.role, user.content) == ("system", "user", "x" * LONGEST_TEXT)


@pytest.mark.parametrize(
    "answer, intent, complexity",
    [
        ('{"intent": "complaint", "complexity": 0.5}', "complaint", 0.5),
        ('```json\n{"complexity": 1,\n "intent": ""}\n```', "", 1.0),
        ('Sure: {"intent": "weather", "complexity": 0, "why": "rain"}. Anything else?', "weather", 0.0),
    ],
)
def test_a_verdict_is_found_in_an_answer(answer: str, intent: str, complexity: float) -> None:
    verdict = read_verdict(answer, INTENTS)

    assert verdict == Verdict(intent=intent, complexity=complexity, source="model")


@pytest.mark.parametrize(
    "answer, reason",
    [
        ("", "no JSON object"),
        ("complaint", "no JSON object"),
        ("{intent: complaint}", "property name"),
        ('{"intent": "complaint"}', "complexity"),
        ('{"intent": "refund", "complexity": 0.5}', "intent"),
        ('{"intent": null, "complexity": 0.5}', "intent"),
        ('{"intent": ["complaint"], "complexity": 0.5}', "intent"),
        ('{"intent": "complaint", "complexity": 1.5}', "complexity"),
        ('{"intent": "complaint", "complexity": NaN}', "complexity"),
        ('{"intent": "complaint", "complexity": true}', "complexity"),
        ('{"intent": "complaint", "complexity": "0.5"}', "complexity"),
    ],
)
def test_anything_else_is_no_verdict(answer: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_verdict(answer, INTENTS)

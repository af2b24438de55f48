"""The seam between what one model said and what the next one adds, however its answer is cut in pieces."""

from __future__ import annotations

import pytest

from bots.llms.base import ChatMessage, Prompt
from bots.llms.continuing import GO_ON, continued, without_repetition

QUESTION = Prompt(messages=(ChatMessage(role="user", content="Hello"),), user="u1")

SEAMS = {  # what was said, what the next model answers, what is left of that
    "goes on": ("one two", " three", " three"),
    "goes on within a word": ("one two thr", "ee four", "ee four"),
    "repeats the end": ("one two three", "two three four", " four"),
    "repeats the word that was cut": ("one two thr", "three four", "ee four"),
    "repeats all of it": ("Hello there, I am", "Hello there, I am Ada.", " Ada."),
    "repeats after white space": ("one two three", "\n\ntwo three four", " four"),
    "repeats after an ellipsis": ("one two thr", "...two three", "ee"),
    "repeats what occurs twice": ("ab ab ab", "ab ab", ""),
    "has nothing to add": ("All is said.", "All is said.", ""),
    "repeats in Chinese": ("今天天气很好，我们可以", "我们可以去公园。", "去公园。"),
    "one ideograph alike is chance": ("多谢", "谢你", "谢你"),
    "a letter alike within words is chance": ("I like bana", "na and apples", "na and apples"),
    "white space alike is chance": ("one\n", "\ntwo", "\ntwo"),
    "reads like the beginning, then not": ("I am Ada. I like tea", "I am Bea.", "I am Bea."),
    "longer than what was said": ("Hi", "Hi Hi Hi Hi there", " Hi Hi Hi there"),
}


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("seam", SEAMS)
def test_nothing_is_said_twice_and_nothing_left_out(seam: str, size: int) -> None:
    said, answer, news = SEAMS[seam]
    assert "".join(without_repetition(pieces(answer, size), said)) == news


def test_an_answer_from_the_beginning_is_left_alone() -> None:
    assert list(without_repetition(["one ", "one "], "")) == ["one ", "one "]


def test_text_is_held_back_only_while_it_reads_like_something_said() -> None:
    answer = iter(without_repetition(iter(["two ", "three", "!", " four"]), "one two three"))
    assert next(answer) == "!"
    assert next(answer) == " four"


def test_the_next_model_sees_what_was_said_as_its_own_words() -> None:
    assert continued(QUESTION, "one two") == Prompt(
        messages=(
            *QUESTION.messages,
            ChatMessage(role="assistant", content="one two"),
            ChatMessage(role="user", content=GO_ON),
        ),
        user="u1",
    )
    assert continued(QUESTION, "") == QUESTION

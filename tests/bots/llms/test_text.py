from __future__ import annotations

import itertools

import pytest

from bots.llms.text import Mender, ThinkTags


def split(pieces: list[str]) -> tuple[str, str]:
    """What the tags make of the pieces: → thinking, answer."""
    tags = ThinkTags()
    parts = [*(tags.feed(piece) for piece in pieces), tags.finish()]
    return "".join(thought for thought, _ in parts), "".join(answer for _, answer in parts)


@pytest.mark.parametrize(
    "text, thinking, answer",
    [
        ("Hello", "", "Hello"),
        ("<think>a < b</think>Hello", "a < b", "Hello"),
        ("\n<think>\n</think>\n\nHello", "\n", "Hello"),
        ("<think>one</think><think>two</think> Hello", "onetwo", "Hello"),
        ("<think>cut", "cut", ""),
        ("<think>cut</thi", "cut</thi", ""),
        ("<thin", "", "<thin"),
        ("<thinker> Hello", "", "<thinker> Hello"),
        ("Say <think>aloud</think>", "", "Say <think>aloud</think>"),
        ("", "", ""),
    ],
)
def test_leading_think_tags_wherever_they_are_cut(text: str, thinking: str, answer: str) -> None:
    for first, second in itertools.combinations_with_replacement(range(len(text) + 1), 2):
        assert split([text[:first], text[first:second], text[second:]]) == (thinking, answer)


def test_answer_is_not_held_back_behind_the_tags() -> None:
    tags = ThinkTags()
    assert tags.feed("<think>hm</think>Hel") == ("hm", "Hel")
    assert tags.feed("lo <") == ("", "lo <")


def test_thinking_is_not_held_back_beyond_a_possible_tag() -> None:
    tags = ThinkTags()
    assert tags.feed("<think>a < b </t") == ("a < b ", "")
    assert tags.feed("o be") == ("</to be", "")


@pytest.mark.parametrize(
    "pieces, mended",
    [
        (["Hi ", "\ud83d", "\ude00!"], ["Hi ", "", "😀!", ""]),
        (["\ud83d", "x"], ["", "\ufffdx", ""]),
        (["\ude00"], ["\ufffd", ""]),
        (["a\ud83d"], ["a", "\ufffd"]),
        (["a\0b", "é\0"], ["ab", "é", ""]),
        (["😀", "你"], ["😀", "你", ""]),
    ],
)
def test_characters_are_made_whole(pieces: list[str], mended: list[str]) -> None:
    mender = Mender()
    assert [*map(mender.feed, pieces), mender.finish()] == mended

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bots.text import clean_json, clean_text, shorten, split_at

FAMILY = "👨\u200d👩\u200d👧"
FLAG = "🇨🇳"
ACCENTED = "e\u0301"

PIECES = ["a", "b", " ", "\n", "\r\n", ".", "。", "”", "中", "😀", FAMILY, FLAG, ACCENTED]
texts = st.lists(st.sampled_from(PIECES), max_size=80).map("".join)


def at_most(length: int) -> Callable[[str], bool]:
    return lambda text: len(text) <= length


def at_most_bytes(length: int) -> Callable[[str], bool]:
    return lambda text: len(json.dumps(text, ensure_ascii=False).encode()) <= length


# Cutting


@given(texts, st.integers(0, 60))
def test_nothing_is_lost_and_something_is_said(text: str, length: int) -> None:
    head, tail = split_at(text, at_most(length))

    assert head + tail == text
    assert bool(head) == bool(text)


@given(texts, st.integers(4, 90))
def test_head_fits(text: str, length: int) -> None:
    head, _ = split_at(text, at_most_bytes(length))

    assert at_most_bytes(length)(head) or len(head) == 1


@given(texts, st.integers(10, 60))
def test_no_character_is_cut(text: str, length: int) -> None:
    head, tail = split_at(text, at_most(length))

    assert regex.findall(r"\X", text) == regex.findall(r"\X", head) + regex.findall(r"\X", tail)


@given(texts, st.integers(10, 60))
def test_head_is_at_least_half_of_what_fits(text: str, length: int) -> None:
    head, tail = split_at(text, at_most(length))

    assert not tail or len(head) >= length // 2


@given(texts, st.integers(10, 60), st.integers(0, 60))
def test_what_was_shown_stays(text: str, length: int, shown: int) -> None:
    shown = min(shown, length - len(FAMILY))
    head, _ = split_at(text, at_most(length), at_least=shown)

    assert len(head) >= min(shown, len(text))


@pytest.mark.parametrize(
    "text, head",
    [
        ("First one. And\n\nsecond. Third part is long", "First one. And\n\n"),
        ("First one. And\n \n\n  second third part is long", "First one. And\n \n\n  "),
        ("First one. And\nsecond. Third part is long", "First one. And\n"),
        ("First one, quite long. Third part is long", "First one, quite long. "),
        ("He said “it is late.” And then he went home", "He said “it is late.” "),
        ("Version 3.14 is the top, says he. Third part", "Version 3.14 is the top, "),
        (
            "第一句话比较长一些。“第二句话也很长很长很长！”第三句话",
            "第一句话比较长一些。“第二句话也很长很长很长！”",
        ),
        (
            "一二三四五六七八九十一二三四五六七八，九十一二三四五六七",
            "一二三四五六七八九十一二三四五六七八，",
        ),
        ("just words that are followed by more words", "just words that are "),
        ("x" * 40, "x" * 25),
        ("a. " + "x" * 40, "a. " + "x" * 22),
    ],
)
def test_cut_is_where_it_hurts_least(text: str, head: str) -> None:
    assert split_at(text, at_most(25)) == (head, text.removeprefix(head))


def test_seam_before_what_was_shown_is_no_choice() -> None:
    text = "First one. And then. " + "x" * 40

    assert split_at(text, at_most(30))[0] == "First one. And then. "
    assert split_at(text, at_most(30), at_least=25)[0] == text[:30]


@pytest.mark.parametrize("cluster", [FAMILY, FLAG, ACCENTED, "\r\n", "👍🏽"], ids=ascii)
def test_character_of_several_code_points_stays_whole(cluster: str) -> None:
    assert split_at(f"x{cluster}", at_most(len(cluster))) == ("x", cluster)


def test_text_that_fits_is_not_cut() -> None:
    assert split_at("One. Two.", at_most(9)) == ("One. Two.", "")
    assert split_at("", at_most(0)) == ("", "")


def test_where_nothing_fits_one_character_goes() -> None:
    assert split_at("abc", at_most(0)) == ("a", "bc")


def test_character_longer_than_the_room_is_cut_after_all() -> None:
    assert split_at(FAMILY, at_most(2)) == (FAMILY[:2], FAMILY[2:])


def test_cutting_asks_a_few_times_only() -> None:
    asked = []

    def fits(text: str) -> bool:
        asked.append(text)
        return len(text) <= 12_345

    split_at("x" * 1_000_000, fits)
    assert len(asked) < 25


# Cleaning


@pytest.mark.parametrize(
    "text, clean",
    [
        ("plain", "plain"),
        ("中文 😀", "中文 😀"),
        ("a\0b", "ab"),
        ("\0中", "中"),
        ("\ud83d", "\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("", ""),
    ],
    ids=ascii,
)
def test_clean_text(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_clean_text_can_be_stored(text: str) -> None:
    clean = clean_text(text)

    assert "\0" not in clean
    assert clean.encode().decode() == clean
    assert clean_text(clean) == clean


def test_clean_json_reaches_every_text() -> None:
    dirty = {"a\0": ["\0b", {"c": "\ud800"}], "n": 1, "f": 1.5, "t": True, "none": None}

    assert clean_json(dirty) == {"a": ["b", {"c": "\ufffd"}], "n": 1, "f": 1.5, "t": True, "none": None}


# Shortening


@pytest.mark.parametrize(
    "text, line",
    [
        ("Hello", "Hello"),
        (" One\n\n two ", "One two"),
        ("exactly 10", "exactly 10"),
        ("one more than", "one more…"),
        ("a " * 100, "a a a a a…"),
        ("x" * 11, "x" * 9 + "…"),
        (f"12345678{FAMILY}", "12345678…"),
        ("", ""),
    ],
)
def test_shorten(text: str, line: str) -> None:
    assert shorten(text, 10) == line

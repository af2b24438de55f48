"""Whatever the pieces are in which a text comes: nothing blocked gets through, and all else does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.safety import personal
from bots.safety.findings import Blocked
from bots.safety.folding import GAP, NOTHING, fold, letters_of
from bots.safety.patterns import Pattern, Patterns, patterns_of, scoped
from bots.safety.personal import Masker, Placeholders, Restorer
from bots.safety.streams import PatternFilter, StreamFilter, WordFilter, through
from bots.safety.words import Words, findings_of

WORDS = ["赌博", "法轮大法", "forbidden", "for", "博彩网站", "eins zwei", "ab", "ba"]
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
TRADITIONAL = str.maketrans("赌轮", "賭輪")
INVISIBLE = ["\u200b", "\u200d", "\u00ad", "\ufeff", "\u0301", "\ufe0f"]
VISIBLE = [" ", "\u3000", "*", "·", "-", "。", "～", "_", "\n", "+", "😀", "\u3164"]


def pieces_of(text: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def passed(filters: Sequence[StreamFilter], pieces: Sequence[str]) -> str:
    return "".join(through(filters, pieces))


@st.composite
def variants(draw: st.DrawFn, word: str) -> str:
    """A word as someone writes it who does not want it found."""
    is_latin = word.isascii()
    noise = st.text(st.sampled_from(INVISIBLE if is_latin else INVISIBLE + VISIBLE), max_size=3)
    letters = word.replace(" ", "")
    ways = [[c, c.upper(), c.translate(WIDE), c.translate(TRADITIONAL)] for c in letters]
    return draw(noise).join(draw(st.sampled_from(way)) for way in ways)


cuts = st.lists(st.integers(0, 200), max_size=12)
texts = st.text(st.sampled_from("赌博法轮大彩网站forbidenab 。*\u200b😀\n"), max_size=30)


@given(st.sampled_from(WORDS).flatmap(variants), texts, texts, cuts)
def test_a_blocked_word_gets_through_in_no_variant_and_no_pieces(
    word: str, before: str, after: str, cuts: list[int]
) -> None:
    text = before + word + after
    words = Words(findings_of(WORDS, "words"))
    let_go: list[str] = []
    with pytest.raises(Blocked):
        let_go.extend(through([WordFilter(words)], pieces_of(text, cuts)))
    places = words.places(fold(text), letters_of(fold(text)))
    assert all(place.end > len("".join(let_go)) for place in places)


@given(st.sampled_from(["forbidden", "for"]), st.sampled_from(VISIBLE), cuts)
def test_a_latin_word_is_found_with_blanks_where_it_stands_by_itself(
    word: str, gap: str, cuts: list[int]
) -> None:
    text = f"This is {gap.join(word)} here"
    with pytest.raises(Blocked):
        passed([WordFilter(Words(findings_of(WORDS, "words")))], pieces_of(text, cuts))


@given(texts, cuts)
def test_it_is_the_text_that_decides_and_not_its_pieces(text: str, cuts: list[int]) -> None:
    words = Words(findings_of(WORDS, "words"))
    if words.find(text):
        with pytest.raises(Blocked):
            passed([WordFilter(words)], pieces_of(text, cuts))
    else:
        assert passed([WordFilter(words)], pieces_of(text, cuts)) == text


@given(st.text(max_size=60), cuts)
def test_what_is_not_blocked_arrives_whole(text: str, cuts: list[int]) -> None:
    filters: list[StreamFilter] = [
        WordFilter(Words({})),
        PatternFilter(patterns_of([r"\bnever said\b"], "patterns")),
    ]
    assert passed(filters, pieces_of(text, cuts)) == text


@given(st.text(max_size=30))
def test_folding_keeps_places(text: str) -> None:
    assert len(fold(text)) == len(text)


@pytest.mark.parametrize("text, folded", [
    ("ＡＢＣ", "abc"), ("賭博裡", "赌博里"), ("é", "e"), ("e\u0301", f"e{NOTHING}"), ("①", "1"), ("㊙", "秘"),
    ("が", "が"), ("ß", "ß"), ("a b", f"a{GAP}b"), ("İ", "i"), ("한", "한"),
])  # fmt: skip
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_words_inside_others_are_left_alone_where_blanks_part_them() -> None:
    words = Words(findings_of(["ass"], "words"))
    assert words.find("as some say") is None
    assert words.find("an a s s here")
    assert passed([WordFilter(words)], ["as", " s", "ome"]) == "as some"


def test_only_what_may_begin_a_word_is_held_back() -> None:
    filter_ = WordFilter(Words(findings_of(["博彩网站"], "words")))
    assert filter_.feed("你好，博") == "你好，"
    assert filter_.feed("彩") == ""
    assert filter_.feed("票吗") == "博彩票吗"
    assert filter_.finish() == ""


PATTERNS = [
    r"\d{4}-secret",
    r"(?i)\bstop\b",
    r"(?<!un)happy!",
    r"key:\s*\w{6}",
    r"(?P<x>[pS])(?P=x)\1",
    "a|bcd",
]


@given(st.text(st.sampled_from("0123-secretSTOP unhpy! key:bcd\n"), max_size=40), cuts)
def test_patterns_are_found_in_any_pieces(text: str, cuts: list[int]) -> None:
    patterns = [Pattern(expression, "patterns") for expression in PATTERNS]
    if any(pattern.is_in(text) for pattern in patterns):
        with pytest.raises(Blocked):
            passed([PatternFilter(Patterns(patterns))], pieces_of(text, cuts))
    else:
        assert passed([PatternFilter(Patterns(patterns))], pieces_of(text, cuts)) == text


@given(st.text(st.sampled_from("ab!stop1 S\n"), max_size=30), cuts)
def test_expressions_that_do_not_look_back_are_found_in_any_pieces(text: str, cuts: list[int]) -> None:
    patterns = patterns_of([r"(?i)\bstop\b", r"\b!1", r"\B1\s", r"(?m)^a$", "b(?=S)"], "patterns")
    if any(pattern.is_in(text) for pattern in patterns.suspects(text)):
        with pytest.raises(Blocked):
            passed([PatternFilter(patterns)], pieces_of(text, cuts))
    else:
        assert passed([PatternFilter(patterns)], pieces_of(text, cuts)) == text


def test_what_cannot_be_checked_in_time_does_not_leave() -> None:
    with pytest.raises(Blocked) as blocked:
        passed([PatternFilter(patterns_of([r"(a|aa)+b\d"], "patterns"))], ["a" * 200 + "b!"])
    assert blocked.value.finding.rule == r"(a|aa)+b\d"


DATA = ["13800138000", "+1 650-253-0000", "11010519491231002X", "4111 1111 1111 1111", "a.b@example.com"]
with_data = st.lists(
    st.one_of(st.sampled_from(DATA), st.text(st.sampled_from("0189 -+@.ab中，x("), max_size=8)), max_size=6
).map("".join)


@given(with_data, cuts)
def test_personal_data_is_masked_alike_in_any_pieces(text: str, cuts: list[int]) -> None:
    assert passed([Masker()], pieces_of(text, cuts)) == personal.mask(text)


@given(with_data, cuts)
def test_placeholders_are_put_back_in_any_pieces(text: str, cuts: list[int]) -> None:
    placeholders = Placeholders()
    covered = placeholders.cover(text)
    restored = covered
    for name, data in placeholders.data.items():
        restored = restored.replace(name, data)
    filters = [Restorer(placeholders)] if placeholders.data else []
    assert passed(filters, pieces_of(covered, cuts)) == restored


@pytest.mark.parametrize("expression, part", [
    ("a|b", "(?:a|b)"), ("(?i)a", "(?i:a)"), (r"(a)\1", ""), ("(?P<x>a)", ""),
    (r"(?<=a)b(?!c)", "(?:(?<=a)b(?!c))"), ("a(?i)b", ""), ("(?x)a # )", ""),
])  # fmt: skip
def test_expressions_are_joined_where_they_stay_the_same(expression: str, part: str) -> None:
    assert scoped(expression) == part

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bots.errors import CallbackMalformed, VendorUnreachable
from bots.vendors.reading import MAX_NUMBER, Fields

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def fields(**source: object) -> Fields:
    return Fields(source)


@pytest.mark.parametrize("number", [5, "5", "0005"])
def test_number_may_come_as_text(number: object) -> None:
    assert fields(n=number).number("n") == 5


@pytest.mark.parametrize(
    "number", [True, -1, "-1", 1.5, "1.5", "", "٣", MAX_NUMBER + 1, "9" * 400, []], ids=ascii
)
def test_what_is_no_number(number: object) -> None:
    with pytest.raises(CallbackMalformed, match="n is not a whole number"):
        fields(n=number).number("n")


def test_what_is_absent_or_null_is_the_default() -> None:
    assert fields(a=None).text("a", "-") == fields().text("a", "-") == "-"
    assert fields(a=None).number("a", 7) == 7
    assert fields(a=None).time("a", NOON) == NOON
    assert fields().objects("a", []) == []


def test_what_must_be_there_is_named() -> None:
    for read in (
        fields().text,
        fields().id,
        fields().number,
        fields().time,
        fields().object,
        fields().objects,
    ):
        with pytest.raises(CallbackMalformed, match=r"^a is missing$"):
            read("a")


def test_time_in_seconds_and_in_milliseconds() -> None:
    assert fields(t=1793534400).time("t") == NOON
    assert fields(t="1793534400000").time("t", per_second=1000) == NOON


def test_what_is_no_time() -> None:
    with pytest.raises(CallbackMalformed, match="t is not a time"):
        fields(t=MAX_NUMBER).time("t")


def test_path_leads_to_what_is_wrong() -> None:
    whole = fields(a={"b": [{"c": 1}, {"c": "x"}]})
    _, second = whole.object("a").objects("b")

    with pytest.raises(CallbackMalformed, match=r"^a\.b\[1\]\.c is not a whole number$"):
        second.number("c")


def test_error_is_the_callers_choice() -> None:
    with pytest.raises(VendorUnreachable, match="answer: a is missing"):
        Fields({}, path="answer: ", error=VendorUnreachable).text("a")

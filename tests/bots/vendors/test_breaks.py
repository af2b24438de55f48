from __future__ import annotations

import pytest

from bots.events import Address
from bots.vendors.breaks import BREAK_S, CACHE_S, EditingBreaks
from bots.vendors.memory import Memory

ALICE = Address(kind="peer", id="alice")
CLUB = Address(kind="group", id="club")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def breaks(memory: Memory, clock: Clock) -> EditingBreaks:
    return EditingBreaks(lambda: memory, clock)


@pytest.mark.parametrize("place", [ALICE, CLUB])
def test_account_that_may_not_edit_is_tried_again_later(
    breaks: EditingBreaks, clock: Clock, place: Address
) -> None:
    assert not breaks.covers(place)
    breaks.begin(None, note="No edits.")

    clock.now += BREAK_S - 1
    assert breaks.covers(place)
    clock.now += 1
    assert not breaks.covers(place)


def test_group_that_takes_no_edits_is_not_the_account(breaks: EditingBreaks, memory: Memory) -> None:
    breaks.begin(CLUB, note="No edits.")

    assert breaks.covers(CLUB)
    assert not breaks.covers(Address(kind="group", id="other"))
    assert not breaks.covers(Address(kind="peer", id="club"))
    assert "note" not in memory.read()


def test_note_lasts_as_long_as_the_break(breaks: EditingBreaks, memory: Memory, clock: Clock) -> None:
    breaks.begin(None, note="No edits.")

    assert (memory.read()["note"], memory.read()["note_until"]) == ("No edits.", clock.now + BREAK_S)


def test_other_worker_learns_of_it(breaks: EditingBreaks, memory: Memory, clock: Clock) -> None:
    other = EditingBreaks(lambda: memory, clock)
    assert not other.covers(ALICE)
    breaks.begin(None, note="No edits.")

    clock.now += CACHE_S
    assert other.covers(ALICE)


def test_memory_is_not_asked_for_each_answer(
    breaks: EditingBreaks, memory: Memory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks.covers(ALICE)
    monkeypatch.setattr(memory, "read", lambda: pytest.fail("asked again"))

    clock.now += CACHE_S / 2
    assert not breaks.covers(ALICE)


def test_breaks_of_several_workers_are_all_kept_until_they_end(
    breaks: EditingBreaks, memory: Memory, clock: Clock
) -> None:
    breaks.covers(ALICE)
    EditingBreaks(lambda: memory, clock).begin(CLUB, note="")
    clock.now += BREAK_S / 2
    breaks.begin(None, note="")
    assert breaks.covers(CLUB)
    assert len(memory.read()["edits_again_at"]) == 2

    clock.now += BREAK_S
    breaks.begin(None, note="")
    assert len(memory.read()["edits_again_at"]) == 1

from __future__ import annotations

import time
from itertools import pairwise, takewhile

import pytest

from bots.models import VendorAccount
from bots.pace import SLACK_S, TRY_HORIZON_S, reserve_slot, try_slot
from tests.support.factories import make_account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]

SEND, EDIT = VendorAccount.Call.SEND, VendorAccount.Call.EDIT
RATE = 20
ROUND_TRIP_S = 0.02  # between the database's clock and ours, in the worst case


@pytest.fixture
def account() -> VendorAccount:
    return make_account(limits={"send_per_s": RATE, "edit_per_s": RATE})


def departures(account: VendorAccount, count: int, *, weight: float = 1.0) -> list[float]:
    """When so many calls leave that have to be made, all asked for at once."""
    return [time.monotonic() + reserve_slot(account, EDIT, weight=weight) for _ in range(count)]


def test_first_call_leaves_at_once(account: VendorAccount) -> None:
    assert reserve_slot(account, EDIT) == 0


def test_no_second_sees_more_calls_than_allowed_even_if_some_take_longer(account: VendorAccount) -> None:
    leaving = departures(account, 3 * RATE)

    for first, one_too_many in zip(leaving, leaving[RATE:], strict=False):
        assert one_too_many - first > 1 + SLACK_S - ROUND_TRIP_S


def test_forty_calls_that_have_to_be_made_leave_within_three_seconds(account: VendorAccount) -> None:
    leaving = departures(account, 40)

    assert leaving[-1] - leaving[0] < 2.5


def test_kinds_of_calls_do_not_wait_for_one_another(account: VendorAccount) -> None:
    departures(account, 10)

    assert reserve_slot(account, SEND) == 0


def test_call_that_counts_as_several_leaves_room(account: VendorAccount) -> None:
    leaving = departures(account, 5, weight=2.0)

    assert all(later - earlier > 2 / RATE - ROUND_TRIP_S for earlier, later in pairwise(leaving))


def test_call_that_may_be_skipped_is_not_put_into_the_queue(account: VendorAccount) -> None:
    departures(account, 10)

    assert try_slot(account, EDIT) is None
    [next_one] = departures(account, 1)
    assert next_one - time.monotonic() < 11 * (1 + SLACK_S) / RATE


def test_calls_that_may_be_skipped_leave_room_for_those_that_may_not(account: VendorAccount) -> None:
    tries = list(takewhile(lambda wait: wait is not None, (try_slot(account, EDIT) for _ in range(100))))

    assert 0 < len(tries) < 100
    assert reserve_slot(account, EDIT) <= TRY_HORIZON_S + (1 + SLACK_S) / RATE

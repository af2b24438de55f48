from __future__ import annotations

from collections.abc import Iterator

import pytest

from bots import draining


@pytest.fixture
def after_the_deadline() -> Iterator[None]:
    draining.must_stop.set()
    yield
    draining.must_stop.clear()


def test_before_the_deadline_jobs_go_on() -> None:
    draining.stop_if_told()

    assert not draining.deadline_passed()


@pytest.mark.usefixtures("after_the_deadline")
def test_after_the_deadline_jobs_stop() -> None:
    with pytest.raises(draining.WorkerStopping):
        draining.stop_if_told()

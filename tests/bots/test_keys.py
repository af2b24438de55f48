from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bots.keys import KeyMaker, milliseconds_of, new_key

NOW = 1_761_998_400.123


def test_key_tells_when_it_was_drawn() -> None:
    assert milliseconds_of(KeyMaker(now=lambda: NOW).new_key()) == 1_761_998_400_123


def test_keys_rise_within_a_millisecond() -> None:
    maker = KeyMaker(now=lambda: NOW)
    keys = [maker.new_key() for _ in range(1000)]

    assert keys == sorted(set(keys))


def test_keys_rise_while_the_clock_is_set_back() -> None:
    clock = iter([NOW, NOW - 60])
    maker = KeyMaker(now=lambda: next(clock))

    assert maker.new_key() < maker.new_key()


def test_processes_that_draw_at_once_differ() -> None:
    assert len({KeyMaker(now=lambda: NOW).new_key() for _ in range(10)}) > 1


def test_threads_draw_different_keys() -> None:
    maker = KeyMaker()
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: maker.new_key(), range(2000)))

    assert len(set(keys)) == 2000


def test_key_fits_a_column() -> None:
    assert 0 < new_key() < 2**63
    assert KeyMaker(now=lambda: 7_258_118_400.0).new_key() < 2**63  # in the year 2200

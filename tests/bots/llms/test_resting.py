"""A reader that has time lets text gather."""

from __future__ import annotations

import threading

from tests.bots.llms.conftest import Providers
from tests.bots.llms.provider import DONE, LAST_FRAME, Exchange, ended, framed, head, said


def test_what_comes_during_a_rest_is_read_after_it(providers: Providers) -> None:
    is_resting = threading.Event()

    def answer(exchange: Exchange) -> None:
        exchange.send(head() + framed(said("One ")))
        is_resting.wait()
        exchange.send(framed(said("two ")))
        exchange.send(framed(said("three")) + framed(ended()) + framed(DONE) + LAST_FRAME)

    stream = providers.ask(providers.start(answer))
    pieces = [next(stream)]
    stream.rest(0.1)
    is_resting.set()
    pieces += stream

    assert pieces == ["One ", "two ", "three"]
    assert stream.finish_reason == "stop"

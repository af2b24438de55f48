"""What is done while a model thinks."""

from __future__ import annotations

import threading

import pytest

from tests.bots.llms.conftest import Providers
from tests.bots.llms.provider import Exchange, saying

PATIENCE_S = 5.0


def test_it_is_done_when_the_request_has_left_and_before_the_answer_is_waited_for(
    providers: Providers,
) -> None:
    has_come, is_done = threading.Event(), threading.Event()

    def answer(exchange: Exchange) -> None:
        has_come.set()
        saying("Hi" if is_done.wait(PATIENCE_S) else "too late")(exchange)

    def act() -> None:
        if has_come.wait(PATIENCE_S):
            is_done.set()

    stream = providers.ask(answer)
    stream.when_asked(act)

    assert list(stream) == ["Hi"]


def test_what_it_raises_ends_the_answer(providers: Providers) -> None:
    def fail() -> None:
        raise LookupError("oops")

    provider = providers.start(saying("Hi"))
    stream = providers.ask(provider)
    stream.when_asked(fail)

    with pytest.raises(LookupError, match="oops"):
        next(stream)

    assert list(providers.ask(provider)) == ["Hi"]  # on a connection of its own
    assert [exchange.connection for exchange in provider.exchanges] == [1, 2]

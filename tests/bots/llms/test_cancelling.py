"""Hanging up: at once, from any thread, at any moment."""

from __future__ import annotations

import threading
import time

import pytest

from bots.errors import ModelCancelled, ModelUnreachable
from bots.llms.base import ReplyStream
from bots.llms.http import LONGEST_REST_S
from tests.bots.llms.conftest import Certificate, Providers
from tests.bots.llms.provider import (
    DONE,
    LAST_FRAME,
    Answer,
    Exchange,
    framed,
    head,
    said,
    saying,
    then_waiting,
)

AT_ONCE_S = 0.5  # milliseconds, in fact; but the machine may be busy


class Listener(threading.Thread):
    """Reads a stream to its end in a thread of its own."""

    def __init__(self, stream: ReplyStream) -> None:
        super().__init__()
        self.stream = stream
        self.error: Exception | None = None
        self.has_text = threading.Event()

    def run(self) -> None:
        try:
            for _ in self.stream:
                self.has_text.set()
        except Exception as error:
            self.error = error


def silent(exchange: Exchange) -> None:
    exchange.wait_for_hang_up()


def unchunked(exchange: Exchange) -> None:
    exchange.send(head(chunked=False) + said("Hi"))
    exchange.wait_for_hang_up()


@pytest.mark.parametrize("answer", [then_waiting(said("Hi")), unchunked])
@pytest.mark.parametrize("is_tls", [False, True])
def test_cancel_wakes_the_reader_and_tells_the_server(
    providers: Providers, certificate: Certificate, answer: Answer, is_tls: bool
) -> None:
    providers.client.verify = str(certificate.path)
    provider = providers.start(answer, tls=certificate.server if is_tls else None)
    listener = Listener(providers.ask(provider))
    listener.start()
    assert listener.has_text.wait(5)
    listener.stream.cancel()
    assert provider.exchanges[0].hung_up.wait(AT_ONCE_S)
    listener.join(AT_ONCE_S)
    assert isinstance(listener.error, ModelCancelled)


def test_cancel_tells_the_server_even_if_nobody_reads(providers: Providers) -> None:
    provider = providers.start(then_waiting(said("Hi")))
    stream = providers.ask(provider)
    next(stream)
    stream.cancel()
    assert provider.exchanges[0].hung_up.wait(AT_ONCE_S)
    with pytest.raises(ModelCancelled):
        next(stream)


def test_cancel_works_while_the_server_has_not_answered(providers: Providers) -> None:
    has_asked = threading.Event()

    def answer(exchange: Exchange) -> None:
        has_asked.set()
        silent(exchange)

    provider = providers.start(answer)
    listener = Listener(providers.ask(provider))
    listener.start()
    assert has_asked.wait(5)
    listener.stream.cancel()
    assert provider.exchanges[0].hung_up.wait(AT_ONCE_S)
    listener.join(AT_ONCE_S)
    assert isinstance(listener.error, ModelCancelled)


def test_cancel_before_the_first_step_asks_nothing(providers: Providers) -> None:
    provider = providers.start(saying("Hi"))
    stream = providers.ask(provider)
    stream.cancel()
    with pytest.raises(ModelCancelled):
        next(stream)
    assert provider.exchanges == []


def test_text_that_has_arrived_is_not_yielded_after_a_cancel(providers: Providers) -> None:
    stream = providers.ask(then_waiting(said("Hi", " there", " you")))
    assert next(stream) == "Hi"
    stream.cancel()
    with pytest.raises(ModelCancelled):
        next(stream)
    assert stream.usage.is_estimated


def test_cancel_after_the_end_leaves_the_connection_to_others(providers: Providers) -> None:
    is_cancelled = threading.Event()

    def answer(exchange: Exchange) -> None:
        if len(provider.exchanges) == 1:
            saying("Hi")(exchange)
            return
        exchange.send(head() + framed(said("Hi")))
        if is_cancelled.wait(5):
            exchange.send(framed(said(" again") + DONE) + LAST_FRAME)

    provider = providers.start(answer)
    first = providers.ask(provider)
    list(first)
    second = providers.ask(provider)
    assert next(second) == "Hi"
    first.cancel()
    is_cancelled.set()
    assert list(second) == [" again"]
    assert [exchange.connection for exchange in provider.exchanges] == [1, 1]


def test_stream_that_is_closed_hangs_up(providers: Providers) -> None:
    provider = providers.start(then_waiting(said("Hi")))
    stream = providers.ask(provider)
    next(stream)
    stream.close()
    assert provider.exchanges[0].hung_up.wait(AT_ONCE_S)


def test_close_is_repeatable_and_ends_the_iteration(providers: Providers) -> None:
    stream = providers.ask(then_waiting(said("Hi")))
    next(stream)
    stream.close()
    stream.close()
    assert list(stream) == []


def test_certificates_are_checked(providers: Providers, certificate: Certificate) -> None:
    provider = providers.start(saying("Hi"), tls=certificate.server)
    with pytest.raises(ModelUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        list(providers.ask(provider))


def test_cancel_ends_a_rest(providers: Providers) -> None:
    stream = providers.ask(providers.start(then_waiting(said("Hi"))))
    next(stream)
    stream.rest(60)
    hanging_up = threading.Timer(0.01, stream.cancel)
    hanging_up.start()

    started_at = time.monotonic()
    with pytest.raises(ModelCancelled):
        next(stream)

    assert time.monotonic() - started_at < LONGEST_REST_S

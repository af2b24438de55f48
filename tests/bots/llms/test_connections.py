"""Connections are kept, shared by threads, and given up without anybody noticing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bots.errors import ModelBusy, ModelUnreachable
from tests.bots.llms.conftest import HELLO, Providers, endpoint_at
from tests.bots.llms.provider import Exchange, Provider, failing, said, saying, sending, then_waiting


def connections_of(provider: Provider) -> list[int]:
    return [exchange.connection for exchange in provider.exchanges]


def test_connection_is_used_again_after_an_answer(providers: Providers) -> None:
    provider = providers.start(saying("Hi"))
    for _ in range(3):
        assert list(providers.ask(provider)) == ["Hi"]
    assert connections_of(provider) == [1, 1, 1]


def test_connection_is_used_again_after_a_refusal(providers: Providers) -> None:
    provider = providers.start(failing("429 Too Many Requests", {"error": {"message": "later"}}))
    for _ in range(2):
        with pytest.raises(ModelBusy, match="later"):
            list(providers.ask(provider))
    assert connections_of(provider) == [1, 1]


def test_connection_of_an_unfinished_answer_is_not_used_again(providers: Providers) -> None:
    provider = providers.start(then_waiting(said("Hi")))
    for _ in range(2):
        stream = providers.ask(provider)
        next(stream)
        stream.close()
    assert connections_of(provider) == [1, 2]


def test_stale_connection_is_replaced_unnoticed(providers: Providers) -> None:
    def answer_once_a_connection(exchange: Exchange) -> None:
        if connections_of(provider).count(exchange.connection) > 1:
            exchange.close()
        else:
            saying("Hi")(exchange)

    provider = providers.start(answer_once_a_connection)
    assert list(providers.ask(provider)) == ["Hi"]
    assert list(providers.ask(provider)) == ["Hi"]
    assert connections_of(provider) == [1, 1, 2]


def test_new_connection_that_breaks_is_not_tried_again(providers: Providers) -> None:
    provider = providers.start(Exchange.close)
    with pytest.raises(ModelUnreachable):
        list(providers.ask(provider))
    assert connections_of(provider) == [1]


def test_request_that_was_answered_is_not_sent_again(providers: Providers) -> None:
    def answer(exchange: Exchange) -> None:
        if len(provider.exchanges) == 1:
            saying("Hi")(exchange)
        else:
            exchange.send(b"HTTP/1.1 20")
            exchange.close()

    provider = providers.start(answer)
    list(providers.ask(provider))
    with pytest.raises(ModelUnreachable):
        list(providers.ask(provider))
    assert connections_of(provider) == [1, 1]


def test_nobody_listening_is_unreachable(providers: Providers) -> None:
    with Provider(sending()) as provider:
        url = provider.url
    with pytest.raises(ModelUnreachable, match=r"127\.0\.0\.1:\d+: ConnectionRefusedError"):
        list(providers.client.stream(endpoint_at(url), HELLO))


def test_many_threads_stream_at_once_and_share_connections(providers: Providers) -> None:
    everybody_is_here = threading.Barrier(50)

    def answer(exchange: Exchange) -> None:
        if len(provider.exchanges) <= 50:
            everybody_is_here.wait(10)
        saying("Hi")(exchange)

    provider = providers.start(answer)
    with ThreadPoolExecutor(50) as threads:
        for _ in range(2):
            replies = threads.map(lambda _: list(providers.ask(provider)), range(50))
            assert list(replies) == [["Hi"]] * 50
    assert max(connections_of(provider)) == 50

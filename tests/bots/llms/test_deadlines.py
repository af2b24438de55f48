"""Deadlines hold whatever a server does to look alive."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from bots.errors import ModelRefused, ModelTooSlow
from bots.llms.base import ReplyStream
from bots.llms.openai import OpenAI
from tests.bots.llms.conftest import HELLO, PATIENT, Providers, endpoint_at
from tests.bots.llms.provider import (
    DONE,
    Answer,
    Exchange,
    delta,
    ended,
    event,
    framed,
    head,
    said,
    then_dribbling,
    then_waiting,
)

SHORT_S = 0.2
SOON_S = 2.0  # far above the short deadlines, for busy machines, and far below the patient ones
KEEP_ALIVES = itertools.repeat(framed(b": keep-alive\n\n"))


def is_over_soon(stream: ReplyStream) -> bool:
    return stream.total_s is not None and stream.total_s < SOON_S


def then_nothing(exchange: Exchange) -> None:
    exchange.wait_for_hang_up()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(then_nothing, id="silence"),
        pytest.param(
            then_dribbling(b"HTTP/1.1 200 OK\r\n", itertools.repeat(b"X-Slow: 1\r\n")), id="headers"
        ),
        pytest.param(then_dribbling(b"HTTP/1.1 2", itertools.repeat(b"0")), id="status line"),
        pytest.param(then_waiting(), id="headers and silence"),
        pytest.param(then_dribbling(head(), KEEP_ALIVES), id="comments"),
        pytest.param(then_dribbling(head(), itertools.repeat(framed(b"\n"))), id="blank lines"),
        pytest.param(then_dribbling(head() + b"0", itertools.repeat(b"0")), id="chunk size"),
        pytest.param(
            then_dribbling(head(chunked=False), itertools.repeat(event(delta(role="assistant")))),
            id="no text",
        ),
    ],
)
def test_first_token_deadline(providers: Providers, answer: Answer) -> None:
    stream = providers.ask(answer, replace(PATIENT, first_token_s=SHORT_S))
    with pytest.raises(ModelTooSlow) as caught:
        list(stream)
    assert caught.value.code == "first_token"
    assert is_over_soon(stream)
    assert stream.first_token_s is None


def test_thinking_counts_as_a_beginning(providers: Providers) -> None:
    timeouts = replace(PATIENT, first_token_s=SHORT_S, stall_s=SHORT_S)
    stream = providers.ask(then_waiting(event(delta(reasoning="hm"))), timeouts)
    with pytest.raises(ModelTooSlow) as caught:
        list(stream)
    assert caught.value.code == "stall"
    assert is_over_soon(stream)
    assert stream.first_token_s is None


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(then_waiting(said("Hi")), id="silence"),
        pytest.param(then_dribbling(head() + framed(said("Hi")), KEEP_ALIVES), id="comments"),
    ],
)
def test_stall_deadline(providers: Providers, answer: Answer) -> None:
    stream = providers.ask(answer, replace(PATIENT, stall_s=SHORT_S))
    assert next(stream) == "Hi"
    with pytest.raises(ModelTooSlow) as caught:
        next(stream)
    assert caught.value.code == "stall"
    assert is_over_soon(stream)


def test_total_deadline_ends_even_a_lively_stream(providers: Providers) -> None:
    answer = then_dribbling(head(), itertools.repeat(framed(said("more "))))
    stream = providers.ask(answer, replace(PATIENT, total_s=SHORT_S))
    with pytest.raises(ModelTooSlow) as caught:
        list(stream)
    assert caught.value.code == "total"
    assert is_over_soon(stream)
    assert stream.usage.output > 0


def test_text_moves_the_stall_deadline(providers: Providers) -> None:
    lively = itertools.chain(itertools.repeat(framed(said("more ")), 20), [framed(ended() + DONE)])
    stream = providers.ask(then_dribbling(head(), lively), replace(PATIENT, stall_s=SHORT_S))
    assert list(stream) == ["more "] * 20
    assert stream.total_s is not None
    assert stream.total_s > SHORT_S


@pytest.mark.parametrize("rest", [[], KEEP_ALIVES])
def test_finished_answer_does_not_wait_for_done(
    providers: Providers, monkeypatch: pytest.MonkeyPatch, rest: Iterator[bytes]
) -> None:
    monkeypatch.setattr("bots.llms.http.LAST_WORDS_S", 0.1)
    stream = providers.ask(then_dribbling(head() + framed(said("Hi") + ended()), rest))
    assert list(stream) == ["Hi"]
    assert is_over_soon(stream)


def test_body_that_goes_on_after_done_is_not_awaited(providers: Providers) -> None:
    stream = providers.ask(then_dribbling(head() + framed(said("Hi") + DONE), KEEP_ALIVES))
    assert list(stream) == ["Hi"]
    assert is_over_soon(stream)


def test_reason_of_a_refusal_is_not_awaited_for_long(
    providers: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.llms.http.ERROR_BODY_S", 0.1)
    answer = then_dribbling(head("401 Unauthorized", chunked=False), itertools.repeat(b" "))
    stream = providers.ask(answer)
    with pytest.raises(ModelRefused, match="HTTP 401"):
        list(stream)
    assert is_over_soon(stream)


def test_connect_deadline(client: OpenAI) -> None:
    timeouts = replace(PATIENT, connect_s=SHORT_S)
    with ExitStack() as stack:
        # A full backlog drops what knocks.
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ModelTooSlow) as caught:
            list(client.stream(endpoint_at(url, timeouts), HELLO))
    assert caught.value.code == "connect"


def test_tls_handshake_counts_as_connecting(client: OpenAI) -> None:
    timeouts = replace(PATIENT, connect_s=SHORT_S)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ModelTooSlow) as caught:
            list(client.stream(endpoint_at(url, timeouts), HELLO))
    assert caught.value.code == "connect"

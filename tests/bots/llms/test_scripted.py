from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bots.errors import (
    ModelBusy,
    ModelCancelled,
    ModelError,
    ModelRefused,
    ModelSilent,
    ModelTooSlow,
    ModelUnreachable,
)
from bots.events import JSONDict
from bots.llms.base import ChatMessage, Endpoint, Prompt, ReplyStream, Usage
from bots.llms.scripted import Scripted

PROMPT = Prompt(
    messages=(
        ChatMessage(role="system", content="Be Ada."),
        ChatMessage(role="user", content="Hello"),
        ChatMessage(role="assistant", content="Hi"),
        ChatMessage(role="user", content="What is {count}?"),
    )
)


@pytest.fixture(autouse=True)
def _forget_requests() -> Iterator[None]:
    Scripted.requests.clear()
    yield
    Scripted.requests.clear()


def ask(**params: object) -> ReplyStream:
    return Scripted().stream(Endpoint(slug="script", model="scripted", params=params), PROMPT)


def test_default_answer_shows_what_the_model_saw() -> None:
    answer = "".join(ask())
    assert "“What is {count}?”" in answer
    assert "3 messages" in answer
    assert "“Be Ada.”" in answer


def test_reply_is_filled_and_comes_in_pieces() -> None:
    stream = ask(reply="{message}|{persona}|{count}|{other}", chunk_chars=10)
    assert list(stream) == ["What is {c", "ount}?|Be ", "Ada.|3|{ot", "her}"]
    assert stream.finish_reason == "stop"
    assert stream.usage == Usage(input=9, output=9, is_estimated=True)


def test_requests_are_remembered_in_order() -> None:
    list(ask(reply="one"))
    list(ask(reply="two"))
    assert [asked.endpoint.params["reply"] for asked in Scripted.requests] == ["one", "two"]
    assert Scripted.requests[-1].prompt == PROMPT


@pytest.mark.parametrize(
    "name, kind",
    [
        ("busy", ModelBusy),
        ("refused", ModelRefused),
        ("unreachable", ModelUnreachable),
        ("too_slow", ModelTooSlow),
        ("silent", ModelSilent),
    ],
)
def test_failure_comes_where_it_is_told_to(name: str, kind: type[ModelError]) -> None:
    stream = ask(reply="Hello there", chunk_chars=4, fail=name, fail_after_chars=5)
    assert [next(stream), next(stream)] == ["Hell", "o"]
    with pytest.raises(kind) as caught:
        next(stream)
    assert type(caught.value) is kind


def test_failure_comes_at_once_by_default() -> None:
    with pytest.raises(ModelBusy):
        next(ask(fail="busy"))


@pytest.mark.parametrize("pause", ["first_token_ms", "delay_ms"])
def test_cancel_ends_a_pause(pause: str) -> None:
    stream = ask(reply="Hello there", **{pause: 60_000})
    canceller = threading.Timer(0.05, stream.cancel)
    canceller.start()
    with pytest.raises(ModelCancelled):
        list(stream)
    canceller.join()


def test_empty_reply_is_silence() -> None:
    with pytest.raises(ModelSilent):
        list(ask(reply=""))


@pytest.mark.parametrize(
    "params, complaint",
    [
        ({"temperature": 1}, "temperature: the scripted model knows only reply, chunk_chars"),
        ({"reply": 5}, "reply: must be text"),
        ({"chunk_chars": 0}, "chunk_chars: must be at least 1"),
        ({"chunk_chars": 2.5}, "chunk_chars: must be a whole number"),
        ({"delay_ms": "soon"}, "delay_ms: must be a number"),
        ({"delay_ms": True}, "delay_ms: must be a number"),
        ({"first_token_ms": -1}, "first_token_ms: must be at least 0"),
        ({"fail": "sometimes"}, "fail: must be one of busy, refused"),
    ],
)
def test_wrong_params_are_named(params: JSONDict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Scripted.check_params(params)
    with pytest.raises(ModelRefused, match=complaint):
        list(ask(**params))

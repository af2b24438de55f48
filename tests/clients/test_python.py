"""The Python client against answers that Parley may give; acceptance tests have it against Parley."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parley_client import Parley, ParleyError, ReplyFailed, Unreachable
from tests.bots.llms.provider import Exchange, Provider, failing

type Answer = Callable[[Exchange], None]
type Client = Callable[..., Parley]

SESSION = {"id": "s1", "kind": "chat", "state": "open", "conversation": "c1", "metadata": {}, "new_key": 1}
INVALID = {
    "error": {"code": "invalid", "message": "Wrong.", "fields": {"robot": ["There is no such robot."]}}
}


class Scripted(Provider):
    """Gives these answers one after another, the last again and again."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(self.answer_next)
        self.answers = list(answers)

    def answer_next(self, exchange: Exchange) -> None:
        (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(exchange)


@pytest.fixture
def pauses() -> list[float]:
    """For how long the client has slept."""
    return []


@pytest.fixture
def asking(pauses: list[float]) -> Iterator[Callable[..., tuple[Parley, Scripted]]]:
    opened: list[Any] = []

    def asking(*answers: Answer) -> tuple[Parley, Scripted]:
        provider = Scripted(*answers).__enter__()
        parley = Parley(provider.url, "key", sleep=pauses.append)
        opened.extend((parley, provider))
        return parley, provider

    yield asking
    for each in opened:
        each.__exit__(None, None, None)


def stream_of(*events: tuple[str, Any]) -> Answer:
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    body = (": still here\n\n" + text).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    return lambda exchange: exchange.send(head + body)


def test_a_post_whose_answer_was_lost_is_repeated_under_the_same_key(
    asking: Any, pauses: list[float]
) -> None:
    parley, provider = asking(lambda exchange: exchange.close(), failing("201 Created", SESSION))

    session = parley.open_chat(robot="ada", user_id="alice")

    keys = {exchange.headers["idempotency-key"] for exchange in provider.exchanges}
    assert (session.id, session.im, len(provider.exchanges), len(keys)) == ("s1", None, 2, 1)
    assert pauses == [0.5]


def test_who_is_told_to_wait_waits(asking: Any, pauses: list[float]) -> None:
    throttled = failing("429 Too Many Requests", INVALID, "Retry-After: 7")
    parley, _ = asking(throttled, failing("200 OK", SESSION))

    parley.fresh_token("s1")

    assert pauses == [7.0]


def test_an_error_says_what_is_wrong_with_which_field(asking: Any, pauses: list[float]) -> None:
    parley, _ = asking(failing("400 Bad Request", INVALID))

    with pytest.raises(ParleyError) as caught:
        parley.open_chat(robot="nobody", user_id="alice")

    assert (caught.value.status, caught.value.code) == (400, "invalid")
    assert caught.value.fields == {"robot": ["There is no such robot."]}
    assert pauses == []


def test_a_proxys_own_page_is_an_error_too(asking: Any, pauses: list[float]) -> None:
    parley, provider = asking(failing("502 Bad Gateway", "<html>"))

    with pytest.raises(ParleyError, match="HTTP 502"):
        parley.fresh_token("s1")

    assert len(provider.exchanges) == 3


def test_a_reply_comes_in_pieces(asking: Any) -> None:
    grown = ("delta", {"text": "We open "}), ("delta", {"text": "at nine."})
    parley, _ = asking(stream_of(("message", {}), *grown, ("done", {})))

    assert list(parley.speak("s1", "When?")) == ["We open ", "at nine."]


def test_a_reply_that_failed_raises(asking: Any) -> None:
    parley, _ = asking(
        stream_of(("delta", {"text": "We"}), ("error", {"error": {"code": "failed", "message": ""}}))
    )

    with pytest.raises(ReplyFailed, match="failed"):
        list(parley.speak("s1", "When?"))


def test_a_stream_that_breaks_off_is_no_answer(asking: Any) -> None:
    parley, _ = asking(stream_of(("delta", {"text": "We"})))

    with pytest.raises(Unreachable):
        list(parley.speak("s1", "When?"))

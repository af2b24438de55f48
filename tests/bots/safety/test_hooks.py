"""A hook that is asked over HTTP: what it is told, what it may answer, and all that may go wrong."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from pytest_django import Settings

from bots.events import JSONDict
from bots.safety import hooks
from bots.safety.moderation import NoVerdict, Terms, Verdict
from tests.bots.llms.provider import (
    Answer,
    Exchange,
    Provider,
    failing,
    framed,
    head,
    then_dribbling,
    then_waiting,
)

SECRET: Final = "a hook's secret"
QUESTION: Final[JSONDict] = {"text": "你好\ud83d", "direction": "input", "robot": "ada", "user": "alice"}
TIMEOUT_S: Final = 0.5

type Ask = Callable[[Answer], Verdict]


def answering(body: object, status: str = "200 OK") -> Answer:
    return failing(status, body)


def terms(url: str) -> Terms:
    return Terms(
        model_id=None, url=url, secret=SECRET, timeout_s=TIMEOUT_S, blocks_on_failure=False, piece_chars=200
    )


@pytest.fixture
def providers() -> list[Provider]:
    """Those that were started, newest last."""
    return []


@pytest.fixture
def ask(providers: list[Provider]) -> Iterator[Ask]:
    with ExitStack() as stack:

        def ask(answer: Answer) -> Verdict:
            providers.append(stack.enter_context(Provider(answer)))
            return hooks.ask(terms(providers[-1].url), QUESTION)

        yield ask


@pytest.mark.parametrize("body", [{"allow": True}, {"allow": True, "reason": "fine"}])
def test_a_text_may_pass(ask: Ask, body: JSONDict) -> None:
    assert ask(answering(body)) == Verdict(True, body.get("reason", ""))


def test_a_text_must_not_pass(ask: Ask) -> None:
    verdict = ask(answering({"allow": False, "reason": "hate\0 speech " + "x" * 500}))

    assert not verdict.allow
    assert verdict.reason.startswith("hate speech xxx")
    assert len(verdict.reason) <= 200


def test_the_hook_is_told_what_it_needs_and_can_check_who_asks(ask: Ask, providers: list[Provider]) -> None:
    ask(answering({"allow": True}))

    [exchange] = providers[0].exchanges
    assert exchange.body == {**QUESTION, "text": "你好\ufffd"}
    told_at = exchange.headers["x-parley-timestamp"]
    expected = hmac.new(SECRET.encode(), f"{told_at}.".encode() + exchange.raw_body, hashlib.sha256)
    assert exchange.headers["x-parley-signature"] == f"sha256={expected.hexdigest()}"
    assert abs(int(told_at) - time.time()) < 60


WRONG: Final[dict[str, tuple[Answer, str]]] = {
    "an error": (answering("oops", "500 Internal Server Error"), "HTTP 500"),
    "no JSON": (answering("yes"), "the answer is not a JSON object"),
    "a list": (answering([True]), "the answer is not a JSON object"),
    "no word": (answering({"reason": "?"}), 'the answer has no "allow" that is true or false'),
    "another type": (answering({"allow": "yes"}), 'the answer has no "allow" that is true or false'),
    "no text": (answering("\ufffd".encode("utf-16").decode("latin-1")), "the answer is not a JSON object"),
    "silence": (lambda exchange: exchange.wait_for_hang_up(), "no answer within 0.5 s"),
    "half an answer": (then_waiting(b'{"allow"'), "no answer within 0.5 s"),
    "a dribble": (then_dribbling(head(), [framed(b" ")] * 500), "no answer within 0.5 s"),
    "a broken connection": (lambda exchange: exchange.close(), "no answer (RemoteDisconnected)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_verdict_is_told(ask: Ask, case: str) -> None:
    answer, reason = WRONG[case]
    started_at = time.monotonic()

    with pytest.raises(NoVerdict) as caught:
        ask(answer)

    assert str(caught.value) == reason
    assert SECRET not in repr(caught.value)
    assert time.monotonic() - started_at < 5


def test_redirects_are_not_followed(ask: Ask, providers: list[Provider]) -> None:
    with Provider(answering({"allow": True})) as elsewhere:
        with pytest.raises(NoVerdict, match="HTTP 302, and redirects are not followed"):
            ask(failing("302 Found", "", f"Location: {elsewhere.url}"))

        assert elsewhere.exchanges == []


def test_a_private_address_is_told_nothing(ask: Ask, providers: list[Provider], settings: Settings) -> None:
    settings.PRIVATE_NETWORKS = []

    with pytest.raises(NoVerdict, match="private network that PRIVATE_NETWORKS does not name"):
        ask(answering({"allow": True}))

    assert providers[0].exchanges == []


def test_nobody_listens() -> None:
    with pytest.raises(NoVerdict, match=r"no answer \(ConnectionRefusedError\)"):
        hooks.ask(terms("http://127.0.0.1:1/token-in-the-path"), QUESTION)


def test_connections_are_used_again_and_replaced_when_they_are_stale() -> None:
    def answer(exchange: Exchange) -> None:
        answering({"allow": True})(exchange)
        if len(provider.exchanges) == 2:
            exchange.close()
            is_closed.set()

    is_closed = threading.Event()
    with Provider(answer) as provider:
        for _ in range(2):
            assert hooks.ask(terms(provider.url), QUESTION).allow
        assert is_closed.wait(30)
        assert hooks.ask(terms(provider.url), QUESTION).allow

        assert [exchange.connection for exchange in provider.exchanges] == [1, 1, 2]

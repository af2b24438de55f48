"""Each channel: exactly what it is told, and what its answers mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import smtplib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from pytest_django import Settings

from alerts.channels import CHANNELS, channel_class
from alerts.channels.base import ChannelError, ChannelRefused, Sender
from alerts.letters import Entry, Letter
from tests.bots.llms.provider import Answer, Provider, failing, then_waiting

SECRET: Final = "SEC-of-a-robot"
LETTER: Final = Letter(
    id="parley-7",
    event="opened",
    title="[Parley] critical: A model fails: fast",
    entries=[
        Entry(
            id=3, rule="model_failing", severity="critical", subject="fast", value=0.5,
            since="2026-11-21T10:00:00+00:00", ended_at=None, mend_url="https://p.example/m",
            alert_url="https://p.example/a", lines=["A model fails: fast", "50 % of 8 calls failed 你好"],
        )
    ],
)  # fmt: skip
TEXT: Final = "[Parley] critical: A model fails: fast\n\nA model fails: fast\n50 % of 8 calls failed 你好"
OK: Final = {
    "webhook": failing("204 No Content", ""),
    "dingtalk": failing("200 OK", {"errcode": 0, "errmsg": "ok"}),
    "feishu": failing("200 OK", {"code": 0, "msg": "success", "data": {}}),
    "wecom": failing("200 OK", {"errcode": 0, "errmsg": "ok"}),
}
HTTP: Final = list(OK)

type Make = Callable[[str, Answer], Sender]


@pytest.fixture
def providers() -> list[Provider]:
    return []


@pytest.fixture
def make(providers: list[Provider]) -> Iterator[Make]:
    """A channel of this kind, whose other side answers so."""
    with ExitStack() as stack:

        def make(kind: str, answer: Answer) -> Sender:
            providers.append(stack.enter_context(Provider(answer)))
            return channel_class(kind)(url=f"{providers[-1].url}/send?token=t0ken", secret=SECRET)

        yield make


@pytest.fixture
def sent(make: Make, providers: list[Provider]) -> Callable[[str], Any]:
    """What the other side is told."""

    def sent(kind: str) -> Any:
        make(kind, OK[kind]).send(LETTER)
        [exchange] = providers[-1].exchanges
        return exchange

    return sent


def hmac_sha256(key: str, message: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode()


def query(exchange: Any) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(exchange.path).query).items()}


def test_a_webhook_is_told_what_programs_and_people_need(sent: Callable[[str], Any]) -> None:
    exchange = sent("webhook")

    assert exchange.body["text"] == TEXT
    [alert] = exchange.body["alerts"]
    assert (exchange.body["id"], exchange.body["event"]) == ("parley-7", "opened")
    assert (alert["rule"], alert["subject"], alert["mend_url"]) == (
        "model_failing",
        "fast",
        "https://p.example/m",
    )
    assert exchange.headers["idempotency-key"] == "parley-7"
    signed = f"{exchange.headers['x-parley-timestamp']}.".encode() + exchange.raw_body
    signature = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert exchange.headers["x-parley-signature"] == f"sha256={signature}"


def test_dingtalk_is_told_by_a_signed_address(sent: Callable[[str], Any]) -> None:
    exchange = sent("dingtalk")

    asked = query(exchange)
    assert exchange.body == {"msgtype": "text", "text": {"content": TEXT}}
    assert asked["token"] == "t0ken"
    assert len(asked["timestamp"]) == 13  # milliseconds
    assert asked["sign"] == hmac_sha256(SECRET, f"{asked['timestamp']}\n{SECRET}")


def test_feishu_is_told_by_a_signed_body(sent: Callable[[str], Any]) -> None:
    body = sent("feishu").body

    assert (body["msg_type"], body["content"]) == ("text", {"text": TEXT})
    assert len(body["timestamp"]) == 10  # seconds
    assert body["sign"] == hmac_sha256(f"{body['timestamp']}\n{SECRET}", "")


def test_wecom_is_told_no_more_than_it_takes(make: Make, providers: list[Provider]) -> None:
    long = Letter(id="1", event="opened", title="重" * 900)

    make("wecom", OK["wecom"]).send(long)

    [exchange] = providers[0].exchanges
    assert exchange.body["msgtype"] == "text"
    assert 2040 < len(exchange.body["text"]["content"].encode()) <= 2048


BUSY: Final = {
    "webhook": failing("429 Too Many Requests", ""),
    "dingtalk": failing("200 OK", {"errcode": 130101, "errmsg": "send too fast"}),
    "feishu": failing("200 OK", {"code": 11232, "msg": "frequency limited"}),
    "wecom": failing("200 OK", {"errcode": 45009, "errmsg": "api freq out of limit"}),
}
NO: Final = {
    "webhook": failing("403 Forbidden", "no"),
    "dingtalk": failing("200 OK", {"errcode": 310000, "errmsg": "sign not match"}),
    "feishu": failing("200 OK", {"code": 19021, "msg": "sign match fail"}),
    "wecom": failing("200 OK", {"errcode": 93000, "errmsg": "invalid webhook url"}),
}


@pytest.mark.parametrize("kind", HTTP)
def test_who_is_told_to_slow_down_tries_again_later(make: Make, kind: str) -> None:
    with pytest.raises(ChannelError) as caught:
        make(kind, BUSY[kind]).send(LETTER)

    assert (caught.value.permanent, caught.value.retry_after) == (False, 60)


@pytest.mark.parametrize("kind", HTTP)
def test_who_is_refused_gives_up_and_says_why(make: Make, kind: str) -> None:
    with pytest.raises(ChannelRefused) as caught:
        make(kind, NO[kind]).send(LETTER)

    assert str(caught.value) in {
        "HTTP 403", "310000: sign not match", "19021: sign match fail", "93000: invalid webhook url"
    }  # fmt: skip


@pytest.mark.parametrize("kind", HTTP)
@pytest.mark.parametrize("status", ["500 Oops", "302 Found"])
def test_errors_of_servers_and_redirects(make: Make, kind: str, status: str) -> None:
    with pytest.raises(ChannelError, match=f"HTTP {status[:3]}") as caught:
        make(kind, failing(status, "")).send(LETTER)

    assert caught.value.permanent == (status == "302 Found")


@pytest.mark.parametrize("kind", HTTP[1:])
@pytest.mark.parametrize("answer", ["<html>", "[]", '{"ok": true}'])
def test_an_answer_that_makes_no_sense_is_no_yes(make: Make, kind: str, answer: str) -> None:
    with pytest.raises(ChannelError, match="the answer makes no sense"):
        make(kind, failing("200 OK", answer)).send(LETTER)


@pytest.mark.parametrize("kind", HTTP)
def test_a_private_address_is_told_nothing(
    make: Make, providers: list[Provider], settings: Settings, kind: str
) -> None:
    settings.PRIVATE_NETWORKS = []

    with pytest.raises(ChannelRefused, match="a private network that PRIVATE_NETWORKS does not name"):
        make(kind, OK[kind]).send(LETTER)

    assert providers[0].exchanges == []


def test_silence_has_an_end_and_no_error_tells_the_address(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.channels.base.TIMEOUT_S", 0.3)
    for sender, reason in (
        (make("dingtalk", then_waiting(b'{"err')), "no answer within 0.3 s"),
        (
            channel_class("dingtalk")(url="http://127.0.0.1:1/?token=t0ken", secret=SECRET),
            "ConnectionRefused",
        ),
        (channel_class("dingtalk")(url="http://127.0.0.1:99999/?token=t0ken", secret=SECRET), "no answer"),
    ):
        with pytest.raises(ChannelError, match=reason) as caught:
            sender.send(LETTER)
        assert "t0ken" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_an_e_mail_is_one_message_with_an_id_of_its_own() -> None:
    channel_class("email")(recipients=["a@example.com", "b@example.com"]).send(LETTER)

    [message] = mail.outbox
    assert message.to == ["a@example.com", "b@example.com"]
    assert (message.subject, message.body) == (LETTER.title, TEXT)
    assert message.message()["Message-ID"] == "<parley-7@parley>"


@pytest.mark.parametrize("error, is_permanent", [
    (smtplib.SMTPRecipientsRefused({}), True),
    (smtplib.SMTPServerDisconnected("bye"), False),
    (ConnectionRefusedError(), False),
])  # fmt: skip
def test_a_mail_server_that_does_not_take_it(
    monkeypatch: pytest.MonkeyPatch, error: Exception, is_permanent: bool
) -> None:
    def fail(*args: object, **kwargs: object) -> int:
        raise error

    monkeypatch.setattr("django.core.mail.EmailMessage.send", fail)

    with pytest.raises(ChannelError, match=type(error).__name__) as caught:
        channel_class("email")(recipients=["a@example.com"]).send(LETTER)

    assert caught.value.permanent == is_permanent


def test_every_channel_has_a_name_for_people() -> None:
    assert len({str(channel_class(kind).label) for kind in CHANNELS}) == len(CHANNELS)

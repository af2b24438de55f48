"""Refusals and failures as providers put them, and what they mean."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bots.errors import ModelBusy, ModelDenied, ModelError, ModelRefused, ModelUnreachable
from bots.llms.failures import read_retry_after, tidy
from tests.bots.llms.conftest import API_KEY, HELLO, Providers, endpoint_at
from tests.bots.llms.provider import DONE, ended, event, failing, said, saying, sending

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def openai_error(code: object, kind: str = "", message: str = "no") -> dict[str, object]:
    return {"error": {"code": code, "type": kind, "message": message, "param": None}}


def error_of(providers: Providers, answer: object) -> ModelError:
    with pytest.raises(ModelError) as caught:
        list(providers.ask(answer))  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    "status, body, kind, code",
    [
        (429, openai_error("rate_limit_exceeded", "requests"), ModelBusy, "rate_limit_exceeded"),
        (429, openai_error(None, "insufficient_quota"), ModelDenied, "insufficient_quota"),
        (429, openai_error("insufficient_quota", "insufficient_quota"), ModelDenied, "insufficient_quota"),
        (429, openai_error("slow_down"), ModelBusy, "slow_down"),
        (503, openai_error("server_is_overloaded"), ModelBusy, "server_is_overloaded"),
        (401, openai_error("invalid_api_key", "invalid_request_error"), ModelDenied, "invalid_api_key"),
        (400, openai_error(None, "invalid_request_error"), ModelRefused, "invalid_request_error"),
        (500, openai_error(None, "server_error"), ModelUnreachable, "server_error"),
        (402, openai_error("invalid_request_error", "unknown_error"), ModelDenied, "invalid_request_error"),
        (429, openai_error("RateLimitExceeded.EndpointRPM"), ModelBusy, "RateLimitExceeded.EndpointRPM"),
        (404, openai_error("InvalidEndpointOrModel.None"), ModelDenied, "InvalidEndpointOrModel.None"),
        (403, openai_error("AccountOverdueError"), ModelDenied, "AccountOverdueError"),
        (429, openai_error("Throttling.RateQuota"), ModelBusy, "Throttling.RateQuota"),
        (400, openai_error("data_inspection_failed"), ModelRefused, "data_inspection_failed"),
        (429, openai_error("1302"), ModelBusy, "1302"),
        (429, openai_error("1113"), ModelDenied, "1113"),
        (429, openai_error("1308"), ModelDenied, "1308"),
        (401, openai_error("1002"), ModelDenied, "1002"),
        (429, openai_error("", "exceeded_current_quota_error"), ModelDenied, "exceeded_current_quota_error"),
        (429, openai_error(None, "rate_limit_reached_error"), ModelBusy, "rate_limit_reached_error"),
        (400, openai_error(400, "exceed_context_size_error"), ModelRefused, "400"),
        (451, openai_error(None, "censored"), ModelRefused, "censored"),
        (429, [openai_error("RESOURCE_EXHAUSTED")], ModelBusy, "RESOURCE_EXHAUSTED"),
        (400, {"error": "model not found"}, ModelRefused, "400"),
        (429, "slow down, please", ModelBusy, "429"),
        (502, "<html>Bad gateway</html>", ModelUnreachable, "502"),
        (529, "", ModelBusy, "529"),
        (408, "", ModelUnreachable, "408"),
        (400, {"base_resp": {"status_code": 2013, "status_msg": "params"}}, ModelRefused, "2013"),
        (200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, ModelBusy, "1002"),
        (200, {"base_resp": {"status_code": 1004, "status_msg": "key"}}, ModelDenied, "1004"),
        (200, {"base_resp": {"status_code": 1024, "status_msg": "internal"}}, ModelUnreachable, "1024"),
        (200, openai_error("1301"), ModelRefused, "1301"),
        (200, openai_error(None, "invalid_request_error"), ModelRefused, "invalid_request_error"),
        (200, openai_error(503), ModelBusy, "503"),
        (200, openai_error(404), ModelRefused, "404"),
        (200, openai_error("what_is_this"), ModelUnreachable, "what_is_this"),
        (200, {"code": 11202, "message": "licc limit", "sid": "cht1"}, ModelBusy, "11202"),
        (200, {"code": 10013, "message": "content", "sid": "cht1"}, ModelRefused, "10013"),
        (200, {"code": "rpm_rate_limit_exceeded", "msg": "slow"}, ModelBusy, "rpm_rate_limit_exceeded"),
    ],
)  # fmt: skip
def test_errors_are_told_apart(
    providers: Providers, status: int, body: object, kind: type[ModelError], code: str
) -> None:
    error = error_of(providers, failing(f"{status} Status", body))
    assert (type(error), error.code) == (kind, code)
    assert error.party == "fast"


@pytest.mark.parametrize(
    "chunk, kind",
    [
        (openai_error("rate_limit_exceeded"), ModelBusy),
        (openai_error(None, "overloaded_error"), ModelBusy),
        (openai_error("RateLimitExceeded.EndpointTPMExceeded", "TooManyRequests"), ModelBusy),
        (openai_error(None, "invalid_request_error"), ModelRefused),
        ({"error": "out of memory"}, ModelUnreachable),
        ({"choices": [], "base_resp": {"status_code": 1008, "status_msg": "balance"}}, ModelDenied),
        ({"code": 10007, "message": "busy", "sid": "cht1"}, ModelBusy),
    ],
)
def test_error_inside_a_stream(providers: Providers, chunk: object, kind: type[ModelError]) -> None:
    stream = providers.ask(sending(said("Hi"), event(chunk)))
    assert next(stream) == "Hi"
    with pytest.raises(ModelError) as caught:
        next(stream)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "extra",
    [{"code": 0, "message": "Success", "sid": "cht1"}, {"base_resp": {"status_code": 0}}, {"error": None}],
)
def test_success_codes_are_no_complaint(providers: Providers, extra: dict[str, object]) -> None:
    chunk = {"choices": [{"delta": {"content": "Hi"}}], **extra}
    assert list(providers.ask(sending(event(extra), event(chunk), ended(), DONE))) == ["Hi"]


@pytest.mark.parametrize(
    "reason, kind, code",
    [
        ("content_filter", ModelRefused, "content_filter"),
        ("sensitive", ModelRefused, "content_filter"),
        ("network_error", ModelUnreachable, "network_error"),
    ],
)
def test_bad_ends(providers: Providers, reason: str, kind: type[ModelError], code: str) -> None:
    error = error_of(providers, sending(said("Hi"), ended(reason), DONE))
    assert (type(error), error.code) == (kind, code)


def test_retry_after_is_kept(providers: Providers) -> None:
    error = error_of(providers, failing("429 Too Many Requests", openai_error("slow_down"), "Retry-After: 7"))
    assert error.retry_after == 7
    assert not error.permanent


@pytest.mark.parametrize(
    "value, seconds",
    [
        (None, None),
        ("", None),
        ("20", 20.0),
        (" 1.5 ", 1.5),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 -0000", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, now=NOW) == seconds


def test_redirects_are_not_followed(providers: Providers) -> None:
    elsewhere = providers.start(saying("Hi"))
    error = error_of(providers, failing("307 Temporary Redirect", "", f"Location: {elsewhere.url}"))
    assert (type(error), error.code) == (ModelRefused, "307")
    assert elsewhere.exchanges == []


def test_key_is_in_no_error(providers: Providers) -> None:
    body = openai_error(API_KEY, message=f"Incorrect API key provided: {API_KEY}.")
    for answer in (
        failing("401 Unauthorized", body),
        sending(event(body)),
        sending(f"data: {API_KEY}\n\n".encode()),
    ):
        error = error_of(providers, answer)
        assert API_KEY not in f"{error} {error!r} {error.code} {vars(error)}"
        assert "***" in str(error)


def test_halves_of_a_joined_key_are_masked_and_long_texts_cut() -> None:
    assert tidy("the key  aaaaaa\nor bbbbbb", secret="aaaaaa:bbbbbb") == "the key *** or ***"
    assert tidy("x" * 600, secret="x") == "x" * 499 + "…"


@pytest.mark.parametrize("key", ["sk-\n0123456789", "sk-密钥0123456789"])
def test_key_that_no_header_carries_is_refused_unseen(providers: Providers, key: str) -> None:
    with pytest.raises(ModelRefused) as caught:
        list(providers.client.stream(endpoint_at("http://127.0.0.1:1", api_key=key), HELLO))
    assert caught.value.code == "api_key"
    assert "0123456789" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "127.0.0.1/v1", "ftp://127.0.0.1/v1", "http://", "http://[::1/v1"])
def test_address_that_is_none_is_refused(providers: Providers, url: str) -> None:
    with pytest.raises(ModelRefused) as caught:
        list(providers.client.stream(endpoint_at(url), HELLO))
    assert caught.value.code == "base_url"

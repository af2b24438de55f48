"""The Messages API: what is asked, what is read from its events, and how it fails."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pytest

from bots.errors import (
    ModelBusy,
    ModelCancelled,
    ModelDenied,
    ModelError,
    ModelRefused,
    ModelSilent,
    ModelTooSlow,
    ModelUnreachable,
)
from bots.llms import anthropic
from bots.llms.anthropic import Anthropic
from bots.llms.base import ChatMessage, Prompt, Usage
from tests.bots.llms.conftest import API_KEY, HELLO, PATIENT, Providers, endpoint_at
from tests.bots.llms.provider import Answer, failing, framed, head, sending, then_dribbling, then_waiting

SHORT_S: Final = 0.2
SOON_S: Final = 2.0  # far above the short deadline, for busy machines, and far below the patient ones
AT_ONCE_S: Final = 0.5

# Bytes to send


def event(name: str, **fields: object) -> bytes:
    data = json.dumps({"type": name, **fields}, ensure_ascii=False)
    return f"event: {name}\ndata: {data}\n\n".encode()


def begun(**usage: object) -> bytes:
    counts = {"input_tokens": 9, "output_tokens": 1, **usage}
    return event("message_start", message={"id": "msg_1", "type": "message", "content": [], "usage": counts})


def block(index: int, kind: str, *deltas: Mapping[str, object], **fields: object) -> bytes:
    return b"".join(
        (
            event("content_block_start", index=index, content_block={"type": kind, **fields}),
            *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
            event("content_block_stop", index=index),
        )
    )


def said(*pieces: str) -> bytes:
    return block(0, "text", *({"type": "text_delta", "text": piece} for piece in pieces), text="")


def thought(*pieces: str) -> bytes:
    deltas = ({"type": "thinking_delta", "thinking": piece} for piece in pieces)
    return block(0, "thinking", *deltas, {"type": "signature_delta", "signature": "EqQB"}, thinking="")


def ended(reason: str = "end_turn", /, **usage: object) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return event("message_delta", delta=delta, usage={"output_tokens": 4, **usage})


def complaint(kind: str, message: str = "no", **fields: object) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message, **fields}, "request_id": "req_1"}


PING: Final = event("ping")
STOP: Final = event("message_stop")


def saying(*pieces: str) -> Answer:
    """A whole and blameless answer."""
    return sending(begun(), said(*pieces), ended(), STOP)


@pytest.fixture
def client() -> Iterator[Anthropic]:
    client = Anthropic()
    yield client
    client.session.close()


def error_of(providers: Providers, answer: Answer) -> ModelError:
    with pytest.raises(ModelError) as caught:
        list(providers.ask(answer))
    return caught.value


# What is asked


def asked(providers: Providers, *messages: ChatMessage, **params: object) -> object:
    """The body that a provider gets."""
    provider = providers.start(saying("Hi"))
    list(providers.client.stream(endpoint_at(provider.url, params=params), Prompt(messages=messages)))
    return provider.exchanges[0].body


def test_request_carries_the_prompt_and_the_key(providers: Providers) -> None:
    provider = providers.start(saying("Hi"))
    prompt = Prompt(
        messages=(ChatMessage(role="system", content="Be Ada."), ChatMessage(role="user", content="你好")),
        user="u-1",
    )
    list(providers.client.stream(endpoint_at(provider.url), prompt))
    (exchange,) = provider.exchanges
    assert (exchange.method, exchange.path) == ("POST", "/v1/messages")
    assert exchange.headers["x-api-key"] == API_KEY
    assert exchange.headers["anthropic-version"] == "2023-06-01"
    assert exchange.headers["accept-encoding"] == "identity"
    assert "authorization" not in exchange.headers
    assert exchange.body == {
        "model": "tiny",
        "max_tokens": 1024,
        "system": "Be Ada.",
        "messages": [{"role": "user", "content": "你好"}],
        "stream": True,
        "metadata": {"user_id": "u-1"},
    }


@pytest.mark.parametrize(
    "base, path",
    [
        ("", "/v1/messages"),
        ("/", "/v1/messages"),
        ("/v1", "/v1/messages"),
        ("/v1/", "/v1/messages"),
        ("/anthropic", "/anthropic/v1/messages"),
    ],
)
def test_base_address_may_do_without_the_version(providers: Providers, base: str, path: str) -> None:
    provider = providers.start(saying("Hi"))
    list(providers.client.stream(endpoint_at(provider.url.removesuffix("/v1") + base), HELLO))
    assert provider.exchanges[0].path == path


def test_params_are_merged_into_the_request(providers: Providers) -> None:
    body = asked(
        providers, ChatMessage(role="user", content="Hello"), max_tokens=50, temperature=0.7, stream=None
    )
    assert body == {
        "model": "tiny",
        "max_tokens": 50,
        "temperature": 0.7,
        "messages": [{"role": "user", "content": "Hello"}],
    }


@pytest.mark.parametrize("name", ["messages", "system"])
def test_params_cannot_replace_the_conversation(name: str) -> None:
    Anthropic.check_params({"max_tokens": 1})
    with pytest.raises(ValueError, match=name):
        Anthropic.check_params({name: []})


def test_user_is_always_the_first_to_speak(providers: Providers) -> None:
    body = asked(
        providers,
        ChatMessage(role="system", content="Be Ada."),
        ChatMessage(role="assistant", content="Your parcel is on its way."),
        ChatMessage(role="user", content="When?"),
    )
    assert isinstance(body, dict)
    assert body["messages"] == [
        {"role": "user", "content": "…"},
        {"role": "assistant", "content": "Your parcel is on its way."},
        {"role": "user", "content": "When?"},
    ]


def test_without_a_key_no_header_carries_one(providers: Providers) -> None:
    provider = providers.start(saying("Hi"))
    list(providers.client.stream(endpoint_at(provider.url, api_key=""), HELLO))
    assert "x-api-key" not in provider.exchanges[0].headers


def test_key_that_no_header_carries_is_refused_unseen(providers: Providers) -> None:
    with pytest.raises(ModelRefused) as caught:
        list(providers.client.stream(endpoint_at("http://127.0.0.1:1", api_key="sk-密钥0123456789"), HELLO))
    assert caught.value.code == "api_key"
    assert "0123456789" not in str(caught.value)


def test_real_models_are_out_of_reach(client: Anthropic) -> None:
    with pytest.raises(RuntimeError, match=r"api\.anthropic\.com.*ALLOW_REAL_MODELS"):
        client.stream(endpoint_at("https://api.anthropic.com"), HELLO)


# How the text arrives


def test_answer_is_read_in_pieces(providers: Providers) -> None:
    stream = providers.ask(saying("Good ", "morning"))
    assert list(stream) == ["Good ", "morning"]
    assert stream.finish_reason == "end_turn"
    assert stream.reasoning == ""


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_events_are_read_however_they_are_cut(providers: Providers, size: int) -> None:
    body = begun() + PING + said("你好", "😀！") + ended() + STOP
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    assert list(providers.ask(sending(*parts))) == ["你好", "😀！"]


def test_thinking_is_kept_apart(providers: Providers) -> None:
    stream = providers.ask(sending(begun(), thought("let me ", "see"), said("It is 4."), ended(), STOP))
    assert list(stream) == ["It is 4."]
    assert stream.reasoning == "let me see"


def test_text_at_the_start_of_a_block_is_part_of_the_answer(providers: Providers) -> None:
    first = block(0, "text", {"type": "text_delta", "text": " there"}, text="Hi")
    assert list(providers.ask(sending(begun(), first, ended(), STOP))) == ["Hi", " there"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(PING * 3, id="pings"),
        pytest.param(event("message_pause", reason="later"), id="unknown event"),
        pytest.param(b"data: {}\n\n", id="no type"),
        pytest.param(block(1, "tool_use", {"type": "input_json_delta", "partial_json": "{"}), id="tool"),
        pytest.param(block(1, "text", {"type": "citations_delta", "citation": {}}), id="citation"),
        pytest.param(block(1, "text", {"type": "text_delta", "text": 5}), id="text that is none"),
        pytest.param(event("content_block_delta", index=1, delta="text"), id="delta that is none"),
        pytest.param(event("message_start", message=None), id="start of nothing"),
        pytest.param(event("message_delta", delta=None, usage=[1]), id="end of nothing"),
    ],
)
def test_what_is_not_for_us_is_passed_over(providers: Providers, other: bytes) -> None:
    stream = providers.ask(sending(other, begun(), other, said("Hi"), other, ended(), other, STOP))
    assert list(stream) == ["Hi"]


def test_plain_json_answer_is_read_as_well(providers: Providers) -> None:
    body = {
        "type": "message",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Hi"}, None],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    stream = providers.ask(sending(json.dumps(body, indent=2).encode()))
    assert list(stream) == ["Hi"]
    assert (stream.reasoning, stream.finish_reason) == ("hm", "max_tokens")
    assert stream.usage == Usage(input=3, output=2)


def test_nothing_is_awaited_after_the_stop(providers: Providers) -> None:
    whole = framed(begun() + said("Hi") + STOP)
    stream = providers.ask(then_dribbling(head() + whole, itertools.repeat(framed(PING))))
    assert list(stream) == ["Hi"]
    assert stream.finish_reason == ""


def test_connection_is_used_again(providers: Providers) -> None:
    provider = providers.start(saying("Hi"))
    list(providers.ask(provider))
    list(providers.ask(provider))
    assert [exchange.connection for exchange in provider.exchanges] == [1, 1]


# Usage


@pytest.mark.parametrize(
    "first, last, usage",
    [
        ({}, {}, Usage(input=9, output=4)),
        (
            {"cache_creation_input_tokens": 20, "cache_read_input_tokens": 300},
            {},
            Usage(input=329, cached_input=300, output=4),
        ),
        (
            {"cache_read_input_tokens": 300},
            {"cache_read_input_tokens": None, "input_tokens": None, "output_tokens": 40},
            Usage(input=309, cached_input=300, output=40),
        ),
        ({"input_tokens": 0}, {"input_tokens": 12}, Usage(input=12, output=4)),
    ],
)
def test_usage_is_the_last_of_its_running_totals(
    providers: Providers, first: dict[str, object], last: dict[str, object], usage: Usage
) -> None:
    middle = event("message_delta", delta={}, usage={"output_tokens": 2})
    stream = providers.ask(sending(begun(**first), said("Hi"), middle, ended(**last), STOP))
    list(stream)
    assert stream.usage == usage


def test_usage_of_a_broken_stream_knows_its_input_and_estimates_the_rest(providers: Providers) -> None:
    stream = providers.ask(sending(begun(cache_read_input_tokens=6), said("12345678")))
    with pytest.raises(ModelUnreachable):
        list(stream)
    assert stream.usage == Usage(input=15, cached_input=6, output=2, is_estimated=True)


def test_unreported_usage_is_estimated(providers: Providers) -> None:
    end = event("message_delta", delta={"stop_reason": "end_turn"})
    stream = providers.ask(sending(said("12345678"), end, STOP))
    list(stream)
    assert stream.usage == Usage(input=2, output=2, is_estimated=True)


# Errors


@pytest.mark.parametrize(
    "status, body, kind, code",
    [
        (400, complaint("invalid_request_error"), ModelRefused, "invalid_request_error"),
        (401, complaint("authentication_error"), ModelDenied, "authentication_error"),
        (402, complaint("billing_error"), ModelDenied, "billing_error"),
        (403, complaint("permission_error"), ModelDenied, "permission_error"),
        (404, complaint("not_found_error"), ModelDenied, "not_found_error"),
        (413, complaint("request_too_large"), ModelRefused, "request_too_large"),
        (429, complaint("rate_limit_error"), ModelBusy, "rate_limit_error"),
        (429, complaint("rate_limit_error", details=None), ModelBusy, "rate_limit_error"),
        (
            429,
            complaint("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
            ModelDenied,
            "enforced_spend_limit_reached",
        ),
        (500, complaint("api_error"), ModelUnreachable, "api_error"),
        (504, complaint("timeout_error"), ModelUnreachable, "timeout_error"),
        (529, complaint("overloaded_error"), ModelBusy, "overloaded_error"),
    ],
)
def test_errors_are_told_apart(
    providers: Providers, status: int, body: object, kind: type[ModelError], code: str
) -> None:
    error = error_of(providers, failing(f"{status} Status", body))
    assert (type(error), error.code, error.party) == (kind, code, "fast")


def test_retry_after_is_kept(providers: Providers) -> None:
    answer = failing("429 Too Many Requests", complaint("rate_limit_error"), "retry-after: 7")
    assert error_of(providers, answer).retry_after == 7


@pytest.mark.parametrize(
    "name, kind",
    [
        ("overloaded_error", ModelBusy),
        ("rate_limit_error", ModelBusy),
        ("api_error", ModelUnreachable),
        ("billing_error", ModelDenied),
        ("not_found_error", ModelDenied),
        ("request_too_large", ModelRefused),
        ("an_error_of_tomorrow", ModelUnreachable),
    ],
)
def test_error_inside_a_stream(providers: Providers, name: str, kind: type[ModelError]) -> None:
    body = complaint(name)
    stream = providers.ask(sending(begun(), said("Hi"), event("error", error=body["error"])))
    assert next(stream) == "Hi"
    with pytest.raises(ModelError) as caught:
        next(stream)
    assert (type(caught.value), caught.value.code) == (kind, name)


def test_refusal_of_the_model_is_a_filtered_answer(providers: Providers) -> None:
    stream = providers.ask(sending(begun(), said("I"), ended("refusal"), STOP))
    assert next(stream) == "I"
    with pytest.raises(ModelRefused) as caught:
        next(stream)
    assert caught.value.code == "content_filter"
    assert stream.usage == Usage(input=9, output=4)


@pytest.mark.parametrize("body", [begun() + said("Hi"), begun() + PING, PING])
def test_stream_that_just_stops_is_broken(providers: Providers, body: bytes) -> None:
    error = error_of(providers, sending(body))
    assert (type(error), error.code) == (ModelUnreachable, "cut_off")


def test_answer_without_words_is_an_error(providers: Providers) -> None:
    error = error_of(providers, sending(begun(), thought("hm"), ended("max_tokens"), STOP))
    assert type(error) is ModelSilent
    assert "max_tokens" in str(error)


def test_event_that_is_no_json_object_is_an_error(providers: Providers) -> None:
    error = error_of(providers, sending(begun(), b"event: ping\ndata: {broken\n\n"))
    assert (type(error), error.code) == (ModelUnreachable, "not_json")


def test_key_is_in_no_error(providers: Providers) -> None:
    error = error_of(providers, failing("401 No", complaint(API_KEY, f"invalid x-api-key: {API_KEY}")))
    assert API_KEY not in f"{error} {error!r} {error.code} {vars(error)}"
    assert "***" in str(error)


# Deadlines and hanging up


def test_pings_do_not_put_off_the_first_token_deadline(providers: Providers) -> None:
    answer = then_dribbling(head() + framed(begun()), itertools.repeat(framed(PING)))
    stream = providers.ask(answer, replace(PATIENT, first_token_s=SHORT_S))
    with pytest.raises(ModelTooSlow) as caught:
        list(stream)
    assert caught.value.code == "first_token"
    assert stream.total_s is not None
    assert stream.total_s < SOON_S


def test_pings_do_not_hide_that_the_answer_stalls(providers: Providers) -> None:
    answer = then_dribbling(head() + framed(begun() + said("Hi")), itertools.repeat(framed(PING)))
    stream = providers.ask(answer, replace(PATIENT, stall_s=SHORT_S))
    assert next(stream) == "Hi"
    with pytest.raises(ModelTooSlow) as caught:
        next(stream)
    assert caught.value.code == "stall"


def test_thinking_counts_as_a_beginning(providers: Providers) -> None:
    timeouts = replace(PATIENT, first_token_s=SHORT_S, stall_s=SHORT_S)
    with pytest.raises(ModelTooSlow) as caught:
        list(providers.ask(then_waiting(begun(), thought("hm")), timeouts))
    assert caught.value.code == "stall"


def test_cancel_is_seen_by_the_server(providers: Providers) -> None:
    provider = providers.start(then_waiting(begun(), said("Hi")))
    stream = providers.ask(provider)
    assert next(stream) == "Hi"
    stream.cancel()
    assert provider.exchanges[0].hung_up.wait(AT_ONCE_S)
    with pytest.raises(ModelCancelled):
        next(stream)
    assert stream.usage == Usage(input=9, output=1, is_estimated=True)


def test_images_go_with_the_words() -> None:
    picture = ChatMessage(role="user", content="[image] What is it?", images=("https://a.example/1.png",))
    body = anthropic.request_body(endpoint_at("http://127.0.0.1"), Prompt(messages=(picture,)))
    [message] = body["messages"]
    assert message["content"] == [
        {"type": "image", "source": {"type": "url", "url": "https://a.example/1.png"}},
        {"type": "text", "text": "[image] What is it?"},
    ]

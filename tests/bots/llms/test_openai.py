"""What is asked, and what is read from the many ways to stream an answer."""

from __future__ import annotations

import json
import threading

import pytest

from bots.errors import ModelError, ModelSilent, ModelUnreachable
from bots.llms import openai
from bots.llms.base import ChatMessage, Prompt, Usage
from bots.llms.http import merged
from bots.llms.openai import OpenAI
from tests.bots.llms.conftest import API_KEY, HELLO, Providers, endpoint_at
from tests.bots.llms.provider import (
    DONE,
    LAST_FRAME,
    Exchange,
    delta,
    ended,
    event,
    framed,
    head,
    said,
    saying,
    sending,
)

# What is asked


def test_request_carries_the_prompt_and_the_key(providers: Providers) -> None:
    provider = providers.start(saying("Hi"))
    prompt = Prompt(
        messages=(ChatMessage(role="system", content="Be Ada."), ChatMessage(role="user", content="你好")),
        user="u-1",
    )
    list(providers.client.stream(endpoint_at(provider.url), prompt))
    (exchange,) = provider.exchanges
    assert (exchange.method, exchange.path) == ("POST", "/v1/chat/completions")
    assert exchange.headers["authorization"] == f"Bearer {API_KEY}"
    assert exchange.headers["accept-encoding"] == "identity"
    assert exchange.body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Be Ada."}, {"role": "user", "content": "你好"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "u-1",
    }


def test_params_are_merged_into_the_request(providers: Providers) -> None:
    provider = providers.start(saying("Hi"))
    params = {"temperature": 0.7, "stream_options": {"include_obfuscation": False}, "model": None}
    list(providers.client.stream(endpoint_at(provider.url, params=params), HELLO))
    body = provider.exchanges[0].body
    assert body["temperature"] == 0.7
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert "model" not in body


def test_params_cannot_replace_the_conversation() -> None:
    OpenAI.check_params({"temperature": 1, "model": None})
    with pytest.raises(ValueError, match="messages"):
        OpenAI.check_params({"messages": []})


def test_merging_leaves_both_sides_as_they_were() -> None:
    target, patch = {"a": {"b": 1}}, {"a": {"c": 2, "b": None}, "d": {"e": None}}
    assert merged(target, patch) == {"a": {"c": 2}, "d": {}}
    assert target == {"a": {"b": 1}}
    assert patch == {"a": {"c": 2, "b": None}, "d": {"e": None}}


def test_without_a_key_no_other_credentials_are_sent(
    providers: Providers, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    provider = providers.start(saying("Hi"))
    list(providers.client.stream(endpoint_at(provider.url, api_key=""), HELLO))
    assert "authorization" not in provider.exchanges[0].headers


def test_accounts_do_not_share_cookies(providers: Providers) -> None:
    body = said("Hi") + ended() + DONE

    def answer(exchange: Exchange) -> None:
        exchange.send(head("200 OK", "Set-Cookie: session=1; Path=/") + framed(body) + LAST_FRAME)

    provider = providers.start(answer)
    list(providers.ask(provider))
    list(providers.ask(provider))
    assert "cookie" not in provider.exchanges[1].headers


# How the text arrives


def test_answer_is_read_in_pieces_with_its_timings(providers: Providers) -> None:
    stream = providers.ask(saying("Good ", "morning"))
    assert list(stream) == ["Good ", "morning"]
    assert stream.finish_reason == "stop"
    assert stream.first_token_s is not None
    assert stream.total_s is not None
    assert 0 < stream.first_token_s <= stream.total_s


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(said("你好", "！") + ended() + DONE, id="plain"),
        pytest.param((said("你好", "！") + ended() + DONE).replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param((said("你好", "！") + ended() + DONE).replace(b"data: ", b"data:"), id="no space"),
        pytest.param(b": keep-alive\n\n\n\n" + said("你好", "！") + ended() + DONE, id="comment and blanks"),
        pytest.param(b"event: message\nid: 7\n" + said("你好", "！") + ended() + DONE, id="other fields"),
        pytest.param(said("你好", "！") + ended(), id="no DONE"),
        pytest.param(said("你好", "！") + DONE, id="no finish_reason"),
        pytest.param(said("你好", "！") + ended() + b"data: [DONE]", id="no blank line at the end"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_events_are_read_however_they_are_cut(providers: Providers, body: bytes, size: int) -> None:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    assert list(providers.ask(sending(*parts))) == ["你好", "！"]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
def test_line_separators_of_unicode_are_part_of_the_text(providers: Providers, separator: str) -> None:
    chunk = event(delta(content=f"a{separator}b"))
    assert separator.encode() in chunk  # as it is, not escaped
    assert list(providers.ask(sending(chunk, ended(), DONE))) == [f"a{separator}b"]


def test_body_without_length_ends_with_the_connection(providers: Providers) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(head(chunked=False) + said("Hi", " there") + ended())
        exchange.close()

    assert list(providers.ask(answer)) == ["Hi", " there"]


@pytest.mark.parametrize("chunked", [True, False])
def test_text_is_not_held_back_until_more_comes(providers: Providers, chunked: bool) -> None:
    has_arrived = threading.Event()

    def answer(exchange: Exchange) -> None:
        first, rest = said("first"), said("second") + ended() + DONE
        exchange.send(head(chunked=chunked) + (framed(first) if chunked else first))
        if has_arrived.wait(5):
            exchange.send((framed(rest) + LAST_FRAME) if chunked else rest)
        exchange.close()

    stream = providers.ask(answer)
    assert next(stream) == "first"
    has_arrived.set()
    assert list(stream) == ["second"]


def test_padding_empty_choices_and_null_content_say_nothing(providers: Providers) -> None:
    events = [
        {"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]},
        {"choices": [], "usage": None, "obfuscation": "abcdef"},
        {"choices": [{"delta": {"role": "", "content": ""}, "finish_reason": ""}]},
        {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "", "obfuscation": "xyz"}]},
        {"choices": [{"finish_reason": "stop"}]},
    ]
    stream = providers.ask(sending(*map(event, events), DONE))
    assert list(stream) == ["Hi"]
    assert stream.finish_reason == "stop"


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": "many"},
        {"choices": ["one"]},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {"content": 5, "reasoning_details": "none", "reasoning": 7}}]},
        {"choices": [{"delta": {"reasoning_details": [None, {"text": None}]}}], "usage": [1]},
    ],
)
def test_chunks_of_another_shape_are_passed_over(providers: Providers, chunk: object) -> None:
    assert list(providers.ask(sending(event(chunk), said("Hi"), ended(), DONE))) == ["Hi"]


def test_plain_json_answer_is_read_as_well(providers: Providers) -> None:
    body = json.dumps(
        {
            "object": "chat.completion",
            "choices": [{"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        },
        indent=2,
    ).encode()
    stream = providers.ask(sending(b"\n\n", b"\n", body[:20], body[20:]))
    assert list(stream) == ["Hi"]
    assert stream.usage == Usage(input=3, output=1)


def test_halves_of_a_character_are_joined(providers: Providers) -> None:
    halves = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n'
    body = halves % b"Hi \\ud83d" + halves % b"\\ude00!" + halves % b"\\u0000\\ud83d" + ended() + DONE
    assert "".join(providers.ask(sending(body))) == "Hi 😀!\ufffd"


# Thinking


@pytest.mark.parametrize(
    "thinking",
    [
        pytest.param([delta(reasoning_content="let me see", content=None)], id="reasoning_content"),
        pytest.param([delta(reasoning="let "), delta(reasoning="me see")], id="reasoning"),
        pytest.param([delta(reasoning="let me see", reasoning_content="let me see")], id="both fields"),
        pytest.param([delta(reasoning_details=[{"text": "let me "}, {"text": "see"}])], id="details"),
        pytest.param([delta(content="<think>let me see</think>\n\n")], id="tags"),
        pytest.param([delta(content=letter) for letter in "<think>let me see</think>\n"], id="cut tags"),
    ],
)
def test_thinking_is_kept_apart(providers: Providers, thinking: list[dict[str, object]]) -> None:
    stream = providers.ask(sending(*map(event, thinking), said("It is 4."), ended(), DONE))
    assert list(stream) == ["It is 4."]
    assert stream.reasoning == "let me see"


# Usage

COUNTS = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


@pytest.mark.parametrize(
    "usage, cached",
    [
        (COUNTS, 0),
        ({**COUNTS, "prompt_tokens_details": {"cached_tokens": 6}}, 6),
        ({**COUNTS, "prompt_tokens_details": None, "cached_tokens": 5}, 5),
        ({**COUNTS, "prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 2}, 7),
        ({"completion_tokens": 4, "prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 2}, 7),
    ],
)
def test_cached_tokens_have_many_places(providers: Providers, usage: object, cached: int) -> None:
    stream = providers.ask(sending(said("Hi"), ended(), event({"choices": [], "usage": usage}), DONE))
    list(stream)
    assert stream.usage == Usage(input=9, cached_input=cached, output=4)


SAID = {"delta": {"content": "Hi"}, "finish_reason": None}
STOP = {"delta": {"content": ""}, "finish_reason": "stop"}
LESS = {"prompt_tokens": 9, "completion_tokens": 1}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            [{"choices": [SAID], "usage": None}, {"choices": [STOP]}, {"choices": [], "usage": COUNTS}],
            id="extra chunk",
        ),
        pytest.param([{"choices": [SAID]}, {"choices": [STOP], "usage": COUNTS}], id="last chunk"),
        pytest.param(
            [{"choices": [SAID], "usage": LESS}, {"choices": [STOP], "usage": COUNTS}], id="running totals"
        ),
        pytest.param([{"choices": [SAID]}, {"choices": [{**STOP, "usage": COUNTS}]}], id="in the choice"),
    ],
)
def test_last_usage_counts_wherever_it_is(providers: Providers, events: list[object]) -> None:
    stream = providers.ask(sending(*map(event, events), DONE))
    list(stream)
    assert stream.usage == Usage(input=9, output=4)


@pytest.mark.parametrize("usage", [None, {}, {"total_tokens": 5}, {"prompt_tokens": "9"}])
def test_unreported_usage_is_estimated(providers: Providers, usage: object) -> None:
    events = [event({**delta(reasoning="一二三"), "usage": usage}), said("12345678"), ended(), DONE]
    stream = providers.ask(sending(*events))
    list(stream)
    assert stream.usage == Usage(input=2, output=5, is_estimated=True)


def test_usage_of_a_broken_stream_is_what_came_of_it(providers: Providers) -> None:
    stream = providers.ask(sending(said("12345678")))
    with pytest.raises(ModelUnreachable):
        list(stream)
    assert stream.usage == Usage(input=2, output=2, is_estimated=True)


# Bad ends


@pytest.mark.parametrize("body", [said("Hi"), b"", b": nothing\n\n", b"<html>welcome</html>"])
def test_stream_that_just_stops_is_broken(providers: Providers, body: bytes) -> None:
    with pytest.raises(ModelUnreachable) as caught:
        list(providers.ask(sending(body) if body else sending()))
    assert caught.value.code == "cut_off"


def test_connection_that_breaks_is_reported_after_the_text(providers: Providers) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(head() + framed(said("Hi")))
        exchange.close()

    stream = providers.ask(answer)
    assert next(stream) == "Hi"
    with pytest.raises(ModelUnreachable):
        next(stream)


def test_connection_that_breaks_after_the_last_word_is_no_loss(providers: Providers) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(head() + framed(said("Hi") + ended()))
        exchange.close()

    assert list(providers.ask(answer)) == ["Hi"]


@pytest.mark.parametrize("content", ["", "  \n", "<think>only thoughts</think>", "<think>cut off"])
def test_answer_without_words_is_an_error(providers: Providers, content: str) -> None:
    stream = providers.ask(sending(event(delta(content=content)), ended("length"), DONE))
    with pytest.raises(ModelSilent, match="length"):
        list(stream)


@pytest.mark.parametrize(
    "data", [b"data: {broken\n\n", b"data: [1]\n\n", b"data: " + b"[" * 100_000 + b"\n\n"]
)
def test_event_that_is_no_json_object_is_an_error(providers: Providers, data: bytes) -> None:
    with pytest.raises(ModelUnreachable) as caught:
        list(providers.ask(sending(data)))
    assert caught.value.code == "not_json"
    assert len(str(caught.value)) < 600


def test_event_that_is_not_utf8_is_an_error(providers: Providers) -> None:
    with pytest.raises(ModelUnreachable):
        list(providers.ask(sending(b'data: {"a": "\xff"}\n\n')))


def test_endless_body_is_cut(providers: Providers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.llms.http.MAX_BODY_BYTES", 1000)
    with pytest.raises(ModelUnreachable, match="1000 bytes"):
        list(providers.ask(sending(*[b"data: " + b"x" * 90] * 20)))


def test_every_error_names_the_model(providers: Providers) -> None:
    with pytest.raises(ModelError) as caught:
        list(providers.ask(sending()))
    assert caught.value.party == "fast"


# The guard of the test suite


def test_real_models_are_out_of_reach(client: OpenAI) -> None:
    with pytest.raises(RuntimeError, match=r"api\.openai\.com.*ALLOW_REAL_MODELS"):
        client.stream(endpoint_at("https://api.openai.com/v1"), HELLO)
    client.stream(endpoint_at("http://localhost:1/v1"), HELLO).close()
    client.stream(endpoint_at("http://[::1]:1/v1"), HELLO).close()


def test_images_go_with_the_words() -> None:
    picture = ChatMessage(role="user", content="[image] What is it?", images=("https://a.example/1.png",))
    prompt = Prompt(messages=(ChatMessage(role="system", content="Be kind."), picture))
    body = openai.request_body(endpoint_at("http://127.0.0.1/v1"), prompt)
    assert body["messages"] == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "[image] What is it?"},
                {"type": "image_url", "image_url": {"url": "https://a.example/1.png"}},
            ],
        },
    ]
    words = openai.request_body(endpoint_at("http://127.0.0.1/v1"), prompt.in_words())
    assert words["messages"][1] == {"role": "user", "content": "[image] What is it?"}

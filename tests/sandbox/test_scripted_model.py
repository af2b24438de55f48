from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.driver import Sandbox, ScriptedModel

type JSONDict = dict[str, Any]

MESSAGES = [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": "Hello!"}]


@pytest.fixture
def model(sandbox: Sandbox) -> ScriptedModel:
    return sandbox.model


def ask(model: ScriptedModel, **changes: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {model.api_key}"}
    body = {"model": "scripted", "messages": MESSAGES, "stream": True} | changes
    return httpx.post(f"{model.base_url}/chat/completions", json=body, headers=headers, trust_env=False)


def events(response: httpx.Response) -> Iterator[JSONDict]:
    for line in response.content.decode().replace("\r\n", "\n").split("\n"):
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def text_of(response: httpx.Response) -> str:
    deltas = [choice["delta"] for event in events(response) for choice in event["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_unscripted_it_tells_what_it_was_shown(model: ScriptedModel) -> None:
    assert text_of(ask(model)) == "(You are Ada.) You said: Hello!"


def test_scripts_are_said_in_order_and_once(model: ScriptedModel) -> None:
    model.script("one")
    model.script("two")
    answers = [text_of(ask(model)) for _ in range(3)]
    assert answers == ["one", "two", "(You are Ada.) You said: Hello!"]


def test_a_script_waits_for_its_words(model: ScriptedModel) -> None:
    model.script("Goodbye!", match="bye")
    assert text_of(ask(model)) == "(You are Ada.) You said: Hello!"
    assert text_of(ask(model, messages=[{"role": "user", "content": "bye"}])) == "Goodbye!"


def test_whole_answers(model: ScriptedModel) -> None:
    model.script("Yes.", cached_tokens=3)
    answer = ask(model, stream=False).json()
    assert answer["choices"][0]["message"]["content"] == "Yes."
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}


def test_errors(model: ScriptedModel) -> None:
    error = {"message": "slow down", "type": "rate_limit", "code": "1302"}
    model.script(status=429, retry_after="7", error=error)
    response = ask(model)
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["error"] == error


def test_the_key_is_asked_for(model: ScriptedModel) -> None:
    response = httpx.post(f"{model.base_url}/chat/completions", json={"messages": MESSAGES}, trust_env=False)
    assert response.status_code == 401


@pytest.mark.parametrize(
    "usage,places",
    [
        ("none", []),
        ("extra", ["extra"]),
        ("last", ["text"]),
        ("every", ["text", "text", "text", "text"]),
        ("choice", ["choice"]),
    ],
)
def test_usage_comes_where_providers_put_it(model: ScriptedModel, usage: str, places: list[str]) -> None:
    model.script("Yes, Sir.", usage=usage, chunk_chars=5)
    found = []
    for event in events(ask(model)):
        if event.get("usage"):
            found.append("text" if event["choices"] else "extra")
        if any("usage" in choice for choice in event["choices"]):
            found.append("choice")
    assert found == places


def test_usage_that_was_asked_for(model: ScriptedModel) -> None:
    response = ask(model, stream_options={"include_usage": True})
    *_, last = events(response)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_details"])
def test_thinking_has_a_field_of_its_own(model: ScriptedModel, field: str) -> None:
    model.script("Yes.", reasoning="Hm, let me see", reasoning_field=field)
    response = ask(model)
    assert text_of(response) == "Yes."
    assert any(field in choice["delta"] for event in events(response) for choice in event["choices"])


def test_thinking_in_tags(model: ScriptedModel) -> None:
    model.script("Yes.", reasoning="Hm", reasoning_field="think")
    assert text_of(ask(model)) == "<think>Hm</think>Yes."


def test_an_error_inside_the_stream(model: ScriptedModel) -> None:
    model.script("Yes, Sir.", chunk_chars=3, error_after=1)
    *_, last = events(ask(model))
    assert last["error"]["type"] == "server_error"
    assert model.requests()[-1]["text"] == "Yes"


def test_a_stream_that_breaks(model: ScriptedModel) -> None:
    model.script("Yes, Sir.", chunk_chars=3, break_after=2)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(model)
    assert (model.requests()[-1]["text"], model.requests()[-1]["outcome"]) == ("Yes, S", "broken")


def test_line_separators_come_raw(model: ScriptedModel) -> None:
    model.script("a\u2028b")
    response = ask(model)
    assert "\u2028".encode() in response.content
    assert text_of(response) == "a\u2028b"


def test_comments_keep_a_stream_alive(model: ScriptedModel) -> None:
    model.script("Yes.", first_token_s=0.1, keep_alive_s=0.02)
    assert ask(model).text.count(": keep-alive") >= 3


def test_the_log_notes_when_a_client_hangs_up(sandbox: Sandbox, model: ScriptedModel) -> None:
    model.script("Yes, Sir.", stall_after=1, chunk_chars=3)
    headers = {"authorization": f"Bearer {model.api_key}"}
    body = {"messages": MESSAGES, "stream": True}
    address = f"{model.base_url}/chat/completions"
    with httpx.stream("POST", address, json=body, headers=headers, trust_env=False) as response:
        next(line for line in response.iter_lines() if "Yes" in line)
    asked = model.requests(wait_s=10)[-1]
    assert (asked["outcome"], asked["chunks_sent"]) == ("client_gone", 1)


def test_unknown_options_are_refused(model: ScriptedModel) -> None:
    with pytest.raises(ValueError, match="has no colour"):
        model.script("Yes.", colour="red")

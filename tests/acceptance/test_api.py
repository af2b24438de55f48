"""An app's backend, and an outside desk, by the REST API alone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, words
from tests.support.processes import eventually


@pytest.fixture(scope="module")
def api(parley: Parley) -> Iterator[httpx.Client]:
    with parley.api() as client:
        yield client


@pytest.fixture(scope="module")
def desk(parley: Parley) -> Iterator[httpx.Client]:
    with parley.api("operate") as client:
        yield client


def open_chat(api: httpx.Client, robot: str = "ada") -> dict[str, Any]:
    wanted = {"kind": "chat", "robot": f"@RBT#{robot}", "user_id": f"user-{secrets.token_hex(6)}"}
    response = api.post("/sessions", json=wanted)
    assert response.status_code == 201, response.text
    session: dict[str, Any] = response.json()
    return session


def events_of(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def speak(api: httpx.Client, session: dict[str, Any], text: str) -> list[tuple[str, Any]]:
    """Say it as the user; → all events of the reply."""
    with api.stream(
        "POST",
        f"/sessions/{session['id']}/messages",
        json={"text": text},
        headers={"Accept": "text/event-stream"},
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events_of(response))


def test_a_reply_streams_to_the_app_and_to_the_chat(
    parley: Parley, api: httpx.Client, sandbox: Sandbox
) -> None:
    text = words(30)
    sandbox.model.script(text, match="by REST", chunk_delay_s=0.1)
    session = open_chat(api)

    events = speak(api, session, "Tell me by REST")

    names = [name for name, _ in events]
    deltas = [data["text"] for name, data in events if name == "delta"]
    done = events[-1][1]["message"]
    assert (names[0], names[-1]) == ("message", "done")
    assert len(deltas) >= 2
    assert "".join(deltas) == done["text"] == text
    assert (done["sender"], done["model"], done["reply_to"]) == ("robot", "fast", events[0][1]["id"])
    [shown] = parley.app.replies(session["im"]["user_id"], "@RBT#ada")
    assert shown.text == text


def test_an_apps_client_speaks_by_its_user_token(parley: Parley, api: httpx.Client) -> None:
    session, other = open_chat(api), open_chat(api)
    token = api.post(f"/sessions/{session['id']}/user_token").json()["token"]

    with parley.rest(token) as client:
        done = speak(client, session, "Hello")[-1][1]["message"]
        refused = client.get(f"/sessions/{other['id']}")
        api.delete(f"/sessions/{session['id']}")
        over = client.get(f"/sessions/{session['id']}")

    assert "Hello" in done["text"]
    assert (done["model"], done["cost"]) == (None, None)
    assert (refused.status_code, over.status_code) == (403, 401)


def test_a_reply_that_fails_ends_in_an_error(api: httpx.Client) -> None:
    events = speak(api, open_chat(api, "refusing"), "Anybody there?")

    name, data = events[-1]
    assert (name, data["error"]["code"]) == ("error", "failed")


def test_a_reply_is_stopped_by_rest(api: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.model.script(words(200), match="Stop by REST", chunk_delay_s=0.1)
    session = open_chat(api)

    with api.stream(
        "POST",
        f"/sessions/{session['id']}/messages",
        json={"text": "Stop by REST"},
        headers={"Accept": "text/event-stream"},
    ) as response:
        events = events_of(response)
        heard = next(data["text"] for name, data in events if name == "delta")
        stopped = api.post(f"/sessions/{session['id']}/interrupt").json()
        rest = list(events)

    assert stopped == {"interrupted": True}
    assert rest[-1][0] == "done"
    assert rest[-1][1]["message"]["text"].startswith(heard)


def test_a_desk_takes_over_and_hands_back(
    parley: Parley, api: httpx.Client, desk: httpx.Client, sandbox: Sandbox
) -> None:
    user = parley.user()
    user.ask("Hello")
    [conversation] = desk.get("/conversations", params={"user_id": user.id}).json()["results"]
    address = f"/conversations/{conversation['id']}"

    taken = desk.post(f"{address}/take_over").json()
    said = desk.post(f"{address}/messages", json={"text": "A person here."}).json()
    user.wait_until(lambda replies: any(reply.text == "A person here." for reply in replies))
    user.write("Thank you")
    given_back = desk.post(f"{address}/hand_back").json()

    assert (taken["state"], said["sender"], given_back["state"]) == ("operator", "operator", "robot")
    user.wait_until(lambda replies: any("Thank you" in reply.text for reply in replies))
    listed = desk.get(f"{address}/messages").json()["results"]
    [sent] = [each for each in listed if each["id"] == said["id"]]
    assert sent["state"] == "delivered"


def test_without_a_stream_the_message_is_answered_later(parley: Parley, api: httpx.Client) -> None:
    session = open_chat(api)

    response = api.post(f"/sessions/{session['id']}/messages", json={"text": "Later"})

    assert (response.status_code, response.json()["text"]) == (202, "Later")
    address = f"/conversations/{session['conversation']}/messages"
    eventually(lambda: [each["sender"] for each in api.get(address).json()["results"]] == ["user", "robot"])


def test_the_schema_and_its_page_are_served(parley: Parley) -> None:
    schema, page = parley.get("/api/schema/?format=json"), parley.get("/api/docs/")

    assert "/api/v1/sessions" in schema.json()["paths"]
    assert (page.status_code, "swagger" in page.text.lower()) == (200, True)

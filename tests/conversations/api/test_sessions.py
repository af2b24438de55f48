from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from bots.models import Robot, Tier
from conversations import turns
from conversations.models import Conversation, EndUser, Message, Rating, Session, Turn
from tests.conversations.api.conftest import Open

pytestmark = pytest.mark.django_db(transaction=True)  # frames leave in a thread of their own


def test_a_chat_is_opened_with_what_a_client_sdk_needs(open_chat: Open, robot: Robot) -> None:
    session = open_chat(metadata={"page": "home"})

    conversation = Conversation.objects.get(robot=robot, peer_id="alice")
    assert (session["kind"], session["state"], session["metadata"]) == ("chat", "open", {"page": "home"})
    assert session["conversation"] == conversation.public_id
    assert session["robot"]["user_id"] == robot.user_id
    assert session["im"]["token"] == "token-of-alice"
    assert {"vendor", "app_id", "user_id", "expires_at"} < session["im"].keys()


def test_the_open_chat_is_found_again(client: APIClient, robot: Robot) -> None:
    wanted = {"kind": "chat", "robot": robot.user_id, "user_id": "alice"}
    first, second = client.post("/api/v1/sessions", wanted), client.post("/api/v1/sessions", wanted)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_session_may_set_the_users_tier(open_chat: Open) -> None:
    Tier.objects.create(slug="vip")

    open_chat(tier="vip")

    assert EndUser.objects.get().tier.slug == "vip"


def test_an_ended_session_takes_no_more(client: APIClient, open_chat: Open) -> None:
    address = f"/api/v1/sessions/{open_chat()['id']}"

    first, second = client.delete(address), client.delete(address)
    refused = client.post(f"{address}/messages", {"text": "Hello"})

    assert [first.json()["state"], second.json()["ended_at"]] == ["ended", first.json()["ended_at"]]
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "session_ended")
    assert open_chat()["id"] != first.json()["id"]


def test_what_is_said_by_rest_is_answered(client: APIClient, open_chat: Open) -> None:
    session = open_chat()

    response = client.post(f"/api/v1/sessions/{session['id']}/messages", {"text": "Hello"})
    turns.answer(Conversation.objects.get().pk)

    said = response.json()
    assert (response.status_code, said["sender"], said["text"]) == (202, "user", "Hello")
    assert (said["state"], said["vendor_message_id"], said["model"]) == ("received", None, None)
    listed = client.get(f"/api/v1/conversations/{session['conversation']}/messages").json()
    question, answer = listed["results"]
    assert question["id"] == said["id"] == answer["reply_to"]
    assert (answer["text"], answer["model"]) == ("You said: Hello", "script")
    assert answer["tokens"]["output"] > 0
    assert answer["cost"] == {"amount": 0.0, "currency": ""}


def test_a_running_reply_is_stopped(client: APIClient, open_chat: Open) -> None:
    session = open_chat()
    conversation = Conversation.objects.get()
    turn = Turn.objects.create(conversation=conversation, state=Turn.State.THINKING)
    address = f"/api/v1/sessions/{session['id']}/interrupt"

    first, second = client.post(address), client.post(address)

    turn.refresh_from_db()
    assert [first.json(), second.json()] == [{"interrupted": True}, {"interrupted": False}]
    assert turn.ending == Turn.State.STOPPED


def test_a_rating_is_kept(client: APIClient, open_chat: Open) -> None:
    session = open_chat()

    response = client.post(f"/api/v1/sessions/{session['id']}/rating", {"score": 5, "comment": "Fine."})

    rating = Rating.objects.get()
    assert (response.status_code, rating.score, rating.comment) == (201, 5, "Fine.")
    assert rating.session == Session.objects.get(public_id=session["id"])


def test_a_fresh_token(client: APIClient, open_chat: Open) -> None:
    response = client.post(f"/api/v1/sessions/{open_chat()['id']}/token")

    assert response.json()["im"]["token"] == "token-of-alice"


@pytest.mark.parametrize(
    "wrong,field",
    [
        ({"robot": "nobody"}, "robot"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": "ada"}, "user_id"),
        ({"kind": "seance"}, "kind"),
        ({"tier": "gold"}, "tier"),
        ({"metadata": "text"}, "metadata"),
    ],
)
def test_a_wrong_request_names_the_field(
    client: APIClient, robot: Robot, wrong: dict[str, str], field: str
) -> None:
    response = client.post(
        "/api/v1/sessions", {"kind": "chat", "robot": robot.user_id, "user_id": "alice"} | wrong
    )

    error = response.json()["error"]
    assert (response.status_code, error["code"], list(error["fields"])) == (400, "invalid", [field])
    assert not Session.objects.exists()


def test_messages_come_in_pages_with_the_newest_last(client: APIClient, open_chat: Open) -> None:
    session = open_chat()
    conversation = Conversation.objects.get()
    for number in range(5):
        Message.objects.create(
            conversation=conversation, sender="user", sender_id="alice", text=str(number),
            state="received", happened_at=conversation.created_at,
        )  # fmt: skip

    first = client.get(f"/api/v1/conversations/{session['conversation']}/messages?limit=3").json()
    second = client.get(first["next"]).json()

    assert [each["text"] for each in first["results"]] == ["2", "3", "4"]
    assert [each["text"] for each in second["results"]] == ["0", "1"]
    assert (first["previous"], second["next"]) == (None, None)

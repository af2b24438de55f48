from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import AgentTemplate, Call
from conversations.models import ApiKey
from sandbox.zego.rooms import claims_in
from tests.agents.service import Service, fail
from tests.bots.vendors.cloud import HANG_UP
from tests.support.voices import SERVER_SECRET, make_call, make_voice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]


@pytest.fixture
def voice(service: Service) -> AgentTemplate:
    voice = make_voice()
    voice.account.config |= {"agent_api_base": service.url, "max_agent_instances": 1}
    voice.account.save()
    return voice


@pytest.fixture
def api() -> APIClient:
    _, key = ApiKey.objects.create_key(name="shop", scopes=[ApiKey.Scope.SESSIONS])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def start(api: APIClient, **more: Any) -> Any:
    wanted = {"kind": "voice", "template": "ada-voice", "user_id": "alice"} | more
    return api.post("/api/v1/sessions", wanted, format="json")


def test_a_call_is_started(api: APIClient, voice: AgentTemplate) -> None:
    response = start(api, room_id="room1", user_stream_id="stream1", metadata={"page": "home"})
    assert response.status_code == 201
    body = response.json()
    call = Call.objects.get()
    assert {
        name: body[name] for name in ("id", "kind", "state", "conversation", "agent_instance_id", "metadata")
    } == {
        "id": call.session.public_id,
        "kind": "voice",
        "state": "open",
        "conversation": call.conversation.public_id,
        "agent_instance_id": "i-1",
        "metadata": {"page": "home"},
    }
    token = body["rtc"].pop("token")
    assert body["rtc"].pop("expires_at").endswith("Z")
    assert body["rtc"] == {
        "app_id": 12345,
        "room_id": "room1",
        "user_id": "alice",
        "user_stream_id": "stream1",
        "agent_user_id": call.agent_user_id,
        "agent_stream_id": call.agent_stream_id,
    }
    claims = claims_in(token, SERVER_SECRET)
    assert (claims["app_id"], claims["user_id"]) == (12345, "alice")
    assert json.loads(claims["payload"]) == {
        "room_id": "room1", "privilege": {"1": 1, "2": 1}, "stream_id_list": ["stream1"],
    }  # fmt: skip
    assert base64.b64decode(token[2:])[-1:] != b"\1"


def test_where_no_place_is_free(api: APIClient, voice: AgentTemplate) -> None:
    start(api)
    refused = start(api)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_capacity")
    assert refused["Retry-After"] == "10"
    queued = start(api, wait=True)
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    assert "rtc" not in queued.json()
    early = api.post(f"/api/v1/sessions/{queued.json()['id']}/token")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "session_queued")


def test_the_session_of_a_call(api: APIClient, voice: AgentTemplate, service: Service) -> None:
    address = f"/api/v1/sessions/{start(api).json()['id']}"
    assert api.get(address).json()["state"] == "open"
    assert api.post(f"{address}/token").json()["rtc"]["user_id"] == "alice"
    assert api.post(f"{address}/interrupt").json() == {"interrupted": True}
    for _ in range(2):
        ended = api.delete(address)
        assert (ended.status_code, ended.json()["state"], ended.json()["end_reason"]) == (200, "ended", "app")
    assert api.post(f"{address}/token").json()["error"]["code"] == "session_ended"
    assert service.actions == [
        "CreateAgentInstance", "InterruptAgentInstance", "GetAgentInstanceMsgList", "DeleteAgentInstance",
    ]  # fmt: skip


def test_a_call_may_be_ended_gracefully(api: APIClient, voice: AgentTemplate, service: Service) -> None:
    address = f"/api/v1/sessions/{start(api).json()['id']}"
    refused = api.delete(f"{address}?graceful_s=999")
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["graceful_s"])
    for _ in range(2):
        assert api.delete(f"{address}?graceful_s=20").json()["state"] == "ended"
    assert service.asked("DeleteAgentInstance")[-1] == {
        "AgentInstanceId": "i-1", "GracefulShutdown": True, "GracefulShutdownTimeout": 20,
    }  # fmt: skip
    assert Call.objects.get().state == Call.State.ENDING  # the agent has its time


def test_the_same_key_starts_one_call(api: APIClient, voice: AgentTemplate) -> None:
    wanted = {"kind": "voice", "template": "ada-voice", "user_id": "alice"}
    first, again = (
        api.post("/api/v1/sessions", wanted, format="json", headers={"Idempotency-Key": "k"})
        for _ in range(2)
    )
    assert first.json() == again.json()
    assert Call.objects.count() == 1


@pytest.mark.parametrize(
    "more, field",
    [
        ({"kind": "video"}, "kind"),
        ({"template": "none"}, "template"),
        ({"user_id": ""}, "user_id"),
        ({"room_id": "a b"}, "room_id"),
        ({"user_stream_id": "x" * 129}, "user_stream_id"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(
    api: APIClient, voice: AgentTemplate, more: dict[str, str], field: str
) -> None:
    response = start(api, **more)
    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == [field]


@pytest.mark.parametrize("answer", [fail(410000003, "no"), HANG_UP])
def test_a_service_that_fails_is_told_as_such(
    api: APIClient, voice: AgentTemplate, service: Service, answer: Any
) -> None:
    service.will("CreateAgentInstance", answer)
    response = start(api)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "vendor_failed")


def test_chats_are_as_before(api: APIClient, voice: AgentTemplate) -> None:
    call = make_call(voice)
    assert "agent_instance_id" in api.get(f"/api/v1/sessions/{call.session.public_id}").json()
    wanted = {"kind": "chat", "robot": "@RBT#ada", "user_id": "alice", "account": "acme"}
    chat = api.post("/api/v1/sessions", wanted, format="json")
    assert (chat.status_code, chat.json()["kind"]) == (201, "chat")


def test_the_description_has_both_kinds(api: APIClient) -> None:
    schema = api.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    body = schema["components"]["schemas"]["AnySessionRequest"]
    assert set(body["discriminator"]["mapping"]) == {"chat", "voice"}
    assert "rtc" in schema["components"]["schemas"]["StartedCallOut"]["properties"]

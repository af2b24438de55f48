"""The shapes that ZEGO's sample clients insist on: see section 8.4 of what is known of them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.test import Client

from agents.models import AgentTemplate, Call
from sandbox.zego.rooms import claims_in
from tests.agents.service import Service, fail
from tests.support.voices import SERVER_SECRET, make_voice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]

STARTING = {"user_id": "alice", "room_id": "room1", "user_stream_id": "stream1", "agent_id": "any"}


@pytest.fixture
def voice(service: Service) -> AgentTemplate:
    voice = make_voice(serves_samples=True)
    voice.account.config |= {"agent_api_base": service.url, "max_agent_instances": 1}
    voice.account.save()
    return voice


def post(client: Client, name: str, body: Any) -> Any:
    content = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/api/{name}", content, content_type="application/json")


@pytest.mark.parametrize("parameter", ["userId", "user_id"])
def test_token(client: Client, voice: AgentTemplate, parameter: str) -> None:
    response = client.get(f"/api/zego-token?{parameter}=alice&roomId=room1")
    body = response.json()
    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "*"
    assert (body["code"], body["user_id"], type(body["message"])) == (0, "alice", str)
    assert body["expire_time"] > (time.time() + 60) * 1000 > 2**32
    assert claims_in(body["token"], SERVER_SECRET)["payload"] == ""


def test_a_call(client: Client, voice: AgentTemplate) -> None:
    body = post(client, "start", STARTING).json()
    call = Call.objects.get()
    assert body == {
        "code": 0,
        "message": "success",
        "agent_id": "ada",
        "agent_name": "Ada",
        "agent_instance_id": "i-1",
        "agent_stream_id": call.agent_stream_id,
        "agent_user_id": call.agent_user_id,
    }
    assert (call.room_id, call.user_stream_id) == ("room1", "stream1")
    stopped = post(client, "stop", {"agent_instance_id": "i-1"})
    assert stopped.json() == {"code": 0, "message": "success", "agent_instance_id": "i-1"}
    assert Call.objects.get().state == "ended"


@pytest.mark.parametrize("body", [{"user_id": "alice"}, {"agent_id": "a", "agent_name": "A"}, {}, ""])
def test_agent_info_for_each_client(client: Client, voice: AgentTemplate, body: Any) -> None:
    assert post(client, "getAgentInfo", body).json() == {
        "code": 0, "message": "success", "agent_id": "ada", "agent_name": "Ada", "robot_id": "@RBT#ada",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name, body, status",
    [
        ("start", {}, 400),
        ("start", "", 400),
        ("start", "[1]", 400),
        ("start", STARTING | {"room_id": "a b"}, 400),
        ("stop", {}, 404),
        ("stop", {"agent_instance_id": "other"}, 404),
    ],
)
def test_errors(client: Client, voice: AgentTemplate, name: str, body: Any, status: int) -> None:
    response = post(client, name, body)
    assert (response.status_code, response.json()["code"]) == (status, status)
    assert set(response.json()) == {"code", "message"}
    assert response["Access-Control-Allow-Origin"] == "*"


def test_no_place_and_no_service(client: Client, voice: AgentTemplate, service: Service) -> None:
    service.will("CreateAgentInstance", fail(410000003, "no"))
    assert post(client, "start", STARTING).status_code == 500
    post(client, "start", STARTING)
    assert post(client, "start", STARTING).status_code == 503


def test_a_browser_asks_first(client: Client, voice: AgentTemplate) -> None:
    response = client.options("/api/start")
    assert response.status_code == 204
    assert "POST" in response["Access-Control-Allow-Methods"]
    assert "Authorization" in response["Access-Control-Allow-Headers"]


@pytest.mark.parametrize("name", ["zego-token?userId=alice", "start", "stop", "getAgentInfo"])
def test_they_are_off_until_a_template_serves_them(client: Client, voice: AgentTemplate, name: str) -> None:
    AgentTemplate.objects.update(serves_samples=False)
    address = f"/api/{name}"
    response = client.get(address) if "?" in name else post(client, name, STARTING)
    assert response.status_code == 404
    assert "token" not in response.json()

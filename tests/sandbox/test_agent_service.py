"""The simulated voice service does what the vendor's pages say of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from bots.vendors.zego.client import signature_of
from sandbox.driver import Sandbox, ZegoApp
from sandbox.zego.speech import Mute, pieces_in, sentences_in

TTS: Final[dict[str, Any]] = {"Vendor": "MiniMax", "Params": {}}
LLM: Final[dict[str, Any]] = {"Url": "http://127.0.0.1:1/", "ApiKey": "k", "Model": "m"}
AGENT: Final[dict[str, Any]] = {"AgentId": "ada", "Name": "Ada", "LLM": LLM, "TTS": TTS}


class Backend:
    """An app's server, which signs its calls."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.app = sandbox.register_app_of(ZegoApp, agent_rate_per_s=1000)
        self.url = sandbox.url

    def call(self, action: str, *, secret: str = "", **body: Any) -> tuple[int, Any]:
        app_id, now = self.app.settings["app_id"], int(time.time())
        query = {
            "Action": action,
            "AppId": app_id,
            "SignatureNonce": "n",
            "Timestamp": now,
            "SignatureVersion": "2.0",
            "Signature": signature_of(app_id, "n", secret or self.app.settings["server_secret"], now),
        }
        answer = httpx.post(f"{self.url}/", params=query, json=body, trust_env=False).json()
        return answer["Code"], answer.get("Data")

    def create(self, number: int, **changes: Any) -> tuple[int, Any]:
        rtc = {
            "RoomId": f"room{number}",
            "AgentStreamId": f"as{number}",
            "AgentUserId": f"au{number}",
            "UserStreamId": f"us{number}",
        }
        return self.call(
            "CreateAgentInstance", **({"AgentId": "ada", "UserId": "alice", "RTC": rtc} | changes)
        )


@pytest.fixture
def backend(sandbox: Sandbox) -> Backend:
    backend = Backend(sandbox)
    assert backend.call("RegisterAgent", **AGENT) == (0, {})
    return backend


def test_agents(backend: Backend) -> None:
    assert backend.call("RegisterAgent", **AGENT)[0] == 410001008
    assert backend.call("UpdateAgent", AgentId="ada", Name="Eve")[0] == 0
    assert backend.call("UpdateAgent", AgentId="none")[0] == 410001009
    _, data = backend.call("QueryAgents", AgentIds=["ada", "none"])
    assert [agent["Name"] for agent in data["Agents"]] == ["Eve"]
    assert backend.call("QueryAgents", AgentIds=["none"]) == (0, {"Agents": None})
    assert backend.call("QueryAgents", secret="x", AgentIds=["ada"])[0] == 100000005


def test_instances_are_limited(backend: Backend) -> None:
    assert [backend.create(number)[0] for number in range(11)] == [0] * 10 + [410000011]


def test_a_second_agent_of_one_user_id_throws_the_first_out(backend: Backend) -> None:
    _, first = backend.create(1)
    _, second = backend.create(1)
    assert [each["id"] for each in backend.app.instances()] == [second["AgentInstanceId"]]
    assert backend.call("QueryAgentInstanceStatus", AgentInstanceId=first["AgentInstanceId"])[0] == 410001002


def test_an_instance_takes_other_blocks_than_its_agent(backend: Backend) -> None:
    _, created = backend.create(1)
    instance = {"AgentInstanceId": created["AgentInstanceId"]}
    assert backend.call("UpdateAgentInstance", **instance, LLM={**LLM, "Model": "other"}) == (0, {})
    assert backend.call("UpdateAgentInstance", AgentInstanceId="none")[0] == 410001002
    assert backend.call("UpdateAgentInstance", **instance, LLM={"Model": "other"})[0] == 410000003


@pytest.mark.parametrize(
    "changes", [{"UserId": "a b"}, {"UserId": "u" * 33}, {"RTC": {"RoomId": "r"}}, {"UserId": "au2"}]
)
def test_what_an_instance_is_refused_for(backend: Backend, changes: dict[str, Any]) -> None:
    assert backend.create(2, **changes)[0] == 410000003


def test_an_absent_user_ends_the_call(sandbox: Sandbox, backend: Backend) -> None:
    backend.app.change(idle_scale=0.001)
    backend.create(3)
    backend.app.wait_for_instances(lambda instances: not instances)


def chunk(text: str, reason: str = "") -> str:
    ending = f'"{reason}"' if reason else "null"
    return f'data: {{"choices": [{{"delta": {{"content": "{text}"}}, "finish_reason": {ending}}}]}}'


def heard(*lines: str) -> list[str]:
    async def received() -> AsyncIterator[str]:
        for line in lines:
            yield line

    async def sentences() -> list[str]:
        return [sentence async for sentence in sentences_in(pieces_in(received()))]

    return asyncio.run(sentences())


def test_an_answer_is_spoken_by_sentences() -> None:
    assert heard(chunk("One. Tw"), "", chunk("o! Three"), chunk("", "stop"), "data: [DONE]") == [
        "One.", "Two!", "Three",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lines",
    [
        ["data:x"],
        [chunk("Hello"), "data: [DONE]"],
        [chunk("Hello", "stop"), chunk("more"), "data: [DONE]"],
        [chunk("Hello", "length"), "data: [DONE]"],
        [chunk("Hello", "stop")],
        ["data: {}", "data: [DONE]"],
    ],
)
def test_a_stream_of_another_form_makes_the_agent_mute(lines: list[str]) -> None:
    with pytest.raises(Mute):
        heard(*lines)

from __future__ import annotations

import pytest

from agents import aiagent
from agents.aiagent import AIAgent, service_of
from agents.errors import AgentUnknown, InstanceGone, NoPlace, exception_words
from bots.errors import VendorBusy, VendorRefused, VendorUnreachable
from bots.models import Pace
from bots.vendors.zego.client import signature_of
from tests.agents.service import Service, fail, ok
from tests.bots.vendors.cloud import HANG_UP
from tests.support.voices import SERVER_SECRET, make_zego

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(service: Service) -> AIAgent:
    return service_of(make_zego(agent_api_base=service.url))


def test_a_call_is_signed(agent: AIAgent, service: Service) -> None:
    assert agent.create_instance({"AgentId": "ada"}) == "i-1"
    query = service.request.query
    expected = signature_of(12345, query["SignatureNonce"], SERVER_SECRET, int(query["Timestamp"]))
    assert (query["Action"], query["AppId"], query["SignatureVersion"]) == (
        "CreateAgentInstance",
        "12345",
        "2.0",
    )
    assert query["Signature"] == expected
    assert service.request.json == {"AgentId": "ada"}


@pytest.mark.parametrize(
    "code, error",
    [
        (410000001, VendorUnreachable),
        (410000003, VendorRefused),
        (410000010, VendorBusy),
        (410000011, NoPlace),
        (410001002, InstanceGone),
        (410001009, AgentUnknown),
        (100000005, VendorRefused),
        (999, VendorRefused),
    ],
)
def test_codes(agent: AIAgent, service: Service, code: int, error: type[Exception]) -> None:
    service.will("CreateAgentInstance", fail(code, "the reason"))
    with pytest.raises(error, match="the reason") as caught:
        agent.create_instance({})
    assert type(caught.value) is error
    assert str(code) in str(caught.value)


@pytest.mark.parametrize(
    "answer", [HANG_UP, ok(), {"Code": 0, "Data": None}, {"Code": 0, "Data": {"AgentInstanceId": 1}}]
)
def test_an_answer_without_an_instance_leaves_open_whether_there_is_one(
    agent: AIAgent, service: Service, answer: object
) -> None:
    service.will("CreateAgentInstance", answer)  # type: ignore[arg-type]
    with pytest.raises(VendorUnreachable):
        agent.create_instance({})


def test_an_agent_that_exists_is_replaced(agent: AIAgent, service: Service) -> None:
    service.will("RegisterAgent", fail(410001008))
    agent.register({"AgentId": "ada", "Name": "Ada"})
    assert service.actions == ["RegisterAgent", "UpdateAgent"]
    assert service.requests[0].json == service.requests[1].json


@pytest.mark.parametrize("code", [410001002, 410001041])
def test_to_end_an_instance_that_is_gone_or_ending_is_success(
    agent: AIAgent, service: Service, code: int
) -> None:
    service.will("DeleteAgentInstance", fail(code))
    agent.delete_instance("i-1", graceful_s=20)
    assert service.request.json == {
        "AgentInstanceId": "i-1", "GracefulShutdown": True, "GracefulShutdownTimeout": 20,
    }  # fmt: skip


def test_agents_are_asked_for_ten_at_a_time(agent: AIAgent, service: Service) -> None:
    service.will("QueryAgents", ok(Agents=None), ok(Agents=[{"AgentId": "a11"}]))
    assert list(agent.agents([f"a{number}" for number in range(12)])) == [{"AgentId": "a11"}]
    assert [len(body["AgentIds"]) for body in service.asked("QueryAgents")] == [10, 2]


def test_each_action_has_a_pace_of_its_own(
    agent: AIAgent, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(aiagent, "CALLS_PER_S", 0.1)
    monkeypatch.setattr(aiagent, "pause", waits.append)
    agent.status("i-1")
    agent.status("i-1")
    agent.interrupt("i-1")
    assert (waits[0], waits[2]) == (0, 0)
    assert 1 < waits[1] <= 11
    assert set(Pace.objects.values_list("call", flat=True)) == {
        "QueryAgentInstanceStatus", "InterruptAgentInstance",
    }  # fmt: skip


def test_an_exception_says_what_it_means_and_which_setting_is_to_blame() -> None:
    assert exception_words(2303, "401 from MiniMax") == (
        "2303: speech synthesis does not accept the credentials; check the template's tts.params.app; "
        "401 from MiniMax"
    )
    assert exception_words(9, "") == "9: an error unknown to us"

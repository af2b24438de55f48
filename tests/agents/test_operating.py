"""What people do in a call: interrupt, speak, whisper, take over and hand back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from procrastinate.contrib.django.models import ProcrastinateJob

from agents import calls, operating, rounds, tasks
from agents.aiagent import AIAgent
from agents.models import AgentTemplate, Call, CallEvent
from bots.errors import VendorUnreachable
from bots.events import JSONDict
from conversations import operating as desk
from conversations import ownership
from conversations.models import Message
from tests.support.staff import logged_in, make_staff
from tests.support.standin import Cloud
from tests.support.voices import make_call, make_voice

pytestmark = pytest.mark.django_db


class Service:
    """The voice service, on paper."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, JSONDict]] = []
        self.is_down = False

    def call(self, action: str, request: JSONDict) -> JSONDict:
        if self.is_down:
            raise VendorUnreachable("no answer in time", party="zego")
        self.calls.append((action, request))
        return {"Code": 0, "Data": {"Round": 40 + len(self.calls)}}

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.calls]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(AIAgent, "call", lambda _self, action, request: service.call(action, request))
    monkeypatch.setattr("agents.aiagent.PacedAIAgent.call", AIAgent.call)
    return service


@pytest.fixture
def call(paper_cloud: Cloud, settings: Any) -> Call:
    settings.OWN_URL = "https://parley.example"
    return make_call(make_voice(), instance_id="77")


@pytest.fixture
def operator(db: None) -> Client:
    return logged_in(make_staff("olga"))


def post(client: Client, call: Call, move: str, **body: Any) -> int:
    address = f"/console/{call.conversation.public_id}/call/{move}/"
    return client.post(address, json.dumps(body), content_type="application/json").status_code


def run_jobs() -> None:
    """All jobs of calls that wait, in order."""
    doors = {task.name: task for task in (tasks.speak, tasks.mind_owner)}
    for job in ProcrastinateJob.objects.filter(status="todo").order_by("id"):
        if door := doors.get(job.task_name):
            door(**job.args)


def test_the_console_knows_of_a_call(call: Call, operator: Client) -> None:
    address = f"/console/{call.conversation.public_id}/call/"
    assert operator.get(address).json()["call"]["template"] == call.template.slug

    Call.objects.update(state=Call.State.ENDED)
    assert operator.get(address).json() == {"call": None}
    assert post(operator, call, "interrupt") == 409


def test_the_console_shows_a_call_that_is_about_to_run(call: Call, operator: Client) -> None:
    Call.objects.update(state=Call.State.STARTING)
    shown = operator.get(f"/console/{call.conversation.public_id}/call/").json()["call"]
    assert (shown["is_running"], shown["status"]) == (False, "starting")
    assert post(operator, call, "interrupt") == 409


def test_a_take_over_before_the_call_runs_silences_it_then(call: Call, service: Service) -> None:
    Call.objects.update(state=Call.State.STARTING)
    ownership.take_over(call.conversation, by="desk")
    run_jobs()
    assert service.actions == []

    calls.note_started(call, "77")
    run_jobs()
    assert service.actions == ["InterruptAgentInstance"]


def test_an_operator_interrupts(call: Call, operator: Client, service: Service) -> None:
    assert post(operator, call, "interrupt") == 200
    assert service.calls == [("InterruptAgentInstance", {"AgentInstanceId": "77"})]


def test_an_operator_speaks_through_the_agent(call: Call, operator: Client, service: Service) -> None:
    assert post(operator, call, "say", text="Hello from a human.") == 200
    run_jobs()

    [(action, request)] = service.calls
    assert (action, request["Text"], request["Priority"]) == (
        "SendAgentInstanceTTS", "Hello from a human.", "High",
    )  # fmt: skip
    message = Message.objects.get()
    assert (message.sender, message.kind, message.state) == ("operator", "call", Message.State.DELIVERED)


def test_long_words_are_said_in_parts_and_too_long_ones_refused(
    call: Call, operator: Client, service: Service
) -> None:
    assert post(operator, call, "say", text="One sentence. " * 40) == 200
    run_jobs()

    assert all(len(request["Text"]) <= operating.LONGEST_SPEECH for _, request in service.calls)
    options = [request["SamePriorityOption"] for _, request in service.calls]
    assert options == ["ClearAndInterrupt", "Enqueue"]
    assert post(operator, call, "say", text="x" * 2000) == 400


def test_what_an_operator_said_is_not_told_twice(call: Call, service: Service) -> None:
    """Whether the callback comes before the answer or behind it."""
    event = CallEvent.objects.create(
        call=call,
        account=call.account,
        instance_id="77",
        sequence=1,
        event="LLMResult",
        round=41,
        happened_at=call.created_at,
        data={"Round": 41, "Text": "Hello."},
    )
    rounds.note_answer(call, event)
    operating.say(call, "Hello.", name="olga")
    run_jobs()
    rounds.note_answer(call, event)

    assert [(message.sender, message.text) for message in Message.objects.all()] == [("operator", "Hello.")]


def test_words_that_may_have_been_said_are_not_said_again(call: Call, service: Service) -> None:
    message = operating.say(call, "Hello.", name="olga")
    Message.objects.update(frame=1)  # as a worker leaves it that is killed with the request on its way
    message.refresh_from_db()

    operating.speak(call, message, is_first=True)

    assert (service.calls, message.state) == ([], Message.State.FAILED)


def test_a_service_that_does_not_answer_is_told_of(call: Call, operator: Client, service: Service) -> None:
    service.is_down = True

    assert post(operator, call, "whisper", text="be kind") == 502
    operating.say(call, "Hello.", name="olga")
    run_jobs()
    assert Message.objects.get().state == Message.State.FAILED


def test_a_whisper_reaches_the_model_only(call: Call, operator: Client, service: Service) -> None:
    assert post(operator, call, "whisper", text="offer a discount") == 200

    [(action, request)] = service.calls
    assert action == "SendAgentInstanceLLM"
    assert "offer a discount" in request["Text"]
    assert request["AddQuestionToHistory"] is False
    assert not Message.objects.exists()


def test_a_take_over_silences_the_agent_and_operators_words_are_spoken(
    call: Call, operator: Client, service: Service
) -> None:
    operator.post(f"/console/{call.conversation.public_id}/take-over/")
    run_jobs()
    assert service.actions == ["InterruptAgentInstance"]

    address = f"/console/{call.conversation.public_id}/say/"
    operator.post(address, json.dumps({"text": "I am here."}), content_type="application/json")
    run_jobs()
    assert service.actions[-1] == "SendAgentInstanceTTS"
    assert service.calls[-1][1]["Text"] == "I am here."


def test_a_desks_words_are_spoken_too(call: Call, service: Service) -> None:
    ownership.take_over(call.conversation, by="desk")

    assert desk.say(call.conversation, "I am here.", by="desk").kind == Message.Kind.CALL


def test_a_model_that_the_service_asks_itself_is_replaced_meanwhile(call: Call, service: Service) -> None:
    AgentTemplate.objects.update(llm=AgentTemplate.Mind.DIRECT)

    ownership.take_over(call.conversation, by="desk")
    run_jobs()
    assert service.actions == ["UpdateAgentInstance", "InterruptAgentInstance"]
    assert service.calls[0][1]["LLM"]["Url"].startswith("https://parley.example/brain/")

    ProcrastinateJob.objects.all().delete()
    ownership.hand_back(call.conversation, by="desk")
    run_jobs()
    assert service.actions[-1] == "UpdateAgentInstance"
    assert "/brain/" not in service.calls[-1][1]["LLM"]["Url"]


def test_others_keep_out_of_a_conversation_that_somebody_has(
    call: Call, operator: Client, service: Service
) -> None:
    ownership.take_over(call.conversation, by="desk")

    assert post(operator, call, "say", text="Hello.") == 409
    assert post(Client(), call, "say", text="Hello.") == 403

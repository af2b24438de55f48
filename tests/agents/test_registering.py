from __future__ import annotations

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django import Settings

from agents.configuration import save_template
from agents.definitions import definition_of
from agents.models import AgentTemplate
from agents.registering import is_registered, mend_drift, register
from agents.tasks import mend_drift as mend_drift_task
from agents.tasks import register_template
from bots.configuration.saving import save_account, save_robot
from bots.errors import VendorRefused
from bots.models import VendorAccount
from tests.agents.service import Service, fail, ok
from tests.support.factories import SECRET, make_model
from tests.support.voices import make_template, make_voice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]


@pytest.fixture
def voice(service: Service) -> AgentTemplate:
    voice = make_voice(tts_options={"TerminatorText": "。"})
    voice.account.config["agent_api_base"] = service.url
    voice.account.save()
    ProcrastinateJob.objects.all().delete()
    return voice


def jobs() -> int:
    return ProcrastinateJob.objects.filter(task_name="agents.register_template").count()


def test_what_is_registered(voice: AgentTemplate, service: Service) -> None:
    register(voice)
    assert service.request.json == {
        "AgentId": "ada",
        "Name": "Ada",
        "LLM": {
            "Url": "https://parley.example.com/brain/ada-voice/v1/chat/completions",
            "ApiKey": voice.brain_secret,
            "Model": "parley",
            "AddAgentInfo": True,
        },
        "TTS": {"Vendor": "MiniMax", "Params": {"app": {"api_key": SECRET}}, "TerminatorText": "。"},
        "ASR": {"Vendor": "Tencent", "Params": {}},
    }
    voice.refresh_from_db()
    assert is_registered(voice)


def test_an_agent_that_asks_the_model_itself_gets_its_address_and_the_persona(
    voice: AgentTemplate, service: Service
) -> None:
    model = make_model(
        "local",
        api="openai",
        base_url="http://vllm:8000/v1/",
        model="tiny",
        params={"temperature": 0.5, "seed": 1},
    )
    voice.robot.persona = "You are {robot}, and speak with {user_id}."
    voice.robot.save()
    voice.llm, voice.model = AgentTemplate.Mind.DIRECT, model
    assert definition_of(voice)["LLM"] == {
        "Url": "http://vllm:8000/v1/chat/completions",
        "ApiKey": SECRET,
        "Model": "tiny",
        "SystemPrompt": "You are Ada, and speak with .",
        "Temperature": 0.5,
        "Params": {"seed": 1},
    }


def test_what_is_registered_as_it_is_is_left_alone(voice: AgentTemplate, service: Service) -> None:
    register_template(template_id=voice.pk)
    register_template(template_id=voice.pk)
    assert service.actions == ["RegisterAgent"]


def test_a_refusal_is_kept_with_the_template(voice: AgentTemplate, service: Service) -> None:
    service.will("RegisterAgent", fail(410000003, "Name is too long"))
    with pytest.raises(VendorRefused):
        register(voice)
    voice.refresh_from_db()
    assert "410000003" in voice.registration_error
    assert "Name is too long" in voice.registration_error
    register(voice)
    voice.refresh_from_db()
    assert (voice.registration_error, voice.registered_at is None) == ("", False)


def test_without_an_address_of_ours_the_template_says_so(
    voice: AgentTemplate, service: Service, settings: Settings
) -> None:
    settings.OWN_URL = ""
    register(voice)
    voice.refresh_from_db()
    assert "PUBLIC_URL is not set" in voice.registration_error
    assert service.actions == []


def test_disabled_templates_and_robots_are_left_alone(voice: AgentTemplate, service: Service) -> None:
    voice.robot.enabled = False
    voice.robot.save()
    register_template(template_id=voice.pk)
    assert service.actions == []


def test_saving_queues_and_keeps_what_a_job_has_written_meanwhile(voice: AgentTemplate) -> None:
    stale = AgentTemplate.objects.get()
    register(voice)
    save_template(stale)
    assert jobs() >= 1
    assert AgentTemplate.objects.get().registered_at is not None


@pytest.mark.parametrize("changed", ["account", "robot", "model"])
def test_a_template_follows_what_it_is_made_of(voice: AgentTemplate, changed: str) -> None:
    if changed == "account":
        account = VendorAccount.objects.get(pk=voice.account_id)
        account.config["server_secret"] = "f" * 32
        save_account(account)
    elif changed == "robot":
        save_robot(voice.robot)
    else:
        model = make_model("local", api="openai", base_url="http://vllm/v1")
        make_template(voice.account, voice.robot, slug="b", agent_id="b", llm="direct", model=model)
        model.save()
    assert jobs() >= 1


def test_what_was_changed_at_the_service_is_registered_again(voice: AgentTemplate, service: Service) -> None:
    register(voice)
    service.will("QueryAgents", ok(Agents=[definition_of(voice) | {"Name": "Eve"}]))
    service.will("RegisterAgent", fail(410001008))
    assert mend_drift() == 1
    assert service.actions[-2:] == ["RegisterAgent", "UpdateAgent"]
    voice.refresh_from_db()
    assert voice.drifted_at is not None


def test_what_the_service_adds_or_masks_is_no_drift(voice: AgentTemplate, service: Service) -> None:
    register(voice)
    told = definition_of(voice)
    told["LLM"] |= {"ApiKey": "***", "Temperature": 0.7}
    told["TTS"] = {**told["TTS"], "Params": {}}
    service.will("QueryAgents", ok(Agents=[told]))
    assert mend_drift() == 0


def test_an_agent_that_the_service_has_lost_is_registered_again(
    voice: AgentTemplate, service: Service
) -> None:
    register(voice)
    mend_drift_task(timestamp=0)
    assert service.actions == ["RegisterAgent", "QueryAgents", "RegisterAgent"]


def test_what_was_never_registered_is_queued_again(voice: AgentTemplate) -> None:
    mend_drift_task(timestamp=0)
    assert jobs() >= 1

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from agents import sweeping
from agents.models import AgentTemplate, Call
from agents.tasks import check_call, close_call, sweep
from tests.agents.service import Service, fail, ok
from tests.support.voices import make_call, make_voice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]


@pytest.fixture
def voice(service: Service) -> AgentTemplate:
    voice = make_voice()
    voice.account.config["agent_api_base"] = service.url
    voice.account.save()
    ProcrastinateJob.objects.all().delete()
    return voice


def jobs() -> list[str]:
    return list(ProcrastinateJob.objects.order_by("id").values_list("task_name", flat=True))


def test_a_call_that_was_never_started_to_the_end_is_hung_up(voice: AgentTemplate, service: Service) -> None:
    call = make_call(voice, state=Call.State.STARTING, leased_at=timezone.now() - timedelta(seconds=31))
    sweep(timestamp=0)
    call.refresh_from_db()
    assert (call.state, call.end_reason, jobs()) == ("ending", "lost", ["agents.close_call"])
    close_call(call_id=call.pk)
    assert service.actions == ["CreateAgentInstance", "DeleteAgentInstance"]
    call.refresh_from_db()
    assert call.state == "ended"


def test_one_that_is_being_started_is_left_alone(voice: AgentTemplate) -> None:
    make_call(voice, state=Call.State.STARTING, leased_at=timezone.now() - timedelta(seconds=20))
    sweeping.sweep()
    assert jobs() == []


def test_an_end_whose_job_is_gone_is_queued_again_but_not_each_time(voice: AgentTemplate) -> None:
    make_call(voice, state=Call.State.ENDING, close_at=timezone.now() - timedelta(seconds=1))
    sweeping.sweep()
    sweeping.sweep()
    assert jobs() == ["agents.close_call"]


def test_a_running_call_is_looked_after(voice: AgentTemplate, service: Service) -> None:
    call = make_call(voice, instance_id="i-1", checked_at=timezone.now() - timedelta(seconds=31))
    sweeping.sweep()
    sweeping.sweep()
    assert jobs() == ["agents.check_call"]
    service.will("QueryAgentInstanceStatus", ok(Status="Speaking"))
    check_call(call_id=call.pk)
    call.refresh_from_db()
    assert (call.state, call.status) == ("running", "SPEAKING")


def test_a_call_that_the_service_has_lost_gives_its_place_to_the_next(
    voice: AgentTemplate, service: Service
) -> None:
    call = make_call(voice, instance_id="i-1")
    make_call(voice, state=Call.State.QUEUED)
    service.will("QueryAgentInstanceStatus", fail(410001002))
    check_call(call_id=call.pk)
    call.refresh_from_db()
    call.session.refresh_from_db()
    assert (call.state, call.end_reason, call.session.state) == ("ended", "lost", "ended")
    assert jobs() == ["agents.start_queued"]


def test_who_waits_is_tried_again_and_not_for_ever(voice: AgentTemplate) -> None:
    patient = make_call(voice, state=Call.State.QUEUED)
    late = make_call(voice, state=Call.State.QUEUED, created_at=timezone.now() - timedelta(minutes=6))
    sweeping.sweep()
    patient.refresh_from_db()
    late.refresh_from_db()
    assert (patient.state, late.state, late.end_reason) == ("queued", "ended", "no_capacity")
    assert "agents.start_queued" in jobs()

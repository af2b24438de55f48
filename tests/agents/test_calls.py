from __future__ import annotations

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from agents import calls, ending, places
from agents.errors import CannotCall, NoCapacity
from agents.instances import room_user_id
from agents.models import AgentTemplate, Call
from agents.tasks import close_call
from agents.tasks import start_queued as start_queued_task
from bots.errors import VendorRefused, VendorUnreachable
from conversations.models import Conversation, Message, Session
from tests.agents.service import Service, fail
from tests.bots.vendors.cloud import HANG_UP
from tests.support.factories import make_conversation, make_robot, say
from tests.support.voices import make_call, make_template, make_voice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]

NO_PLACE = 410000011


@pytest.fixture
def voice(service: Service) -> AgentTemplate:
    voice = make_voice()
    voice.account.config |= {"agent_api_base": service.url, "max_agent_instances": 2}
    voice.account.save()
    ProcrastinateJob.objects.all().delete()
    return voice


def queued_jobs(task: str) -> int:
    return ProcrastinateJob.objects.filter(task_name=f"agents.{task}").count()


def start(voice: AgentTemplate, user_id: str = "alice", **options: object) -> Call:
    return calls.start(template=voice, user_id=user_id, **options)  # type: ignore[arg-type]


def test_a_call_begins_with_what_it_needs(voice: AgentTemplate, service: Service) -> None:
    call = start(voice, room_id="room1", user_stream_id="stream1", metadata={"page": "home"})
    assert (call.state, call.instance_id, call.session.state) == ("running", "i-1", "open")
    assert call.session.metadata == {"page": "home"}
    assert call.conversation == Conversation.objects.get(robot=voice.robot, peer_id="alice")
    request = service.request.json
    assert request["RTC"] == {
        "RoomId": "room1",
        "UserStreamId": "stream1",
        "AgentUserId": call.agent_user_id,
        "AgentStreamId": call.agent_stream_id,
    }
    assert (request["AgentId"], request["UserId"]) == ("ada", "alice")
    assert request["LLM"]["AgentExtraInfo"] == {"call": call.session.public_id}
    assert request["CallbackConfig"] == {
        "ASRResult": 1, "LLMResult": 1, "Interrupted": 1, "AgentInstanceStatus": 1, "UserSpeakAction": 1,
    }  # fmt: skip
    assert request["AdvancedConfig"] == {"InterruptMode": 0, "MaxIdleTime": 120}
    assert request["VAD"] == {
        "TurnDetectConfig": {"SilenceSegmentation": 500},
        "VoiceDetectConfig": {"SensitiveConfig": {"Level": 0}},
    }


def test_the_agents_ids_are_unique_and_in_the_services_alphabet(voice: AgentTemplate) -> None:
    first, second = start(voice), start(voice)
    assert first.agent_user_id != second.agent_user_id
    assert first.agent_stream_id != second.agent_stream_id
    assert len(first.agent_user_id) <= 32
    assert first.agent_user_id.replace("_", "").isalnum()


@pytest.mark.parametrize("user_id", ["anna@example.com", "用户", "u" * 40])
def test_a_user_id_that_the_service_does_not_take_is_replaced_by_the_same_each_time(user_id: str) -> None:
    replaced = room_user_id(user_id)
    assert replaced == room_user_id(user_id)
    assert len(replaced) == 32
    assert replaced.replace("-", "").isalnum()


def test_the_chat_comes_along_where_the_service_cannot_read_it(
    voice: AgentTemplate, service: Service
) -> None:
    conversation = make_conversation(voice.robot, "alice")
    say(conversation, "My name is Alice.", minute=1, state=Message.State.RECORDED)
    say(conversation, "Hello, Alice.", minute=2, sender=Message.Sender.ROBOT, state=Message.State.DELIVERED)
    assert not start(voice).is_synced
    assert service.request.json["MessageHistory"] == {
        "SyncMode": 1,
        "WindowSize": 20,
        "Messages": [
            {"Role": "user", "Content": "My name is Alice."},
            {"Role": "assistant", "Content": "Hello, Alice."},
        ],
    }


def test_the_service_reads_the_chat_itself_in_its_own_project(voice: AgentTemplate, service: Service) -> None:
    voice.robot = make_robot(voice.account, voice.robot.route, "@RBT#bea", history_messages=30)
    voice.save()
    assert start(voice).is_synced
    zim = {"RobotId": "@RBT#bea", "LoadMessageCount": 30}
    assert service.request.json["MessageHistory"] == {"SyncMode": 0, "WindowSize": 30, "ZIM": zim}
    assert not start(voice, "anna@example.com").is_synced
    assert service.asked("CreateAgentInstance")[-1]["MessageHistory"]["SyncMode"] == 1


def test_an_agent_that_the_service_has_lost_is_registered_first(
    voice: AgentTemplate, service: Service
) -> None:
    service.will("CreateAgentInstance", fail(410001009))
    assert start(voice).state == "running"
    assert service.actions == ["CreateAgentInstance", "RegisterAgent", "CreateAgentInstance"]


def test_no_more_calls_than_places(voice: AgentTemplate, service: Service) -> None:
    start(voice)
    other = make_template(voice.account, voice.robot, slug="other", agent_id="other")
    start(other)
    with pytest.raises(NoCapacity):
        start(voice)
    assert service.actions == ["CreateAgentInstance"] * 2
    assert Session.objects.count() == 2


def test_who_may_wait_is_served_in_order(voice: AgentTemplate) -> None:
    first, _second = start(voice), start(voice)
    third, fourth = start(voice, may_wait=True), start(voice, may_wait=True)
    assert [third.session.state, fourth.state] == ["queued", "queued"]
    calls.end(first)
    with pytest.raises(NoCapacity):
        start(voice)  # others have waited longer
    assert queued_jobs("start_queued") == 1
    start_queued_task(account_id=voice.account_id)
    third.refresh_from_db()
    fourth.refresh_from_db()
    assert (third.state, third.session.state, fourth.state) == ("running", "open", "queued")


def test_the_services_own_limit_counts_too(voice: AgentTemplate, service: Service) -> None:
    service.will("CreateAgentInstance", fail(NO_PLACE))
    with pytest.raises(NoCapacity):
        start(voice)
    ended = Call.objects.get()
    assert (ended.state, ended.end_reason, ended.session.state) == ("ended", "no_capacity", "ended")
    service.will("CreateAgentInstance", fail(NO_PLACE))
    assert start(voice, may_wait=True).state == "queued"
    start_queued_task(account_id=voice.account_id)
    assert Call.objects.order_by("-id")[0].state == "running"


def test_a_queued_call_that_finds_no_place_after_all_waits_on(voice: AgentTemplate, service: Service) -> None:
    call = make_call(voice, state=Call.State.QUEUED)
    service.will("CreateAgentInstance", fail(NO_PLACE))
    calls.start_queued(voice.account_id)
    call.refresh_from_db()
    assert (call.state, call.leased_at) == ("queued", None)


def test_a_queued_call_that_is_refused_does_not_hold_up_the_next(
    voice: AgentTemplate, service: Service
) -> None:
    refused, next_one = make_call(voice, state=Call.State.QUEUED), make_call(voice, state=Call.State.QUEUED)
    service.will("CreateAgentInstance", fail(410000003, "UserId"))
    calls.start_queued(voice.account_id)
    refused.refresh_from_db()
    next_one.refresh_from_db()
    assert (refused.state, next_one.state) == ("ended", "running")
    assert "UserId" in refused.error


def test_a_refusal_ends_the_call(voice: AgentTemplate, service: Service) -> None:
    service.will("CreateAgentInstance", fail(410000003, "RoomId"))
    with pytest.raises(VendorRefused):
        start(voice)
    call = Call.objects.get()
    assert (call.state, call.end_reason, call.end_code) == ("ended", "refused", "410000003")
    assert places.has_room(voice.account)


@pytest.mark.parametrize("off", ["template", "account", "robot"])
def test_what_is_disabled_cannot_be_called(voice: AgentTemplate, off: str) -> None:
    part = voice if off == "template" else getattr(voice, off)
    part.enabled = False
    part.save()
    with pytest.raises(CannotCall):
        start(voice)
    assert not Call.objects.exists()


def test_an_instance_that_we_were_not_told_of_is_thrown_out_by_another(
    voice: AgentTemplate, service: Service
) -> None:
    service.will("CreateAgentInstance", HANG_UP)
    with pytest.raises(VendorUnreachable):
        start(voice)
    call = Call.objects.get()
    assert (call.state, call.session.state, queued_jobs("close_call")) == ("ending", "ended", 1)
    close_call(call_id=call.pk)
    first, second = service.asked("CreateAgentInstance")
    assert first["RTC"] == second["RTC"]
    assert service.asked("DeleteAgentInstance") == [{"AgentInstanceId": "i-1"}]
    call.refresh_from_db()
    assert (call.state, call.end_reason) == ("ended", "refused")


def test_while_the_service_is_away_a_call_that_may_have_an_instance_keeps_its_place(
    voice: AgentTemplate, service: Service
) -> None:
    service.will("CreateAgentInstance", HANG_UP, HANG_UP)
    with pytest.raises(VendorUnreachable):
        start(voice)
    call = Call.objects.get()
    with pytest.raises(VendorUnreachable):
        close_call(call_id=call.pk)
    assert Call.objects.get().state == "ending"


def test_the_end(voice: AgentTemplate, service: Service) -> None:
    call = start(voice)
    calls.end(call)
    calls.end(call)
    assert (call.state, call.end_reason, call.session.state) == ("ended", "app", "ended")
    assert service.asked("DeleteAgentInstance") == [{"AgentInstanceId": "i-1"}]
    close_call(call_id=call.pk)
    assert service.actions.count("DeleteAgentInstance") == 1


def test_the_end_of_a_queued_call_asks_nobody(voice: AgentTemplate, service: Service) -> None:
    call = make_call(voice, state=Call.State.QUEUED)
    calls.end(call)
    assert (call.state, service.actions) == ("ended", [])


def test_an_end_that_the_service_does_not_hear_is_sent_again(voice: AgentTemplate, service: Service) -> None:
    call = start(voice)
    service.will("DeleteAgentInstance", HANG_UP)
    calls.end(call)
    assert (call.state, queued_jobs("close_call")) == ("ending", 1)
    close_call(call_id=call.pk)
    call.refresh_from_db()
    assert call.state == "ended"


def test_a_graceful_end_keeps_its_place_until_the_service_has_ended_it(
    voice: AgentTemplate, service: Service
) -> None:
    call = start(voice)
    calls.end(call, graceful_s=20)
    assert call.state == "ending"
    assert service.asked("DeleteAgentInstance")[0]["GracefulShutdownTimeout"] == 20
    ending.note_ended(call, code=0, at=timezone.now())
    assert (call.state, call.end_reason) == ("ended", "app")


def test_a_call_that_is_ended_while_it_is_started_is_hung_up(voice: AgentTemplate, service: Service) -> None:
    call = make_call(voice, state=Call.State.ENDING, end_reason=Call.Reason.APP)
    calls.note_started(call, "i-9")
    assert (call.state, call.instance_id) == ("ending", "i-9")
    assert service.asked("DeleteAgentInstance") == [{"AgentInstanceId": "i-9"}]


def test_the_services_own_word_of_an_instance_may_come_first(voice: AgentTemplate, service: Service) -> None:
    call = make_call(voice, state=Call.State.RUNNING, instance_id="i-9")
    calls.note_started(call, "i-9")
    assert (call.state, service.actions) == ("running", [])


def test_the_first_reason_for_an_end_counts(voice: AgentTemplate) -> None:
    call = start(voice)
    ending.note_ended(call, code=1202, at=timezone.now())
    calls.end(call)
    assert (call.state, call.end_reason, call.end_code) == ("ended", "idle", "1202")


def test_interrupt(voice: AgentTemplate, service: Service) -> None:
    call = start(voice)
    assert calls.interrupt(call)
    assert service.asked("InterruptAgentInstance") == [{"AgentInstanceId": "i-1"}]
    calls.end(call)
    assert not calls.interrupt(call)

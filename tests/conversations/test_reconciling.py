"""What was missed is read from a history in memory."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from bots import draining, pace
from bots.errors import VendorBusy, VendorRefused, VendorUnreachable
from bots.events import Address, MessageReceived, MessageSent, Text
from bots.models import Robot, VendorAccount
from conversations import context, reconciling, storing, tasks, turns
from conversations.models import Conversation, Message, Reconciliation, Turn
from tests.support.factories import make_conversation, say
from tests.support.standin import Cloud, StandIn

pytestmark = pytest.mark.django_db

NO_ANSWER = (True, VendorUnreachable("no answer"))


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return make_conversation(robot)


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


def heard(id_: str, at: datetime, *, peer: str = "alice", text: str = "") -> MessageReceived:
    return MessageReceived(
        event_id=id_,
        happened_at=at,
        raw={},
        robot_id="ada",
        conversation=Address(kind="peer", id=peer),
        sender_id=peer,
        content=Text(text=text or f"message {id_}"),
        vendor_message_id=id_,
    )


def sent(id_: str, at: datetime, *, key: int | None) -> MessageSent:
    return MessageSent(
        event_id=id_,
        happened_at=at,
        raw={},
        robot_id="ada",
        conversation=Address(kind="peer", id="alice"),
        vendor_message_id=id_,
        key=key,
        is_finished=True,
    )


def reconcile(*conversations: Conversation, since: datetime | None = None) -> list[int]:
    """→ the conversations that got a job."""
    wanted = Conversation.objects.filter(pk__in=[each.pk for each in conversations])
    before = answering()
    for account_id in reconciling.request(wanted, since=since or ago(days=1)):
        reconciling.reconcile(account_id)
    return answering()[len(before) :]


def answering() -> list[int]:
    jobs = ProcrastinateJob.objects.filter(task_name=storing.ANSWER_TASK)
    return list(jobs.order_by("id").values_list("args__conversation_id", flat=True))


def request_by_hand(conversation: Conversation, at: datetime) -> None:
    account = conversation.robot.account
    Reconciliation.objects.create(conversation=conversation, account=account, since=at, requested_at=at)


def states() -> dict[str | None, str]:
    return dict(Message.objects.order_by("id").values_list("vendor_message_id", "state"))


def test_missed_messages_get_one_turn(conversation: Conversation, cloud: Cloud) -> None:
    cloud.history = [[heard("3", ago(minutes=1)), heard("2", ago(minutes=2))], [heard("1", ago(minutes=3))]]

    assert reconcile(conversation) == [conversation.pk]
    assert states() == {"1": "received", "2": "received", "3": "received"}
    assert Turn.objects.get().state == Turn.State.WAITING
    assert not Reconciliation.objects.exists()


def test_what_is_known_is_not_answered_again(conversation: Conversation, cloud: Cloud) -> None:
    turn = Turn.objects.create(conversation=conversation, state=Turn.State.DONE)
    say(conversation, "Hello", vendor_message_id="1", turn=turn)
    before = conversation.last_message_at
    cloud.history = [[heard("1", ago(minutes=1))]]

    assert reconcile(conversation) == []
    assert Turn.objects.get() == turn
    conversation.refresh_from_db()
    assert conversation.last_message_at == before


def test_what_is_too_old_is_recorded_only(robot: Robot, conversation: Conversation, cloud: Cloud) -> None:
    Robot.objects.update(max_age_s=600)
    cloud.history = [[heard("2", ago(minutes=9)), heard("1", ago(minutes=11))]]

    assert reconcile(conversation) == [conversation.pk]
    assert states() == {"1": "recorded", "2": "received"}
    turn = turns.take(conversation.pk)
    assert turn is not None
    assert [message.vendor_message_id for message in turn.messages.all()] == ["2"]
    shown = [message.content for message in context.show(turn).prompt.messages]
    assert "message 1" in shown[1]  # behind the persona


def test_only_old_messages_make_no_turn(conversation: Conversation, cloud: Cloud) -> None:
    cloud.history = [[heard("1", ago(hours=2))]]

    assert reconcile(conversation) == []
    assert not Turn.objects.exists()
    assert turns.take(conversation.pk) is None


def test_late_callback_of_a_recorded_message_makes_no_turn(robot: Robot, cloud: Cloud) -> None:
    storing.store([], [], [(robot.account, heard("1", ago(hours=2)))])

    storing.store([], [(robot.account, heard("1", ago(hours=2)))])

    assert answering() == []
    assert states() == {"1": "recorded"}


def test_answers_that_the_database_forgot_are_not_given_again(
    conversation: Conversation, cloud: Cloud
) -> None:
    """As after it was restored from a copy."""
    say(conversation, "Hi", sender=Message.Sender.ROBOT, state=Message.State.DELIVERED, key=1)
    cloud.history = [
        [
            heard("3", ago(minutes=1)),
            sent("b", ago(minutes=2), key=2),  # forgotten
            heard("2", ago(minutes=3)),
            sent("c", ago(seconds=30), key=None),  # somebody else's: answers nothing
            sent("a", ago(seconds=20), key=1),  # known
            heard("1", ago(minutes=5)),
        ]
    ]

    reconcile(conversation)

    received = Message.objects.filter(sender=Message.Sender.USER)
    assert dict(received.values_list("vendor_message_id", "state")) == {
        "1": "recorded",
        "2": "recorded",
        "3": "received",
    }


def test_history_confirms_a_message_of_ours(conversation: Conversation, cloud: Cloud) -> None:
    lost = say(conversation, "Hi", sender=Message.Sender.ROBOT, state=Message.State.FAILED, key=7)
    cloud.history = [[sent("v7", ago(minutes=1), key=7)]]

    reconcile(conversation)

    lost.refresh_from_db()
    assert (lost.state, lost.vendor_message_id) == (Message.State.DELIVERED, "v7")


def test_several_requests_are_one_look_since_the_earliest(conversation: Conversation, cloud: Cloud) -> None:
    cloud.history = [[heard("1", ago(minutes=20))]]
    everything = Conversation.objects.all()
    reconciling.request(everything, since=ago(minutes=30))
    reconciling.request(everything, since=ago(minutes=10))

    reconciling.reconcile(conversation.robot.account_id)

    assert cloud.calls == ["history"]
    assert states() == {"1": "received"}
    assert not Reconciliation.objects.exists()


def test_each_call_waits_for_the_accounts_allowance(
    robot: Robot, conversation: Conversation, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserved: list[tuple[VendorAccount, str]] = []

    def reserve_slot(account: VendorAccount, call: VendorAccount.Call) -> float:
        reserved.append((account, call))
        return 0

    monkeypatch.setattr(pace, "reserve_slot", reserve_slot)
    cloud.history = [[heard("2", ago(minutes=1))], [heard("1", ago(minutes=2))]]

    reconcile(conversation)

    assert reserved == [(robot.account, VendorAccount.Call.HISTORY)] * 2


def test_long_history_is_read_in_part(
    conversation: Conversation, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "MOST_CALLS", 2)
    cloud.history = [[heard(str(number), ago(minutes=number))] for number in range(5)]

    reconcile(conversation)

    assert set(states()) == {"0", "1"}


def test_conversation_that_fails_does_not_hold_up_the_others(
    robot: Robot, conversation: Conversation, cloud: Cloud
) -> None:
    other = make_conversation(robot, "bob")
    cloud.trouble.append(NO_ANSWER)
    cloud.history = [[heard("1", ago(minutes=1)), heard("2", ago(minutes=1), peer="bob")]]

    assert reconcile(conversation, other) == [conversation.pk, other.pk]
    assert len(cloud.calls) == 3


def test_vendor_that_is_down_leaves_the_requests(conversation: Conversation, cloud: Cloud) -> None:
    cloud.trouble.extend([NO_ANSWER] * reconciling.FAILURES_IN_A_ROW)
    cloud.history = [[heard("1", ago(minutes=1))]]

    with pytest.raises(VendorUnreachable):
        reconcile(conversation)

    assert Reconciliation.objects.count() == 1
    reconciling.reconcile(conversation.robot.account_id)
    assert states() == {"1": "received"}


def test_conversation_that_the_vendor_refuses_is_given_up(conversation: Conversation, cloud: Cloud) -> None:
    cloud.trouble.append((True, VendorRefused("no such user")))
    cloud.history = [[]]

    assert reconcile(conversation) == []
    assert not Reconciliation.objects.exists()


def test_busy_vendor_is_left_alone_for_as_long_as_it_asks(
    conversation: Conversation, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[float] = []
    monkeypatch.setattr(reconciling, "pause", paused.append)
    cloud.trouble.append((True, VendorBusy("slow down", retry_after=7)))
    cloud.history = [[]]

    reconcile(conversation)

    assert 7 in paused


def test_worker_that_has_to_stop_leaves_the_rest(conversation: Conversation) -> None:
    draining.must_stop.set()
    try:
        with pytest.raises(draining.WorkerStopping):
            reconcile(conversation)
    finally:
        draining.must_stop.clear()

    assert Reconciliation.objects.count() == 1


def test_only_active_conversations_of_enabled_robots_are_read(
    robot: Robot, conversation: Conversation
) -> None:
    make_conversation(robot, "bob", last_message_at=ago(days=8))
    off = Robot.objects.create(account=robot.account, route=robot.route, user_id="eve", enabled=False)
    make_conversation(off)

    assert reconciling.request_active(since=timezone.now()) == {robot.account_id}
    assert [request.conversation for request in Reconciliation.objects.all()] == [conversation]


def test_most_active_conversations_come_first(robot: Robot, conversation: Conversation) -> None:
    bob = make_conversation(robot, "bob", last_message_at=timezone.now() + timedelta(minutes=1))
    reconciling.request_active(since=timezone.now())

    first = reconciling.next_conversation(robot.account_id)

    assert first == bob


def test_requests_without_a_job_get_one(robot: Robot, conversation: Conversation) -> None:
    request_by_hand(conversation, ago(hours=1))
    tasks.rescue_reconciling(0)
    tasks.rescue_reconciling(0)

    job = ProcrastinateJob.objects.get()
    assert (job.task_name, job.args) == ("conversations.reconcile", {"account_id": robot.account_id})
    assert job.lock == f"reconcile:{robot.account_id}"


def test_requests_that_could_not_be_done_for_long_are_given_up(conversation: Conversation) -> None:
    request_by_hand(conversation, ago(days=2))

    tasks.rescue_reconciling(0)

    assert not Reconciliation.objects.exists()
    assert not ProcrastinateJob.objects.exists()


# Gaps in the vendor's numbers


def numbered(conversation: Conversation, *orders: int, seconds_ago: float = 120, **fields: Any) -> None:
    for order in orders:
        say(
            conversation,
            f"number {order}",
            order=order,
            vendor_message_id=str(order),
            created_at=ago(seconds=seconds_ago),
            **fields,
        )


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StandIn, "numbers_messages", True)


@pytest.mark.usefixtures("counting")
def test_conversation_with_a_gap_is_read(robot: Robot, conversation: Conversation) -> None:
    numbered(conversation, 7, 8, seconds_ago=3600)
    numbered(conversation, 10)
    numbered(make_conversation(robot, "bob"), 1, 2, 3)

    assert reconciling.request_gaps(now=timezone.now()) == {robot.account_id}
    assert Reconciliation.objects.get().conversation == conversation


@pytest.mark.usefixtures("counting")
def test_our_own_messages_fill_numbers(conversation: Conversation) -> None:
    numbered(conversation, 1, 3)
    numbered(conversation, 2, sender=Message.Sender.ROBOT, state=Message.State.DELIVERED)

    assert reconciling.request_gaps(now=timezone.now()) == set()


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize("seconds_ago", [30, 300])
def test_gap_is_looked_into_when_it_is_settled_and_not_for_ever(
    conversation: Conversation, seconds_ago: float
) -> None:
    numbered(conversation, 1, 3, seconds_ago=seconds_ago)

    assert reconciling.request_gaps(now=timezone.now()) == set()


def test_vendor_that_does_not_count_has_no_gaps(conversation: Conversation) -> None:
    numbered(conversation, 1, 3)

    assert reconciling.request_gaps(now=timezone.now()) == set()


@pytest.mark.usefixtures("counting")
def test_group_has_no_gaps(robot: Robot) -> None:
    """Callbacks may tell of those messages only that mention a robot."""
    numbered(make_conversation(robot, "club", kind=Conversation.Kind.GROUP), 1, 3)

    assert reconciling.request_gaps(now=timezone.now()) == set()


@pytest.mark.usefixtures("counting")
def test_gap_gets_its_account_a_job(robot: Robot, conversation: Conversation) -> None:
    numbered(conversation, 1, 3)

    tasks.reconcile_gaps(0)

    assert ProcrastinateJob.objects.get().args == {"account_id": robot.account_id}

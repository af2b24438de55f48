"""When something happens, and what webhooks are told of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bots.models import Robot, VendorAccount
from conversations import ownership, persons, sessions, spoken, turns
from conversations.models import Conversation, Message, Session, Turn
from tests.conversations.conftest import Hear
from webhooks import courier, events
from webhooks.models import Delivery, EventType, Webhook

pytestmark = pytest.mark.django_db
with_threads = pytest.mark.django_db(transaction=True)  # frames leave in a thread of their own


def queued() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("event", flat=True))


def body_of(delivery: Delivery) -> dict[str, Any]:
    return events.body_of(
        event_id=delivery.event_id,
        event=delivery.event,
        happened_at=delivery.happened_at,
        conversation_id=delivery.conversation_id,
        subject_id=delivery.subject_id,
    )


@with_threads
def test_a_question_and_its_answer_are_told_in_order(webhook: Webhook, hear: Hear) -> None:
    turns.answer(hear("Hello").pk)

    assert queued() == ["message.received", "turn.started", "message.delivered", "turn.ended"]


@with_threads
def test_an_events_shape_is_pinned(webhook: Webhook, hear: Hear) -> None:
    turns.answer(hear("Hello").pk)
    received, _, _, ended = Delivery.objects.order_by("pk")

    told, turn = body_of(received), body_of(ended)["data"]

    assert list(told) == ["id", "type", "created_at", "conversation", "data"]
    assert (told["id"], told["type"]) == (received.event_id, "message.received")
    assert (told["conversation"]["user_id"], told["data"]["text"]) == ("alice", "Hello")
    assert set(told["data"]) == {
        "id", "conversation", "sender", "sender_id", "kind", "text", "created_at", "state",
        "vendor_message_id", "reply_to", "model", "tokens", "cost",
    }  # fmt: skip
    assert list(turn) == [
        "id", "state", "model", "tokens", "cost", "queued_at", "started_at", "ended_at",
    ]  # fmt: skip
    assert (turn["state"], turn["model"]) == ("done", "script")


def test_a_handoff_is_told_from_request_to_return(webhook: Webhook, hear: Hear, robot: Robot) -> None:
    conversation = hear("Hello")
    Webhook.objects.update(events=[event for event in EventType if event.startswith("handoff.")])
    operator = User.objects.create(username="olga")

    ownership.take_over(conversation, operator=operator)
    ownership.hand_back(conversation, by="olga")

    assert queued()[1:] == ["handoff.taken", "handoff.returned"]
    told = body_of(Delivery.objects.get(event="handoff.returned"))["data"]
    assert list(told) == [
        "id", "cause", "taken_by", "returned_by", "began_at", "taken_at", "ended_at",
    ]  # fmt: skip
    assert (told["cause"], told["taken_by"], told["returned_by"]) == ("operator", "olga", "olga")


def test_a_user_who_asks_for_people_is_told_of(webhook: Webhook, hear: Hear) -> None:
    conversation = hear("Hello")

    conversation.handoffs.create(cause="words")

    assert queued()[-1] == "handoff.requested"


def test_a_rating_is_told(webhook: Webhook, robot: Robot) -> None:
    session, _ = sessions.open_chat(robot=robot, user_id="alice")

    sessions.rate(session, score=4, comment="Fine")

    assert queued() == ["rating.given"]
    told = body_of(Delivery.objects.get())["data"]
    assert list(told) == ["session", "score", "comment", "created_at"]
    assert (told["session"], told["score"], told["comment"]) == (session.public_id, 4, "Fine")


def test_a_call_is_told_when_it_begins_and_ends(webhook: Webhook, hear: Hear) -> None:
    Webhook.objects.update(events=["call.started", "call.ended"])
    call = Session.objects.create(conversation=hear("Hello"), kind="voice", state="queued")

    for state in ("open", "ended"):
        call.state = state
        call.save()

    assert queued() == ["call.started", "call.ended"]
    assert list(body_of(Delivery.objects.earliest("pk"))["data"]) == [
        "id", "state", "metadata", "created_at", "ended_at",
    ]  # fmt: skip


def test_what_did_not_commit_is_not_told(webhook: Webhook, hear: Hear) -> None:
    conversation = hear("Hello")
    before = queued()

    with transaction.atomic():
        Message.objects.create(
            conversation=conversation, sender="user", sender_id="alice", text="Lost", state="received",
            happened_at=timezone.now(),
        )  # fmt: skip
        told = queued()
        transaction.set_rollback(True)

    assert told == [*before, "message.received"]
    assert queued() == before


@pytest.mark.parametrize(
    "setting", [{"enabled": False}, {"events": ["rating.given"]}, {"account": "another"}], ids=str
)
def test_who_did_not_ask_is_not_told(webhook: Webhook, hear: Hear, setting: dict[str, Any]) -> None:
    if "account" in setting:
        setting = {"account": VendorAccount.objects.create(slug="another", vendor="standin")}
    Webhook.objects.update(**setting)

    hear("Hello")

    assert queued() == []


def test_one_account_is_told_of_its_own(webhook: Webhook, hear: Hear, account: VendorAccount) -> None:
    Webhook.objects.update(account=account)

    hear("Hello")

    assert queued() == ["message.received"]


def test_webhooks_cost_the_hot_path_no_query(webhook: Webhook, hear: Hear) -> None:
    hear("Hello")
    counts = []
    for id_ in ("2", "3"):
        with CaptureQueriesContext(connection) as queries:
            hear("Hello", id_=id_)
        counts.append(len(queries))
        Webhook.objects.update(enabled=False)

    with_one, without = counts
    assert with_one == without
    assert queued() == ["message.received", "message.received"]


def test_what_a_person_has_said_in_a_group_is_erased_here_too(
    webhook: Webhook, robot: Robot, account: VendorAccount
) -> None:
    group = Conversation.objects.create(robot=robot, kind="group", peer_id="g1")
    Message.objects.create(
        conversation=group, sender="user", sender_id="alice", text="My address", state="received",
        happened_at=timezone.now(),
    )  # fmt: skip
    courier.write_body(Delivery.objects.get())

    persons.erase(account, "alice")

    assert not Delivery.objects.exists()


def test_every_event_has_a_subject_that_can_be_told() -> None:
    assert {event.partition(".")[0] for event in EventType.values} == set(events.SUBJECTS)


def test_a_turn_of_a_call_is_told_of_from_its_beginning(webhook: Webhook, robot: Robot) -> None:
    conversation = Conversation.objects.create(robot=robot, peer_id="alice")
    turn = spoken.begin(conversation.pk, question="Hello", whisper="", ids=("asked", "answered"), extra={})
    spoken.finish(turn, Turn.State.DONE, said="Hi.")

    assert sorted(queued()) == ["message.delivered", "message.received", "turn.ended", "turn.started"]

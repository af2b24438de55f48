"""What the voice service tells of a call becomes messages, live, and changes the call."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from agents.models import Call, CallEvent
from bots.clients import Accounts
from conversations.models import Message, Session
from tests.support.standin import Cloud
from tests.support.voices import CALLBACK_SECRET, make_call, make_voice
from webhooks import courier
from webhooks.models import Delivery, Webhook

pytestmark = pytest.mark.django_db

INSTANCE = "1907755175297171456"
FIRST = 9_223_372_036_854_770_000  # beyond 2**53

type Tell = Callable[..., Any]


@pytest.fixture
def call(paper_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Call:
    # The process remembers accounts for half a second, and with them those of the test before.
    monkeypatch.setattr("agents.receiving.find_account", Accounts().find)
    return make_call(make_voice(), instance_id=INSTANCE)


def body_of(event: str, data: dict[str, Any], *, sequence: int, **changes: Any) -> dict[str, Any]:
    """A callback as ZEGO's page shows it (/aiagent-server/callbacks/receiving-callback)."""
    timestamp, nonce = int(time.time() * 1000), "7450395512627324902"
    secret = changes.pop("secret", CALLBACK_SECRET)
    signed = "".join(sorted([secret, str(timestamp), nonce]))
    return {
        "AppId": 12345,
        "AgentInstanceId": INSTANCE,
        "AgentUserId": "agent-0",
        "RoomId": "room-0",
        "Event": event,
        "Sequence": sequence,
        "Data": data,
        "Nonce": nonce,
        "Timestamp": timestamp,
        "Signature": hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest(),
    } | changes


@pytest.fixture
def tell(call: Call, client: Client) -> Tell:
    """The service tells of this; by itself each time under the next sequence."""
    sequences = itertools.count(FIRST, 3)

    def tell(event: str, sequence: int | None = None, **data: Any) -> Any:
        changes = data.pop("envelope", {})
        number = next(sequences) if sequence is None else sequence
        return post(client, body_of(event, data, sequence=number, **changes))

    return tell


def post(client: Client, body: object, account: str = "acme-zego") -> Any:
    return client.post(f"/callbacks/{account}/agent/", json.dumps(body), content_type="application/json")


def states(call: Call) -> list[str]:
    """Of what was answered, in the service's order."""
    return [each.state for each in call.conversation.messages.filter(sender="robot").order_by("order")]


def said(call: Call) -> list[tuple[str, str]]:
    messages = sorted(call.conversation.messages.all(), key=lambda message: message.place)
    return [(message.sender, message.text) for message in messages]


def test_questions_and_answers_become_messages_of_the_call(call: Call, tell: Tell) -> None:
    assert tell("ASRResult", UserId="alice", Round=1, Text="How are you?").status_code == 200
    tell("LLMResult", Round=1, Text="I am fine.")
    tell("LLMResult", Round=1, Text="And you?")
    tell("AgentInstanceStatus", Round=1, Status="LISTENING")

    assert said(call) == [("user", "How are you?"), ("robot", "I am fine. And you?")]
    message = call.conversation.messages.filter(sender="robot").get()
    assert (message.kind, message.state) == (Message.Kind.CALL, Message.State.DELIVERED)
    assert message.extra == {"call": call.session.public_id, "round": "1"}
    assert call.conversation.turns.count() == 0


@pytest.mark.parametrize(
    "end",
    [
        ("AgentInstanceStatus", {"Round": 1, "Status": "IDLE"}),
        ("Interrupted", {"Round": 1, "Reason": 1}),
        ("LLMResult", {"Round": 3, "Text": "Well?"}),
        ("AgentInstanceDeleted", {"Code": 0}),
    ],
    ids=lambda end: end[0],
)
def test_an_answer_is_delivered_once_it_is_whole(call: Call, tell: Tell, end: tuple[str, Any]) -> None:
    Webhook.objects.create(
        name="shop", url="https://shop.example", secret="secret", events=["message.delivered"]
    )
    tell("LLMResult", FIRST + 1, Round=1, Text="I am fine.")
    tell("AgentInstanceStatus", FIRST, Round=1, Status="LISTENING")  # it was before that
    tell("LLMResult", FIRST + 2, Round=1, Text="And you?")
    assert states(call) == ["streaming"]
    assert not Delivery.objects.exists()

    event, data = end
    tell(event, FIRST + 3, **data)

    assert states(call)[0] == "delivered"
    told = json.loads(courier.write_body(Delivery.objects.get()))
    assert told["data"]["text"] == "I am fine. And you?"


def test_what_is_told_late_of_an_earlier_answer_is_whole(call: Call, tell: Tell) -> None:
    tell("LLMResult", FIRST + 3, Round=3, Text="Well?")
    tell("LLMResult", FIRST + 1, Round=1, Text="I am fine.")
    assert states(call) == ["delivered", "streaming"]

    tell("AgentInstanceStatus", FIRST + 4, Round=3, Status="LISTENING")
    assert states(call) == ["delivered", "delivered"]


def test_what_is_told_after_the_end_is_whole(call: Call, tell: Tell) -> None:
    tell("AgentInstanceDeleted", FIRST + 9, Code=0)
    tell("LLMResult", FIRST + 1, Round=1, Text="I am fine.")

    assert states(call) == ["delivered"]


def test_order_and_repeats_change_nothing(call: Call, client: Client) -> None:
    told = [("ASRResult", {"UserId": "alice", "Round": 1, "Text": "你好"})]
    told += [("LLMResult", {"Round": 1, "Text": text}) for text in ("一。", "二。", "三。")]
    told += [("ASRResult", {"UserId": "alice", "Round": 5, "Text": "再见"})]
    bodies = [body_of(event, data, sequence=FIRST + n) for n, (event, data) in enumerate(told)]
    shuffled = bodies * 2
    random.Random(6).shuffle(shuffled)

    assert {post(client, body).status_code for body in shuffled} == {200}

    texts = sorted(message.text for message in call.conversation.messages.all())
    assert texts == sorted(["你好", "一。二。三。", "再见"])
    assert call.events.count() == len(bodies)


def test_an_interrupted_answer_is_what_was_heard(call: Call, tell: Tell) -> None:
    tell("LLMResult", FIRST + 10, Round=1, Text="One.")
    tell("Interrupted", FIRST + 30, Round=1, Reason=1, PlayedText="One. Tw")
    tell("LLMResult", FIRST + 20, Round=1, Text="Two.")

    assert said(call) == [("robot", "One. Tw")]


@pytest.mark.parametrize("how", [{"secret": "wrong"}, {"AppId": 999}, {"Timestamp": 1_470_820_198_000}])
def test_what_is_not_signed_for_the_account_is_refused(
    call: Call, client: Client, how: dict[str, Any]
) -> None:
    body = body_of("ASRResult", {"Round": 1, "Text": "x"}, sequence=1, **how)

    assert post(client, body).status_code == 403
    assert not CallEvent.objects.exists()


def test_what_is_no_callback_is_refused(call: Call, client: Client) -> None:
    body = body_of("ASRResult", {}, sequence=1)

    assert post(client, [1]).status_code == 400
    assert post(client, {key: value for key, value in body.items() if key != "Sequence"}).status_code == 400
    assert post(client, body, account="nobody").status_code == 404
    assert not CallEvent.objects.exists()


def test_what_is_unknown_is_kept_without_effect(call: Call, tell: Tell) -> None:
    tell("SomethingNew", Anything={"deep": [1]})
    tell("ASRResult", Round="strange")
    tell("LLMResult", envelope={"AgentInstanceId": "another", "AgentUserId": ""}, Round=1, Text="x")

    assert said(call) == []
    known = CallEvent.objects.order_by("sequence")
    assert [(event.event, bool(event.error)) for event in known] == [
        ("SomethingNew", False),
        ("ASRResult", True),
        ("LLMResult", False),
    ]


def test_what_the_agent_does_is_known_by_the_last_word_of_it(call: Call, tell: Tell) -> None:
    tell("AgentInstanceStatus", FIRST + 2, Status="SPEAKING", Round=1)
    tell("AgentInstanceStatus", FIRST + 1, Status="Thinking", Round=1)

    call.refresh_from_db()
    assert call.status == Call.Status.SPEAKING


def test_an_exception_is_told_in_words_with_the_setting_to_blame(call: Call, tell: Tell) -> None:
    tell("Exception", Code=2303, Message="invalid token", Round=1)

    call.refresh_from_db()
    assert "2303" in call.error
    assert "tts" in call.error
    assert "invalid token" in call.error


def test_the_sound_of_a_voice_is_not_kept(call: Call, tell: Tell) -> None:
    tell("UserAudioData", UserId="alice", Round=1, SampleRate=16000, Format="pcm", Audio="AAAA")

    assert "Audio" not in CallEvent.objects.get().data


@pytest.mark.parametrize("code, reason", [(0, "app"), (1202, "idle"), (1203, "vendor")])
def test_a_call_ends_with_its_instance(call: Call, tell: Tell, code: int, reason: str) -> None:
    tell("AgentInstanceDeleted", Code=code, LatencyData={"LLMTTFT": 300})

    call.refresh_from_db()
    assert (call.state, call.end_reason, call.latency) == (Call.State.ENDED, reason, {"LLMTTFT": 300})
    assert call.ended_at
    assert Session.objects.get(pk=call.session_id).state == Session.State.ENDED


@pytest.mark.parametrize("state", [Call.State.STARTING, Call.State.ENDING])
def test_word_of_an_instance_may_overtake_the_answer_to_its_creation(
    call: Call, tell: Tell, state: Call.State
) -> None:
    """Its id is known then.  Whether the call runs is up to who starts it."""
    Call.objects.filter(pk=call.pk).update(instance_id="", state=state)

    tell("AgentInstanceCreated", CreatedTimestamp=1)

    call.refresh_from_db()
    assert (call.instance_id, call.state) == (INSTANCE, state)

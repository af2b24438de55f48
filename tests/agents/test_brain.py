"""What a call's agent is answered: the robot's mind, in the form in which ZEGO's agents can speak it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import brain, whispers
from agents.completions import Request
from agents.line import Line
from agents.models import AgentTemplate, Call
from bots.database import release_connection
from bots.llms.scripted import Scripted
from bots.models import LanguageModel, Policy, Tier
from conversations import ownership, spoken, turns, wakeups
from conversations.models import Conversation, Message, ModelCall, Spend, Turn
from tests.bots.llms.provider import Exchange, Provider, framed, head
from tests.bots.llms.provider import said as pieces
from tests.support.brains import Asked, ask, scope
from tests.support.factories import say
from tests.support.processes import PATIENCE_S, eventually
from tests.support.standin import Cloud
from tests.support.voices import make_call, make_voice

pytestmark = pytest.mark.django_db(transaction=True)

State = Turn.State
STATEMENTS = 7  # as docs/architecture.md says


@pytest.fixture
def template(paper_cloud: Cloud) -> AgentTemplate:
    template = make_voice()
    LanguageModel.objects.update(params={"reply": "You said: {message}"})
    return template


@pytest.fixture
def call(template: AgentTemplate) -> Call:
    return make_call(template)


def set_model(**params: Any) -> None:
    LanguageModel.objects.update(params=params)


def of_robot(template: AgentTemplate, **fields: Any) -> None:
    type(template.robot).objects.filter(pk=template.robot_id).update(**fields)


def test_an_answer_streams_as_agents_can_speak_it(template: AgentTemplate, call: Call) -> None:
    asked = ask(template, "good morning", call=call)

    assert asked.status == 200
    assert asked.headers["content-type"].startswith("text/event-stream")
    assert all(line.startswith("data: ") for line in asked.lines)
    assert asked.lines[-1] == "data: [DONE]"
    assert asked.text.endswith("\n")
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in asked.chunks]
    assert reasons == [None] * (len(reasons) - 1) + ["stop"]
    assert "content" in asked.chunks[-1]["choices"][0]["delta"]
    assert asked.said == "You said: good morning"


def test_it_asks_the_database_so_often_before_the_model(
    template: AgentTemplate, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(template, "the first of the day begins the day's sums", call=call)
    until_asked: list[int] = []
    request = Request.read(json.dumps({"messages": [{"role": "user", "content": "hello"}]}).encode())
    request = replace(request, agent_user_id=call.agent_user_id)

    with CaptureQueriesContext(connection) as queries:
        monkeypatch.setattr("conversations.calls.put_on_disk", lambda: until_asked.append(len(queries)))
        caller = brain.admit(template.slug, f"Bearer {template.brain_secret}", request)
        brain.answer(caller, request, Line(lambda _piece: None))

    assert until_asked == [STATEMENTS]  # each a transaction of its own


def test_one_who_wants_no_stream_gets_it_at_once(template: AgentTemplate, call: Call) -> None:
    asked = ask(template, "hello", call=call, stream=False)

    assert asked.json["object"] == "chat.completion"
    assert asked.json["choices"][0]["message"] == {"role": "assistant", "content": "You said: hello"}
    assert asked.json["choices"][0]["finish_reason"] == "stop"


def test_question_and_answer_are_kept_in_the_conversation(template: AgentTemplate, call: Call) -> None:
    ask(template, "hello", call=call)

    question, answer = Message.objects.order_by("id")
    turn = Turn.objects.get()
    assert (question.kind, question.sender, question.text) == ("call", "user", "hello")
    assert (answer.kind, answer.sender, answer.text) == ("call", "robot", "You said: hello")
    assert question.conversation_id == answer.conversation_id == call.conversation_id
    assert question.turn == answer.turn == turn
    assert (turn.state, turn.is_spoken, turn.reply) == (State.DONE, True, "You said: hello")
    assert not turns.unanswered(call.conversation_id).exists()


def test_it_knows_the_chat_and_what_was_said_in_the_call(template: AgentTemplate, call: Call) -> None:
    say(call.conversation, "my name is Alice", state=Message.State.RECORDED)
    ask(template, "hello", call=call, round_id=1)

    ask(template, "who am I?", call=call, round_id=2)

    roles = [(message.role, message.content) for message in Scripted.requests[-1].prompt.messages]
    assert roles == [
        ("system", "You are Ada."),
        ("user", "my name is Alice\nhello"),
        ("assistant", "You said: my name is Alice\nhello"),
        ("user", "who am I?"),
    ]


def test_a_chat_turn_does_not_keep_a_call_waiting(template: AgentTemplate, call: Call) -> None:
    running = Turn.objects.create(conversation=call.conversation, state=State.THINKING)

    assert ask(template, "hello", call=call).said == "You said: hello"
    assert turns.take(call.conversation_id) == running


def test_a_round_that_is_asked_again_is_kept_once(template: AgentTemplate, call: Call) -> None:
    ask(template, "hello", call=call, round_id=7)
    ask(template, "hello", call=call, round_id=7)

    assert [message.text for message in Message.objects.order_by("id")] == ["hello", "You said: hello"]


@pytest.mark.parametrize("token", ["", "wrong", "ключ"])
def test_who_has_not_the_bearer_is_refused(template: AgentTemplate, call: Call, token: str) -> None:
    asked = ask(template, call=call, token=token)

    assert asked.status == 401
    assert asked.json["error"]["code"] == "invalid_api_key"
    assert not Turn.objects.exists()


def test_a_stranger_is_not_told_what_is_wrong_with_the_question(template: AgentTemplate) -> None:
    asked = Asked(scope=scope(template.slug, (b"authorization", b"Bearer wrong")), body=b"{").run()

    assert asked.status == 401


def test_the_bearer_is_one_templates(template: AgentTemplate, call: Call) -> None:
    AgentTemplate.objects.filter(pk=template.pk).update(slug="other", enabled=False)

    assert ask(template, call=call).status == 404


@pytest.mark.parametrize(
    "body, code",
    [
        (b"{", "not_json"),
        (b"[]", "not_an_object"),
        (b"{}", "messages"),
        (b'{"messages": [{"role": "system", "content": "x"}]}', "messages"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(
    template: AgentTemplate, body: bytes, code: str
) -> None:
    bearer = f"Bearer {template.brain_secret}".encode()
    asked = Asked(scope=scope(template.slug, (b"authorization", bearer)), body=body).run()

    assert (asked.status, asked.json["error"]["code"]) == (400, code)


def test_only_post_is_answered(template: AgentTemplate) -> None:
    assert Asked(scope=scope(template.slug, method="GET"), body=b"").run().status == 405


def test_an_agent_that_does_not_say_where_it_is_is_answered_too(template: AgentTemplate) -> None:
    assert ask(template, "hello").said == "You said: hello"
    assert ask(template, "hello", user="bob").said == "You said: hello"
    assert Conversation.objects.filter(peer_id="bob", robot=template.robot).exists()


def test_a_failure_is_spoken(template: AgentTemplate, call: Call) -> None:
    set_model(fail="unreachable")
    of_robot(template, fallback="Sorry, not now.")

    asked = ask(template, call=call)

    assert (asked.status, asked.said) == (200, "Sorry, not now.")
    assert asked.lines[-1] == "data: [DONE]"
    assert Turn.objects.get().state == State.FAILED
    assert Message.objects.last().text == "Sorry, not now."  # type: ignore[union-attr]


def test_a_bug_is_spoken(template: AgentTemplate, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("agents.brain.think", fail)
    of_robot(template, fallback="Sorry, not now.")

    assert ask(template, call=call).said == "Sorry, not now."


def test_a_limit_is_spoken(template: AgentTemplate, call: Call) -> None:
    of_robot(template, default_tier=Tier.objects.create(slug="free", daily_tokens=0, over_reply="Enough."))

    assert ask(template, call=call).said == "Enough."
    assert Turn.objects.get().state == State.BLOCKED


def test_what_the_policy_blocks_is_not_spoken(template: AgentTemplate, call: Call) -> None:
    policy = Policy.objects.create(slug="p", output_block_words=["secret"], output_block_reply="No.")
    of_robot(template, policy=policy)
    set_model(reply="The secret is out", chunk_chars=2)

    assert ask(template, call=call).said == "The  No."


def test_spending_is_counted_for_the_caller(template: AgentTemplate, call: Call) -> None:
    ask(template, "hello", call=call)

    model_call = ModelCall.objects.get()
    assert model_call.outcome == ModelCall.Outcome.ANSWERED
    spend = Spend.objects.get(scope=Spend.Scope.USER, name="alice", unit=Spend.TOKENS)
    assert spend.spent == model_call.input_tokens + model_call.output_tokens
    assert spend.reserved == 0


def test_while_people_have_the_conversation_the_model_is_silent(template: AgentTemplate, call: Call) -> None:
    ownership.take_over(call.conversation, by="desk")

    asked = ask(template, "hello", call=call)

    assert (asked.status, asked.said) == (200, "")
    assert asked.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert not ModelCall.objects.exists()


def test_who_asks_for_people_gets_no_model(template: AgentTemplate, call: Call) -> None:
    of_robot(template, policy=Policy.objects.create(slug="p", handoff_words=["human"]))

    assert ask(template, "a human please", call=call).said == ""
    call.conversation.refresh_from_db()
    assert call.conversation.owner == Conversation.Owner.OPERATOR
    assert Turn.objects.get().state == State.HANDED_OFF


def test_a_rule_hands_a_call_over(template: AgentTemplate, call: Call) -> None:
    template.robot.route.rules.update(hands_over=True)

    assert ask(template, "hello", call=call).said == ""

    call.conversation.refresh_from_db()
    assert call.conversation.owner == Conversation.Owner.OPERATOR
    assert Turn.objects.get().state == State.HANDED_OFF
    assert not ModelCall.objects.exists()


def test_a_whisper_is_obeyed_and_not_taken_for_the_users_words(template: AgentTemplate, call: Call) -> None:
    ask(template, whispers.written("offer a discount"), call=call)

    assert "offer a discount" in Scripted.requests[-1].prompt.messages[-1].content
    assert Turn.objects.get().whisper == "offer a discount"
    assert not Message.objects.filter(sender=Message.Sender.USER).exists()


@pytest.fixture
def endless(template: AgentTemplate) -> Iterator[Provider]:
    """A model that never comes to an end by itself."""

    def answer(exchange: Exchange) -> None:
        exchange.send(head() + framed(pieces("One two ")))
        exchange.wait_for_hang_up()

    with Provider(answer) as provider:
        LanguageModel.objects.update(api="openai", base_url=provider.url, params={})
        yield provider


def ended_turn() -> Turn | None:
    try:
        return Turn.objects.filter(ended_at__isnull=False).first()
    finally:
        release_connection()


def test_who_hangs_up_closes_the_upstream_and_stops_the_bill(
    template: AgentTemplate, call: Call, endless: Provider
) -> None:
    asked = ask(template, call=call, hangs_up_at="One two")

    assert "One two" in asked.text
    assert endless.exchanges[0].hung_up.wait(PATIENCE_S)
    assert eventually(ended_turn).state == State.STOPPED
    assert ModelCall.objects.get().outcome == ModelCall.Outcome.CUT
    assert Spend.objects.get(scope=Spend.Scope.USER, unit=Spend.TOKENS).reserved == 0
    assert Message.objects.get(sender=Message.Sender.ROBOT).text == "One two "


def test_a_take_over_silences_the_model_in_the_middle(
    template: AgentTemplate, call: Call, endless: Provider
) -> None:
    def take_over_once_it_speaks() -> None:
        turn = eventually(lambda: Turn.objects.filter(first_token_at=None).first())
        eventually(lambda: endless.exchanges)
        ownership.take_over(call.conversation, by="desk")
        wakeups._sleepers[str(turn.pk)]()  # as the listener of the web process does
        connections.close_all()

    operator = threading.Thread(target=take_over_once_it_speaks)
    operator.start()
    asked = ask(template, call=call)
    operator.join()

    assert asked.lines[-1] == "data: [DONE]"
    assert endless.exchanges[0].hung_up.wait(PATIENCE_S)
    assert Turn.objects.get().state == State.TAKEN_OVER


def test_a_turn_whose_process_died_is_ended(template: AgentTemplate, call: Call) -> None:
    long_ago = timezone.now() - 2 * spoken.LOST_AFTER
    Turn.objects.create(
        conversation=call.conversation, is_spoken=True, state=State.THINKING, started_at=long_ago
    )

    spoken.end_lost()

    assert Turn.objects.get().state == State.FAILED

"""What a call's agent is answered when it asks us as its model: by the robot's mind, as in chats.

What the agent sends along, its prompt and its memory of the call, is not used: the robot's persona and the
conversation, chat and calls together, are what its models are shown.  Every answer but a refusal at the door
is a sentence that can be spoken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog
from django.db import connections
from django.utils.crypto import constant_time_compare

from agents import rounds, whispers
from agents.completions import Refused, Request
from agents.line import Line
from agents.models import AgentTemplate, Call
from bots.database import read, release_connection
from bots.known import known_now
from conversations import spoken, users, wakeups
from conversations.delivering import owned
from conversations.errors import NeedsPeople, NoModelAnswered, OverLimit, Superseded
from conversations.models import Conversation, Handoff, Turn, new_public_id
from conversations.screening import reason_of
from conversations.thinking import think

log = structlog.get_logger(__name__)

BEARER = "bearer "
# An instance may ask before its creation was answered: its user in the room is known even then.
FIND_CALL: Final = """
SELECT call.id, call.conversation_id, call.is_synced, session.public_id AS session_public_id
  FROM agents_call AS call JOIN conversations_session AS session ON session.id = call.session_id
 WHERE call.template_id = %s
   AND (call.agent_user_id = nullif(%s, '') OR call.instance_id = nullif(%s, ''))
 ORDER BY call.id DESC LIMIT 1
"""
NOBODY = "unknown-"  # before the ids of callers of whom the agent told nothing


def admit(slug: str, authorization: str) -> AgentTemplate:
    """The template whose bearer this is.  Raises Refused."""
    template = known_now().get(find_template, slug)
    if template is None:
        raise Refused(404, "no_such_template", "There is no such agent template.")
    has_scheme = authorization[: len(BEARER)].lower() == BEARER
    token = authorization[len(BEARER) :].strip() if has_scheme else ""
    if not constant_time_compare(token, template.brain_secret):
        raise Refused(401, "invalid_api_key", "The bearer token is not this template's.")
    return template


def find_template(slug: str) -> AgentTemplate | None:
    """The enabled template of that name with its robot, for `bots.known`."""
    return AgentTemplate.objects.filter(slug=slug, enabled=True).select_related("robot").first()


def answer(template: AgentTemplate, request: Request, line: Line) -> None:
    """Say an answer, or that there is none.  Blocks until it is said."""
    try:
        with structlog.contextvars.bound_contextvars(template=template.slug, round=request.round_id):
            take_turn(template, request, line)
    except Exception:
        log.exception("no answer in a call")
        if not line.said:
            line.say(template.robot.fallback)


def call_of(template: AgentTemplate, request: Request) -> Call | None:
    """The call that the agent is in."""
    if not (request.instance_id or request.agent_user_id):
        return None
    ids = [template.pk, request.agent_user_id, request.instance_id]
    return next(iter(read(Call, FIND_CALL, ids)), None)


def conversation_of(template: AgentTemplate, request: Request) -> Conversation:
    """That of an agent that we have not called, with its user, or with somebody of whom nothing is known."""
    conversation, _ = Conversation.objects.get_or_create(
        robot=template.robot,
        kind=Conversation.Kind.PEER,
        peer_id=request.user_id or f"{NOBODY}{new_public_id()}",
    )
    return conversation


def take_turn(template: AgentTemplate, request: Request, line: Line) -> None:
    call = call_of(template, request)
    whisper = whispers.read(request.question)
    try:
        turn = spoken.begin(
            call.conversation_id if call else conversation_of(template, request).pk,
            question="" if whisper else request.question,
            whisper=whisper,
            ids=rounds.ids_of(call, request.round_id or new_public_id()),
            extra=rounds.extra_of(call, request.round_id),
        )
    except spoken.Silent as reason:
        log.info("silent in a call", session=call and call.session_public_id, reason=str(reason))
        return
    line.may_speak = may_speak(turn)
    with (
        structlog.contextvars.bound_contextvars(conversation=turn.conversation.public_id),
        wakeups.waking(turn.pk, lambda: threading.Thread(target=look, args=(line,)).start()),
    ):
        give_answer(turn, line)


def give_answer(turn: Turn, line: Line) -> None:
    """Say what a model answers, or why none does, and settle the turn."""
    state, reason = Turn.State.DONE, ""
    try:
        line.finish(think(turn, line))
        reason = reason_of(turn.screening)
    except NoModelAnswered as error:
        say_besides(line, turn.conversation.robot.fallback)
        state, reason = Turn.State.FAILED, str(error)
    except OverLimit as error:
        say_besides(line, users.over_reply(turn.tier))
        state, reason = Turn.State.BLOCKED, str(error)
    except NeedsPeople as error:
        spoken.hand_over(turn, Handoff.Cause.RULE, str(error))
        return
    except Superseded:
        state, reason = spoken.ending_of(turn)
    else:
        state = Turn.State.BLOCKED if reason else Turn.State.DONE
    spoken.finish(turn, state, said=line.said, error=reason)


def say_besides(line: Line, words: str) -> None:
    """Behind what was said already, which has been heard."""
    line.say(f" {words}" if line.said else words)


def may_speak(turn: Turn) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            return owned(turn).exists()
        finally:
            release_connection()

    return ask


def look(line: Line) -> None:
    try:
        line.look()
    finally:
        connections.close_all()

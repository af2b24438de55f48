"""What a call's agent is answered when it asks us as its model: by the robot's mind, as in chats.

What the agent sends along, its prompt and its memory of the call, is not used: the robot's persona and the
conversation, chat and calls together, are what its models are shown.  Every answer but a refusal at the door
is a sentence that can be spoken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from django.db import connection, connections
from django.utils.crypto import constant_time_compare

from agents import rounds, whispers
from agents.completions import Refused, Request
from agents.line import Line
from agents.models import AgentTemplate, Call
from bots.database import model_of, release_connection, rows_of
from bots.known import REVISION, known_at
from conversations import spoken, users, wakeups
from conversations.delivering import owned
from conversations.errors import NeedsPeople, NoModelAnswered, OverLimit, Superseded
from conversations.models import Conversation, Handoff, Turn, new_public_id
from conversations.screening import reason_of
from conversations.thinking import think

log = structlog.get_logger(__name__)

BEARER = "bearer "
# An instance may ask before its creation was answered: its user in the room is known even then.
FIND: Final = f"""
WITH asking AS (
    SELECT call.id, call.conversation_id, call.is_synced, session.public_id AS session_public_id
      FROM agents_agenttemplate AS template
      JOIN agents_call AS call ON call.template_id = template.id
      JOIN conversations_session AS session ON session.id = call.session_id
     WHERE template.slug = %s
       AND (call.agent_user_id = nullif(%s, '') OR call.instance_id = nullif(%s, ''))
     ORDER BY call.id DESC LIMIT 1
)
SELECT asking.*, now.revision FROM (SELECT {REVISION} AS revision) AS now LEFT JOIN asking ON true
"""  # noqa: S608
NOBODY = "unknown-"  # before the ids of callers of whom the agent told nothing


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an agent of this template, in that call if it is one that we have started."""

    template: AgentTemplate
    call: Call | None


def admit(slug: str, authorization: str, request: Request) -> Caller:
    """Who asks, if the bearer is the template's.  Raises Refused."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, [slug, request.agent_user_id, request.instance_id])
        [found] = rows_of(cursor)
    template = known_at(found["revision"]).get(find_template, slug)
    if template is None:
        raise Refused(404, "no_such_template", "There is no such agent template.")
    has_scheme = authorization[: len(BEARER)].lower() == BEARER
    token = authorization[len(BEARER) :].strip() if has_scheme else ""
    if not constant_time_compare(token, template.brain_secret):
        raise Refused(401, "invalid_api_key", "The bearer token is not this template's.")
    return Caller(template, model_of(Call, found) if found["id"] else None)


def find_template(slug: str) -> AgentTemplate | None:
    """The enabled template of that name with its robot, for `bots.known`."""
    return AgentTemplate.objects.filter(slug=slug, enabled=True).select_related("robot").first()


def answer(caller: Caller, request: Request, line: Line) -> None:
    """Say an answer, or that there is none.  Blocks until it is said."""
    try:
        with structlog.contextvars.bound_contextvars(template=caller.template.slug, round=request.round_id):
            take_turn(caller, request, line)
    except Exception:
        log.exception("no answer in a call")
        if not line.said:
            line.say(caller.template.robot.fallback)


def conversation_of(template: AgentTemplate, request: Request) -> Conversation:
    """That of an agent that we have not called, with its user, or with somebody of whom nothing is known."""
    conversation, _ = Conversation.objects.get_or_create(
        robot=template.robot,
        kind=Conversation.Kind.PEER,
        peer_id=request.user_id or f"{NOBODY}{new_public_id()}",
    )
    return conversation


def take_turn(caller: Caller, request: Request, line: Line) -> None:
    call = caller.call
    whisper = whispers.read(request.question)
    try:
        turn = spoken.begin(
            call.conversation_id if call else conversation_of(caller.template, request).pk,
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

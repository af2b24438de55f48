"""The life of one turn, from top to bottom.

    waiting ──take──▶ thinking ──first words──▶ speaking ──▶ done | blocked | failed | stopped | taken over
                          └────────called off────────┴──what was begun is ended──▶┘

A worker may die at any line.  The job is then run again, `take` hands the same turn out under the next
attempt, and it goes on from what is stored: the messages at the vendor are used again, and a reply that
was complete is delivered without asking the model a second time.
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta
from typing import Final

import structlog
from django.db import DatabaseError, models, transaction
from django.db.models import Subquery
from django.utils import timezone

from bots import draining
from bots.database import read
from bots.errors import VendorError
from bots.known import REVISION, known_at
from bots.robots import load_robot
from conversations import calls, desks, handoffs, needs, ratings, summaries, telling, tracing, users, wakeups
from conversations.delivering import owned, pause
from conversations.desks import desk_of
from conversations.errors import NeedsPeople, NoModelAnswered, OverLimit, Superseded
from conversations.models import Conversation, Handoff, Message, Turn
from conversations.screening import handoff_word, reason_of
from conversations.speaking import Speaker
from conversations.thinking import think
from metrics.families import REPLY_SECONDS, TURN_WAIT_SECONDS, TURNS

log = structlog.get_logger(__name__)

LONGEST_BURST: Final = 10  # merge windows: whoever never stops writing is answered all the same
DELIVERY_AGE: Final = timedelta(hours=1)  # an answer that could not be delivered by then is given up
MAX_CRASHES: Final = 3  # attempts that end in an error we did not foresee
MAX_ATTEMPTS: Final = 100  # a turn that kills its worker must not do so for ever

# Every turn begins with it, and the ORM would take longer to write it than the database to do it.
LOCK: Final = f"""
SELECT conversation.*, {REVISION} AS revision FROM conversations_conversation AS conversation
 WHERE id = %s FOR NO KEY UPDATE
"""  # noqa: S608


def answer(conversation_id: int) -> None:
    """Answer all that waits in a conversation, one turn after another.

    Runs under the conversation's lock, so a turn found running is one whose worker is gone.  Raises
    what the job has to be tried again for.
    """
    is_ours = True
    while is_ours and (turn := take(conversation_id)):
        with (
            structlog.contextvars.bound_contextvars(
                account=turn.conversation.robot.account.slug,
                conversation=turn.conversation.public_id,
                turn=turn.pk,
            ),
            tracing.turn_traced(turn),
        ):
            is_ours = run(turn)


def take(conversation_id: int) -> Turn | None:
    """The turn to run next, in this worker's hands; None when nothing waits."""
    unfinished = Turn.objects.filter(
        state__in=[*Turn.RUNNING, Turn.State.WAITING], conversation=conversation_id, is_spoken=False
    )
    states = set(unfinished.values_list("state", flat=True))
    if not states:
        return None
    if states.isdisjoint(Turn.RUNNING):
        wait_for_end_of_burst(conversation_id)
    with transaction.atomic():
        conversation = lock(conversation_id)
        # A running one is older than the one that waits.
        turn = unfinished.order_by("id").first()
        if turn is None:
            return None
        turn.conversation = conversation
        if turn.state == Turn.State.WAITING:
            begin(turn)
        elif turn.attempt >= MAX_ATTEMPTS:
            end(turn, Turn.State.FAILED, f"given up after {turn.attempt} attempts")
        elif turn.ending:
            turn.epoch = conversation.epoch
        turn.attempt += 1
        turn.save(update_fields=["attempt", "state", "epoch", "started_at", "tier", "reply"])
    if turn.attempt > 1:
        calls.close_lost(calls.of_earlier_attempts(turn))
    return turn if turn.state in Turn.RUNNING else take(conversation_id)


def lock(conversation_id: int) -> Conversation:
    """The conversation with all that a turn goes by, held until the end of the transaction.  Raises
    Conversation.DoesNotExist, where it was erased meanwhile."""
    conversation = next(iter(read(Conversation, LOCK, [conversation_id])), None)
    if conversation is None:
        raise Conversation.DoesNotExist(f"conversation {conversation_id} is gone")
    conversation.robot = known_at(conversation.revision).get(load_robot, conversation.robot_id)
    return conversation


def begin(turn: Turn) -> None:
    """Move a waiting turn to thinking, with all messages that it will answer, or end it if it may not."""
    conversation = turn.conversation
    if conversation.owner != Conversation.Owner.ROBOT:
        end(turn, Turn.State.TAKEN_OVER)
    elif not (conversation.robot.enabled and conversation.robot.account.enabled):
        end(turn, Turn.State.STOPPED, "the robot is disabled")
    elif not unanswered(conversation.pk).update(turn=turn):
        end(turn, Turn.State.DONE)
    elif conversation.rating_asked_at and (score := ratings.score_in(turn)):
        start(turn, reply=ratings.take(conversation, score))
    elif not (word := handoff_word(turn)):
        ratings.forget_question(conversation)
        start(turn)
    elif desks.is_open(conversation.robot):
        handoffs.begin(conversation, Handoff.Cause.WORDS)
        telling.tell(conversation, desk_of(conversation.robot).waiting_reply)
        end(turn, Turn.State.HANDED_OFF, f"the user asked for people: {word}")
    else:
        start(turn, reply=desk_of(conversation.robot).closed_reply)


def start(turn: Turn, *, reply: str = "") -> None:
    """Let it think, or say this without asking a model."""
    conversation = turn.conversation
    turn.state, turn.epoch, turn.started_at = Turn.State.THINKING, conversation.epoch, timezone.now()
    turn.tier, turn.reply = users.tier_of(conversation), reply
    waited_s = (turn.started_at - turn.queued_at).total_seconds()
    transaction.on_commit(lambda: TURN_WAIT_SECONDS.observe(waited_s))


def wait_for_end_of_burst(conversation_id: int) -> None:
    """Wait until the user has paused for the merge window, so that a burst gets one answer."""
    started = time.monotonic()
    while newest := (
        unanswered(conversation_id)
        .order_by("-created_at")
        .values_list("created_at", "conversation__robot__merge_window_ms")
        .first()
    ):
        stored_at, window_ms = newest
        quiet_in = window_ms / 1000 - (timezone.now() - stored_at).total_seconds()
        if quiet_in <= 0 or time.monotonic() - started > LONGEST_BURST * window_ms / 1000:
            return
        pause(quiet_in)


def unanswered(conversation_id: int) -> models.QuerySet[Message]:
    """What users wrote to the robot in the conversation and no turn has claimed yet."""
    return unanswered_messages().filter(conversation=conversation_id)


def unanswered_messages() -> models.QuerySet[Message]:
    return Message.objects.filter(
        sender=Message.Sender.USER,
        turn=None,
        is_overheard=False,
        state=Message.State.RECEIVED,
    )


def run(turn: Turn) -> bool:
    """Think, speak, settle; whether the conversation is still this worker's.

    Raises what is worth another attempt, with the turn left as it is.
    """
    log.info("turn taken", attempt=turn.attempt)
    try:
        speak(turn)
    except Superseded:
        log.info("turn superseded")
        return called_off(turn).exists()  # else another worker took this one for dead
    except VendorError as error:
        if not error.permanent and timezone.now() - turn.queued_at < DELIVERY_AGE:
            raise
        end(turn, Turn.State.FAILED, str(error))
    except (draining.WorkerStopping, DatabaseError):
        raise
    except Exception as error:
        if turn.attempt < MAX_CRASHES:
            raise
        log.exception("turn given up")
        end(turn, Turn.State.FAILED, f"{type(error).__name__}: {error}")
    return True


def speak(turn: Turn) -> None:
    """Answer the user, or end what was begun if the turn is called off.  Raises Superseded."""
    with closing(Speaker(turn)) as speaker:
        try:
            if not turn.ending:
                with wakeups.waking(turn.pk, speaker.wake):
                    give_answer(turn, speaker)
        except Superseded:
            if not regain(turn):
                raise
        if turn.ending:
            speaker.stop()
            end(turn, Turn.State(turn.ending))


def regain(turn: Turn) -> bool:
    """Whether the turn was called off in this worker's hands.  It then speaks under the new epoch, which is
    for ending what it has begun."""
    epoch = Conversation.objects.filter(pk=turn.conversation_id).values("epoch")
    if not called_off(turn).update(epoch=Subquery(epoch)):
        return False
    turn.refresh_from_db(fields=["epoch", "ending"])
    return True


def called_off(turn: Turn) -> models.QuerySet[Turn]:
    """The turn, if it is in this attempt's hands only to be ended."""
    running = Turn.objects.filter(pk=turn.pk, attempt=turn.attempt, state__in=Turn.RUNNING)
    return running.exclude(ending="")


def give_answer(turn: Turn, speaker: Speaker) -> None:
    """Give the user an answer, or the robot's apology for having none."""
    speaker.open()
    try:
        reply = turn.reply or think(turn, speaker)
    except NoModelAnswered as error:
        fail(turn, speaker, str(error))
    except NeedsPeople as error:
        pass_on(turn, speaker, str(error))
    except OverLimit as error:
        # Words that users have read stay: nothing would tell them why those went.
        said = f"{speaker.said}…\n\n" if speaker.said else ""
        speaker.finish(said + users.over_reply(turn.tier))
        end(turn, Turn.State.BLOCKED, str(error))
    else:
        speaker.finish(reply)
        reason = reason_of(turn.screening)
        end(turn, Turn.State.BLOCKED if reason else Turn.State.DONE, reason)


def fail(turn: Turn, speaker: Speaker, reason: str) -> None:
    """Tell the user that no model answers, and hand them to people where those take it."""
    robot = turn.conversation.robot
    is_peoples = desks.takes_failures(robot)
    speaker.fail((is_peoples and desk_of(robot).waiting_reply) or robot.fallback)
    with transaction.atomic():
        if is_peoples:
            hand_over(turn, Handoff.Cause.FAILURE)
        end(turn, Turn.State.FAILED, reason)


def pass_on(turn: Turn, speaker: Speaker, reason: str) -> None:
    """Hand the user to people, as the route says."""
    speaker.finish(desk_of(turn.conversation.robot).waiting_reply)
    with transaction.atomic():
        hand_over(turn, Handoff.Cause.RULE)
        end(turn, Turn.State.HANDED_OFF, reason)


def hand_over(turn: Turn, cause: Handoff.Cause) -> None:
    """Give the conversation to people, in the transaction that ends the turn.  Raises Superseded."""
    conversation = Conversation.objects.select_for_update(no_key=True).get(pk=turn.conversation_id)
    if not owned(turn).exists():
        raise Superseded
    handoffs.begin(conversation, cause)


def end(turn: Turn, state: Turn.State, error: str = "") -> None:
    """Settle a turn for good; what it could not deliver is marked so."""
    with transaction.atomic():
        turn.state, turn.error, turn.ended_at = state, error, timezone.now()
        turn.save(update_fields=["state", "error", "ended_at"])
        if state == Turn.State.FAILED:
            turn.messages.filter(state__in=Message.UNDELIVERED).update(
                state=Message.State.FAILED, error=error
            )
            needs.note(turn.conversation, Conversation.Need.FAILED_REPLY)
        elif turn.conversation.need == Conversation.Need.FAILED_REPLY and state == Turn.State.DONE:
            needs.settle(turn.conversation, Conversation.Need.FAILED_REPLY)
        if summaries.is_due(turn):
            summaries.defer(turn)
        transaction.on_commit(lambda: count(turn))
    log.info("turn ended", state=state.value, error=error)


def count(turn: Turn) -> None:
    """Count a turn that has ended."""
    TURNS.labels(turn.conversation.robot.user_id, turn.state).inc()
    if turn.state == Turn.State.DONE and turn.started_at and turn.ended_at:
        REPLY_SECONDS.observe((turn.ended_at - turn.queued_at).total_seconds())

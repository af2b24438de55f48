"""An answer that the robot's own model suggests to the operator who has the conversation.

It counts to the user's, the robot's and the account's budget like any other call.  The conversation's last
turn pays for it, as it does for summaries.
"""

from __future__ import annotations

from contextlib import closing
from typing import Final

import structlog
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from bots import health, intents, routing
from bots.classifying import classify
from bots.database import release_connection
from bots.errors import ModelBusy, ModelError
from bots.llms import client_for
from bots.llms.base import ChatMessage, Prompt
from bots.models import LanguageModel
from conversations import calls, capacity, context, users
from conversations.errors import ConversationError, NoModelAnswered
from conversations.models import Conversation, Message, ModelCall, Turn
from conversations.screening import Screening
from conversations.wording import as_chat, speech_in, with_summary

log = structlog.get_logger(__name__)

TASK: Final = (
    "A human colleague has the conversation now. Draft the next answer for the colleague to send: its words "
    "and nothing else."
)


class NothingToAnswer(ConversationError):
    """The last words are not the user's."""


def suggest(conversation: Conversation) -> str:
    """A draft.  Raises NothingToAnswer, NoModelAnswered, OverLimit, Withheld."""
    turn = payer_of(conversation)
    screening = Screening(turn)
    prompt = prompt_for(turn)
    failures: list[ModelError] = []
    for model in models_for(turn, prompt):
        try:
            return ask(turn, model, prompt, screening)
        except ModelError as error:
            log.warning("no suggestion", model=model.slug, error=str(error))
            failures.append(error)
    raise NoModelAnswered(failures)


def payer_of(conversation: Conversation) -> Turn:
    """The last turn that has ended; where there is none, one that stands for what people answer."""
    unfinished = [Turn.State.WAITING, *Turn.RUNNING]
    turn = conversation.turns.exclude(state__in=unfinished).select_related("tier").order_by("-pk").first()
    if turn is None:
        turn = Turn.objects.create(
            conversation=conversation,
            state=Turn.State.TAKEN_OVER,
            tier=users.tier_of(conversation),
            ended_at=timezone.now(),
        )
    turn.conversation = conversation
    return turn


def prompt_for(turn: Turn) -> Prompt:
    """What the robot would be shown, with the task in place of a turn.  Raises NothingToAnswer."""
    conversation = turn.conversation
    fold = context.last_fold(conversation)
    summary = context.summary_for(conversation.robot, fold)
    lines = context.lines_of(
        context.newest(said_in(conversation, after=fold.until if fold else 0)), conversation
    )
    kept = context.within(lines, context.limit_of(conversation.robot, summary))
    chat = as_chat((line.message for line in kept or lines[-1:]), speech_in(conversation))
    if not chat or chat[-1].role != "user":
        raise NothingToAnswer(_("The user has written nothing since the last answer."))
    about = "\n\n".join(filter(None, (context.about_robot(turn), TASK)))
    system = ChatMessage(role="system", content=about)
    return Prompt(messages=(system, *with_summary(chat, summary)), user=conversation.public_id)


def said_in(conversation: Conversation, *, after: int) -> QuerySet[Message]:
    said = conversation.messages.filter(id__gt=after, is_error=False).exclude(state__in=Message.GONE)
    return said.exclude(turn__state=Turn.State.BLOCKED)


def models_for(turn: Turn, prompt: Prompt) -> list[LanguageModel]:
    """By the robot's route and the user's last words."""
    facts = routing.Facts(
        verdict=classify(prompt.messages[-1].content, intents.known()),
        tier=turn.tier.slug if turn.tier else "",
    )
    rules = routing.of_models(routing.rules_of(turn.conversation.robot.route_id))
    return health.as_now(routing.decide(rules, facts).models)


def ask(turn: Turn, model: LanguageModel, prompt: Prompt, screening: Screening) -> str:
    """Raises ModelError, OverLimit, Withheld."""
    if health.admit(model):
        raise ModelBusy("left alone for now", party=model.slug, code="resting")
    capacity.check_spare(model)
    stream = client_for(model.api).stream(model.endpoint, screening.cover(prompt))
    with calls.recorded(turn, model, stream, ModelCall.Purpose.SUGGESTION) as call, health.watched(model):
        release_connection()
        with closing(stream):
            return "".join(screening.through(calls.metered(stream, call))).strip()

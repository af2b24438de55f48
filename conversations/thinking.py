"""A turn's reply, thought: the models of its route are asked, screened, paid for, and followed by others
where they fail.  To say it is up to an outlet: the speaker of a chat, or the line of a call."""

from __future__ import annotations

from contextlib import closing

import structlog

from bots import health
from bots.database import release_connection
from bots.errors import ModelError
from bots.llms import client_for
from bots.llms.base import Prompt
from bots.llms.continuing import continued
from bots.models import LanguageModel
from conversations import calls, capacity, choosing, context
from conversations.delivering import note, wait
from conversations.errors import NeedsPeople, NoModelAnswered
from conversations.models import Turn
from conversations.outlets import Outlet
from conversations.screening import Screening, Withheld

log = structlog.get_logger(__name__)


def think(turn: Turn, outlet: Outlet) -> str:
    """The whole reply, stored; or what is said instead where the robot's policy blocks it.  Raises
    NeedsPeople, NoModelAnswered, OverLimit, Superseded."""
    screening = Screening(turn)
    try:
        screening.check_question()
        return ask(turn, outlet, screening)
    except Withheld as withheld:
        note(turn, reply=withheld.answer, screening=withheld.found)
        return withheld.answer


def ask(turn: Turn, outlet: Outlet, screening: Screening) -> str:
    """The whole reply, stored.  Where a model fails another goes on.  Raises NeedsPeople, NoModelAnswered,
    OverLimit, Withheld."""
    shown = context.show(turn)
    decision = choosing.choose(turn, outlet, screening)
    begun = {
        "persona_id": turn.conversation.robot.persona_version_id,
        "context": shown.plan,
        "choice": decision.reasons,
    }
    if decision.is_for_people:
        note(turn, **begun)
        raise NeedsPeople("by the rule of the route")
    choices = health.soonest_first(health.as_now(decision.models))
    failures: list[ModelError] = []
    for model in choices:
        is_last = model == choices[-1]
        try:
            wait(turn, health.admit(model))
            capacity.claim(turn, model, patience_s=model.first_token_s if is_last else 0, also=begun)
            return listen(turn, model, shown.prompt, outlet, screening)
        except ModelError as error:
            log.warning("model failed", model=model.slug, error=str(error))
            failures.append(error)
            outlet.drop_unseen()
    note(turn, **begun)  # no model may have had a place
    raise NoModelAnswered(failures)


def listen(turn: Turn, model: LanguageModel, prompt: Prompt, outlet: Outlet, screening: Screening) -> str:
    """Have said what the model answers, as it comes, behind what others said; → the whole.  Raises
    ModelError, OverLimit, Withheld."""
    said = outlet.said
    shown = screening.cover(continued(prompt if model.takes_images else prompt.in_words(), said))
    stream = client_for(model.api).stream(model.endpoint, shown)
    with calls.recorded(turn, model, stream) as call, health.watched(model):
        release_connection()
        with closing(stream), outlet.speaking(on_failure=stream.cancel):
            for piece in screening.through(calls.metered(stream, call), said):
                outlet.say(piece)
                stream.rest(outlet.leisure())
    note(
        turn,
        reply=outlet.said,
        screening=screening.found,
        first_token_at=outlet.began_at,
        finish_reason=call.finish_reason,
    )
    return outlet.said

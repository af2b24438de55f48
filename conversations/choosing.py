"""Who answers a turn, models or people: its facts are gathered, the robot's route decides."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal

import structlog
from django.db.models import Max
from django.utils import timezone

from bots import health, intents, judging, routing
from bots.classifying import Verdict, classify
from bots.database import release_connection
from bots.errors import ModelBusy, ModelError
from bots.known import known_at
from bots.llms import client_for
from bots.llms.base import Prompt
from bots.models import LanguageModel, Rule
from conversations import calls, capacity, desks
from conversations.errors import OverLimit
from conversations.models import ModelCall, Spend, Turn
from conversations.outlets import Outlet
from conversations.screening import Screening, question_of

log = structlog.get_logger(__name__)


def choose(turn: Turn, outlet: Outlet, screening: Screening) -> routing.Decision:
    """The models for this turn, or people if there are any, and why those."""
    robot = turn.conversation.robot
    rules = known_at(turn.conversation.revision).get(routing.rules_of, robot.route_id)
    if not desks.is_open(robot):
        rules = routing.of_models(rules)
    text = question_of(turn)
    facts = routing.Facts(
        kinds=frozenset(question.kind for question in turn.questions),
        verdict=verdict_on(text, turn, rules, outlet, screening),
        tier=turn.tier.slug if turn.tier else "",
        spent=spent_today(turn) if routing.asks_for(rules, "max_spent") else Decimal(0),
    )
    return routing.decide(rules, facts)


def verdict_on(text: str, turn: Turn, rules: list[Rule], outlet: Outlet, screening: Screening) -> Verdict:
    """By the route's classifier, where a rule needs to know and it can say; else by keywords."""
    known = known_at(turn.conversation.revision).get(intents.known)
    is_needed = routing.asks_for(rules, "intents") or routing.asks_for(rules, "min_complexity")
    model = turn.conversation.robot.route.classifier if is_needed else None
    if model and model.enabled and text.strip():
        try:
            prompt = screening.cover(judging.prompt_for(text, known))
            return judging.read_verdict(ask(turn, model, prompt, outlet), known)
        except (ModelError, OverLimit, ValueError) as error:
            log.warning("classifier failed", model=model.slug, error=str(error))
    return classify(text, known)


def ask(turn: Turn, model: LanguageModel, prompt: Prompt, outlet: Outlet) -> str:
    """The classifier's whole answer.  A turn that is called off meanwhile does not wait for it.

    Raises ModelError, OverLimit, Superseded.
    """
    [model] = health.as_now([model])
    if health.admit(model):
        raise ModelBusy("left alone for now", party=model.slug, code="resting")
    capacity.check_spare(model)
    stream = client_for(model.api).stream(judging.hurried(model.endpoint), prompt)
    with calls.recorded(turn, model, stream, ModelCall.Purpose.VERDICT) as call, health.watched(model):
        release_connection()
        with closing(stream), outlet.speaking(on_failure=stream.cancel):
            return "".join(calls.metered(stream, call))


def spent_today(turn: Turn) -> Decimal:
    """What the user's, or the group's, answers have cost today, in the currency in which it is most."""
    conversation = turn.conversation
    spending = Spend.objects.filter(
        account=conversation.robot.account_id,
        scope=conversation.kind,
        name=conversation.peer_id,
        day=timezone.localdate(),
    )
    most: Decimal | None = spending.exclude(unit=Spend.TOKENS).aggregate(most=Max("spent"))["most"]
    return most or Decimal(0)

"""What a moderator says of a turn's texts: a model, as a charged call of the turn, or an HTTP hook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import Final

import structlog

from bots import health
from bots.database import release_connection
from bots.errors import ModelBusy, ModelError
from bots.llms import client_for
from bots.llms.base import Timeouts
from bots.models import LanguageModel
from bots.safety import hooks
from bots.safety.findings import Blocked, Finding, Side
from bots.safety.moderation import NoVerdict, Terms, Verdict, prompt_for, verdict_in
from conversations import calls
from conversations.models import ModelCall, Turn

log = structlog.get_logger(__name__)

HOOK: Final = "hook"
LONGEST_VERDICT: Final = 4000  # characters; a model that writes on has not understood


class Moderator:
    """The moderator of one side of a turn."""

    def __init__(self, turn: Turn, side: Side, terms: Terms) -> None:
        self._turn, self._side, self._terms = turn, side, terms
        self._failures: dict[str, int] = {}

    @property
    def piece_chars(self) -> int:
        """How much of an answer to ask about at a time, at least."""
        return self._terms.piece_chars

    def check(self, text: str) -> None:
        """Raises Blocked unless the text may pass, and OverLimit where nobody may be asked any more."""
        if not text.strip():
            return
        try:
            verdict = self._ask(text)
        except (NoVerdict, ModelError) as error:
            self._do_without(error)
            return
        finally:
            release_connection()  # an answer's next words may be long in coming
        if not verdict.allow:
            raise Blocked(self._finding(verdict.reason))

    def failures(self) -> Iterator[Finding]:
        """Why texts passed that nobody has judged."""
        return (self._finding(reason, count) for reason, count in self._failures.items())

    def _do_without(self, error: NoVerdict | ModelError) -> None:
        log.warning("no verdict", side=self._side, moderator=self._name, error=str(error))
        if self._terms.blocks_on_failure:
            raise Blocked(self._finding(f"no verdict: {error}")) from error
        self._failures[str(error)] = self._failures.get(str(error), 0) + 1

    def _finding(self, rule: str, count: int = 1) -> Finding:
        return Finding(kind="moderation", source=self._name, rule=rule, count=count)

    @property
    def _name(self) -> str:
        return self._model.slug if self._model else HOOK

    @cached_property
    def _model(self) -> LanguageModel | None:
        known = LanguageModel.objects.select_related("health").prefetch_related("prices")
        return known.get(pk=self._terms.model_id) if self._terms.model_id else None

    def _ask(self, text: str) -> Verdict:
        return self._ask_model(self._model, text) if self._model else self._ask_hook(text)

    def _ask_hook(self, text: str) -> Verdict:
        conversation = self._turn.conversation
        question = {
            "text": text,
            "direction": self._side,
            "robot": conversation.robot.user_id,
            "user": ", ".join(self._turn.askers) or conversation.peer_id,
        }
        release_connection()
        return hooks.ask(self._terms, question)

    def _ask_model(self, model: LanguageModel, text: str) -> Verdict:
        if not model.enabled:
            raise NoVerdict("the model is disabled")
        if health.admit(model):
            raise ModelBusy("wants to be left alone", party=model.slug)
        stream = client_for(model.api).stream(
            replace(model.endpoint, timeouts=within(self._terms.timeout_s)), prompt_for(text, self._side)
        )
        recorded = calls.recorded(self._turn, model, stream, ModelCall.Purpose.MODERATION)
        words = ""
        with recorded as call, health.watched(model), closing(stream):
            release_connection()
            for piece in calls.metered(stream, call):
                words += piece
                if len(words) > LONGEST_VERDICT:
                    raise NoVerdict("the answer is too long")
        return verdict_in(words)


def within(seconds: float) -> Timeouts:
    """Deadlines of a call that is over by then, however it goes."""
    return Timeouts(connect_s=seconds, first_token_s=seconds, stall_s=seconds, total_s=seconds)

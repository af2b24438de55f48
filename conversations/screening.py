"""What a turn's policy says of its question and its reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bots.events import JSONDict
from bots.llms.base import ChatMessage, Prompt
from bots.llms.continuing import without_repetition
from bots.safety.findings import SIDES, Blocked, Finding, Side
from bots.safety.personal import Masker, Placeholders, Restorer
from bots.safety.screens import screen_for
from bots.safety.streams import PieceFilter, StreamFilter, behind, through
from conversations.models import Turn
from conversations.moderating import Moderator


class Withheld(Exception):
    """The question or the reply is blocked; `answer` is said instead."""

    def __init__(self, answer: str, found: list[JSONDict]) -> None:
        self.answer, self.found = answer, found
        super().__init__(reason_of(found))


class Screening:
    """The screening of one turn."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._policy = turn.conversation.robot.policy
        self._screen = screen_for(self._policy) if self._policy else None
        self._placeholders = Placeholders()
        self._maskers: list[Masker] = []  # one for each model that spoke
        self._moderators = dict(moderators_of(turn))
        self._blocked: list[JSONDict] = []

    def check_question(self) -> None:
        """Raises Withheld for a question that no model may see."""
        if self._policy is None or self._screen is None:
            return
        try:
            question = question_of(self._turn)
            self._screen.input.check(question)
            self._moderate_question(question)
        except Blocked as blocked:
            raise self._withhold("input", blocked, self._policy.input_block_reply) from None

    def _moderate_question(self, question: str) -> None:
        if moderator := self._moderators.get("input"):
            assert self._policy
            is_masked = self._policy.input_mask_pii
            moderator.check(self._placeholders.cover(question) if is_masked else question)

    def cover(self, prompt: Prompt) -> Prompt:
        """The prompt as the model may see it: without personal data, if the policy says so."""
        if self._policy is None or not self._policy.input_mask_pii:
            return prompt
        return replace(prompt, messages=tuple(map(self._covered, prompt.messages)))

    def _covered(self, message: ChatMessage) -> ChatMessage:
        if message.role == "system":  # an admin's words
            return message
        return replace(message, content=self._placeholders.cover(message.content))

    def through(self, pieces: Iterable[str], said: str = "") -> Iterator[str]:
        """Of a reply, what users may see, as it comes behind what another model said, and without what it
        repeats of that.  Raises Withheld where it must not go on."""
        if self._policy is None or self._screen is None:
            yield from without_repetition(pieces, said)
            return
        news = without_repetition(through(self._filters(), pieces), said)
        try:
            yield from behind(said, [*self._screen.output.filters()], news)
        except Blocked as blocked:
            raise self._withhold("output", blocked, self._policy.output_block_reply) from None

    def _filters(self) -> list[StreamFilter]:
        """What looks at a model's own words, puts personal data back, or covers it."""
        assert self._policy
        # Moderators come first: they are shown no personal data that the model was not shown.
        filters: list[StreamFilter] = []
        if moderator := self._moderators.get("output"):
            filters.append(PieceFilter(moderator.check, at_least=moderator.piece_chars))
        if self._placeholders.data:
            filters.append(Restorer(self._placeholders))
        if self._policy.output_mask_pii:
            self._maskers.append(Masker())
            filters.append(self._maskers[-1])
        return filters

    def _withhold(self, side: Side, blocked: Blocked, answer: str) -> Withheld:
        self._blocked = [told(side, blocked.finding, "blocked")]
        return Withheld(answer, self.found or [])

    @property
    def found(self) -> list[JSONDict] | None:
        """All that was found so far, as the turn keeps it."""
        masked = [told("input", finding, "masked") for finding in self._placeholders.findings()]
        masked += [
            told("output", finding, "masked") for masker in self._maskers for finding in masker.findings()
        ]
        unmoderated = [
            told(side, finding, "unmoderated")
            for side, moderator in self._moderators.items()
            for finding in moderator.failures()
        ]
        return [*masked, *unmoderated, *self._blocked] or None


def moderators_of(turn: Turn) -> Iterator[tuple[Side, Moderator]]:
    """Who moderates the turn's question, and who its reply."""
    policy = turn.conversation.robot.policy
    for side in SIDES if policy else ():
        if policy and (terms := policy.moderation(side)):
            yield side, Moderator(turn, side, terms)


def handoff_word(turn: Turn) -> str:
    """The word by which the user asks for people; "" without one."""
    policy = turn.conversation.robot.policy
    if policy is None or not policy.handoff_words:
        return ""
    finding = screen_for(policy).handoff.find(question_of(turn))
    return finding.rule if finding else ""


def question_of(turn: Turn) -> str:
    """All that the user wrote, as one text."""
    return "\n".join(question.text for question in turn.questions)


def told(side: Side, finding: Finding, deed: str) -> JSONDict:
    return {"side": side, "deed": deed, **finding.as_json()}


def reason_of(found: list[JSONDict] | None) -> str:
    """Why a turn was blocked; "" if it was not."""
    for each in found or []:
        if each["deed"] == "blocked":
            return f"{each['side']} blocked: {each['kind']} of {each['source']}: {each['rule']}"
    return ""

"""A conversation as people read it: a page of messages, with the turns that answered them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db.models import Prefetch, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from bots import routing
from bots.clients import vendor_for
from bots.events import MessageReceived, MessageSent, Said
from bots.vendors.config import is_web_address
from conversations import receiving
from conversations.models import Callback, Conversation, Message, ModelCall, Turn

PAGE_MESSAGES: Final = 50
CALLS_IN_ORDER: Final = ModelCall.objects.select_related("model").order_by("pk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A message, with what is told beside it."""

    message: Message
    day: date | None  # where a new one begins
    turn: Turn | None  # told here, once on a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Some of a conversation's messages, oldest first."""

    lines: list[Line]
    earlier: int | None  # `before` of the page that comes before this one
    unseen_turns: list[Turn]  # of the newest page: turns that no message on it belongs to yet


def read(conversation: Conversation, *, before: int | None = None) -> Transcript:
    """The newest messages; with `before` the newest of those stored before the message with that id."""
    messages = conversation.messages.select_related("turn__model", "turn__persona").order_by("-id")
    messages = messages.prefetch_related(Prefetch("turn__calls", CALLS_IN_ORDER))
    if before is not None:
        messages = messages.filter(id__lt=before)
    found = list(messages[: PAGE_MESSAGES + 1])
    shown = found[:PAGE_MESSAGES]
    lines = list(lines_of(sorted(shown, key=lambda message: message.place)))
    return Transcript(
        lines=lines,
        earlier=shown[-1].pk if len(found) > PAGE_MESSAGES else None,
        unseen_turns=unseen_turns(conversation, lines) if before is None else [],
    )


def lines_of(messages: list[Message]) -> Iterator[Line]:
    tellers = {message.pk: message.turn for message in tellers_of(messages).values()}
    last_day = None
    for message in messages:
        day = timezone.localtime(message.happened_at).date()
        yield Line(message=message, day=None if day == last_day else day, turn=tellers.get(message.pk))
        last_day = day


def tellers_of(messages: list[Message]) -> dict[int, Message]:
    """The message beside which each turn is told: the first of its reply, or else its last question."""
    tellers: dict[int, Message] = {}
    for message in messages:
        known = tellers.get(message.turn_id or 0)
        if message.turn_id and (known is None or known.sender == Message.Sender.USER):
            tellers[message.turn_id] = message
    return tellers


def unseen_turns(conversation: Conversation, lines: list[Line]) -> list[Turn]:
    told = [line.turn.pk for line in lines if line.turn]
    open_turns = conversation.turns.filter(state__in=[Turn.State.WAITING, *Turn.RUNNING])
    turns = open_turns.exclude(pk__in=told).select_related("model", "persona").order_by("pk")
    return list(turns.prefetch_related(Prefetch("calls", CALLS_IN_ORDER)))


def calls_of(turn: Turn) -> list[ModelCall]:
    """The turn's model calls, in order, where they tell more than the turn itself does."""
    calls = list(turn.calls.all())
    is_told = len(calls) <= 1 and all(
        (call.purpose, call.outcome) == (ModelCall.Purpose.ANSWER, ModelCall.Outcome.ANSWERED)
        for call in calls
    )
    return [] if is_told else calls


def why(turn: Turn) -> str:
    """Why its models were chosen: the rule that matched, and what was found out for it."""
    choice = turn.choice
    if not choice:
        return ""
    rule = _("rule %(number)d") % {"number": choice["rule"]} if choice["rule"] else _("no rule fits")
    intent = choice["intent"] and f"{_('intent')} {choice['intent']}" + noted(choice["words"])
    features = [f"{name} {amount:g}" for name, amount in choice["features"].items()]
    complexity = f"{_('complexity')} {choice['complexity']:g}" + noted(features)
    source = choice.get("source") == "model" and _("judged by the classifier")
    tier = choice["tier"] and f"{_('tier')} {choice['tier']}"
    spent = choice["spent"] != "0" and f"{_('spent today')} {choice['spent']}"
    found = (f"{rule} ({routing.describe(choice['when'])})", intent, complexity, source, tier, spent)
    return " · ".join(part for part in found if part)


def noted(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def plan_of(turn: Turn) -> list[str]:
    """What the model was shown for the turn, and what was left out."""
    names = {
        "asked": _("asked"),
        "kept": _("history"),
        "summarised": _("in short"),
        "dropped": _("left out"),
    }
    parts = [(label, (turn.context or {}).get(key)) for key, label in names.items()]
    return [
        f"{label}: "
        + _("%(messages)s messages, ≈ %(tokens)s tokens")
        % {"messages": part["messages"], "tokens": part["tokens"]}
        for label, part in parts
        if part and part["messages"]
    ]


def timings(turn: Turn) -> list[tuple[str, float]]:
    """How long the parts of a turn took, in seconds, as far as they are over."""
    spans = (
        (_("waited"), turn.queued_at, turn.started_at),
        (_("first token"), turn.started_at, turn.first_token_at),
        (_("first words"), turn.queued_at, turn.spoken_at),
        (_("in all"), turn.queued_at, turn.ended_at),
    )
    return [(name, seconds(start, end)) for name, start, end in spans if start and end]


def tokens(used: Turn | ModelCall) -> str:
    """Tokens in, those of them that were cached, and tokens out."""
    about = "≈ " if used.tokens_are_estimated else ""
    cached = f" ({used.cached_input_tokens})" if used.cached_input_tokens else ""
    return f"{about}{used.input_tokens}{cached} → {used.output_tokens}"


def masked(turn: Turn) -> list[str]:
    """What personal data was masked in the question and in the reply, by kind and number."""
    sides = {"input": _("question"), "output": _("reply")}
    kinds = {
        "phone": _("phone numbers"),
        "email": _("e-mail addresses"),
        "id_card": _("ID cards"),
        "bank_card": _("bank cards"),
    }
    return [
        f"{sides[each['side']]}: {kinds[each['source']]} × {each['count']}"
        for each in turn.screening or []
        if each["deed"] == "masked"
    ]


def unmoderated(turn: Turn) -> list[str]:
    """Why moderators gave no verdict on texts that passed all the same, and how often."""
    sides = {"input": _("question"), "output": _("reply")}
    return [
        f"{sides[each['side']]}: {each['source']}: {each['rule']} × {each['count']}"
        for each in turn.screening or []
        if each["deed"] == "unmoderated"
    ]


def amount(cost: Decimal) -> str:
    """As many digits as there are, for a turn may cost a hundredth of a cent."""
    return f"{cost.normalize():f}"


def seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()


def link_of(message: Message) -> str:
    """The address of an image, recording or file, if it is one that a browser may follow."""
    url = message.extra.get("url", "") if isinstance(message.extra, dict) else ""
    return url if isinstance(url, str) and is_link(url) else ""


def name_of(message: Message) -> str:
    """What a file is called."""
    name = message.extra.get("name", "") if isinstance(message.extra, dict) else ""
    return name if isinstance(name, str) else ""


def is_edited(message: Message) -> bool:
    """Whether an operator has changed it since it was sent."""
    return isinstance(message.extra, dict) and bool(message.extra.get("is_edited"))


def is_link(url: str) -> bool:
    return is_web_address(url.partition("?")[0].partition("#")[0])


def place_of(event: Said) -> Q:
    """Where its message is kept; one of a group is kept for each robot."""
    place = Q(
        vendor_message_id=event.vendor_message_id,
        conversation__kind=event.conversation.kind,
        conversation__peer_id=event.conversation.id,
    )
    return place & Q(conversation__robot__user_id=event.robot_id) if event.robot_id else place


def messages_of(callback: Callback) -> list[Message]:
    """The messages that a callback told of."""
    if callback.state != Callback.State.READ:
        return []
    vendor = vendor_for(callback.account)
    events, _state, _note = receiving.read_events(vendor, receiving.as_it_came(callback))
    told = Q()
    for event in events:
        if isinstance(event, MessageReceived | MessageSent):
            told |= place_of(event)
    messages = Message.objects.filter(told, conversation__robot__account=callback.account)
    return list(messages.select_related("turn")) if told else []

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _

from conversations.models import Message, Turn
from conversations.transcript import (
    amount,
    calls_of,
    link_of,
    masked,
    plan_of,
    timings,
    tokens,
    unmoderated,
    why,
)

register = template.Library()
register.filter("timings", timings)
register.filter("calls", calls_of)
register.filter("why", why)
register.filter("tokens", tokens)
register.filter("link", link_of)
register.filter("amount", amount)
register.filter("plan", plan_of)
register.filter("masked", masked)
register.filter("unmoderated", unmoderated)

COLOURS = {
    Turn.State.DONE: "success",
    Turn.State.FAILED: "danger",
    Turn.State.STOPPED: "warning",
    Turn.State.BLOCKED: "warning",
    Turn.State.TAKEN_OVER: "warning",
    Turn.State.HANDED_OFF: "warning",
}
ICONS = {
    Message.Kind.IMAGE: "image",
    Message.Kind.VOICE: "mic",
    Message.Kind.FILE: "description",
    Message.Kind.CUSTOM: "data_object",
    Message.Kind.CALL: "call",
}
MARKS = {
    Message.State.SENDING: "schedule",
    Message.State.STREAMING: "more_horiz",
    Message.State.DELIVERED: "done_all",
    Message.State.RECALLED: "undo",
    Message.State.FAILED: "error",
}


@register.filter
def colour(state: str) -> str:
    """The label's colour for a turn's state."""
    return COLOURS.get(Turn.State(state), "info")


@register.filter
def icon(message: Message) -> str:
    return ICONS.get(Message.Kind(message.kind), "")


@register.filter
def mark(message: Message) -> str:
    """The icon for how far an outgoing message has come."""
    return MARKS.get(Message.State(message.state), "")


@register.filter
def details(message: Message) -> list[str]:
    """What a message has besides text and address, for people."""
    extra = message.extra if isinstance(message.extra, dict) else {}
    told = [str(extra[key]) for key in ("name", "data") if extra.get(key)]
    if extra.get("seconds"):
        told.append(_("%(seconds)s s") % {"seconds": extra["seconds"]})
    if extra.get("width") and extra.get("height"):
        told.append(f"{extra['width']} × {extra['height']}")
    if extra.get("size"):
        told.append(_("%(size)s bytes") % {"size": extra["size"]})
    return told

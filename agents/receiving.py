"""What the voice service tells of a call: stored, then put into effect, in one transaction.

A callback that is repeated is stored already, and has no second effect.  Callbacks come in any order, so what
they come to is worked out anew from all that are stored, by the service's own sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Q

from agents import ending, rounds, validation
from agents.callbacks import Told, read
from agents.errors import exception_words
from agents.models import Call, CallEvent
from bots.clients import find_account
from bots.errors import CallbackMalformed, CallbackRejected
from bots.models import VendorAccount
from bots.vendors.base import Answer, IncomingCallback
from bots.vendors.config import read_config
from bots.vendors.reading import Fields
from bots.vendors.zego.config import ZegoConfig
from conversations.inbox import failure
from metrics.families import count_callback

log = structlog.get_logger(__name__)


def receive(slug: str, incoming: IncomingCallback) -> Answer:
    """Take a callback in; → the answer for the service."""
    account = find_account(slug)
    if account is None or not validation.has_voice(account):
        return failure(404, "no such account")
    try:
        told = read(incoming, read_config(ZegoConfig, account.config))
    except CallbackRejected as error:
        log.warning("callback rejected", account=slug, reason=str(error))
        return failure(403, str(error))
    except CallbackMalformed as error:
        log.warning("callback malformed", account=slug, reason=str(error))
        return failure(400, str(error))
    store(account, told)
    count_callback(slug, told.event, "read")
    return Answer()


def store(account: VendorAccount, told: Told) -> None:
    """Store what was told, unless it is known, with all that follows from it."""
    with transaction.atomic():
        call = call_of(account, told)
        event = CallEvent(
            account=account,
            call=call,
            instance_id=told.instance_id,
            sequence=told.sequence,
            event=told.event,
            round=told.round,
            happened_at=told.happened_at,
            data=told.data,
        )
        known = CallEvent.objects.filter(
            account=account, instance_id=told.instance_id, sequence=told.sequence
        )
        if not known.exists():
            event.save()
            if call:
                put_into_effect(call, event)


def call_of(account: VendorAccount, told: Told) -> Call | None:
    """The call, held until the end of the transaction: what is told of it is worked out one by one."""
    ids = Q(instance_id=told.instance_id)
    if told.agent_user_id:  # word of an instance may overtake the answer to its creation
        ids |= Q(instance_id="", agent_user_id=told.agent_user_id)
    calls = Call.objects.select_for_update(no_key=True, of=("self",)).filter(ids, account=account)
    return calls.select_related("conversation__robot", "session", "template").first()


def put_into_effect(call: Call, event: CallEvent) -> None:
    """A callback that we fail to make sense of is kept all the same, with the reason."""
    try:
        with transaction.atomic():
            EFFECTS.get(event.event, no_effect)(call, event)
    except (CallbackMalformed, DatabaseError) as error:
        log.warning("callback without effect", call=call.pk, what=event.event, reason=str(error))
        event.error = str(error)
        event.save(update_fields=["error"])


def note_status(call: Call, event: CallEvent) -> None:
    """What the agent is doing now, unless that is known by something later."""
    later = call.events.filter(event=event.event, sequence__gt=event.sequence)
    status = Fields(event.data).text("Status").upper()  # one page writes "Thinking"
    if status in Call.Status.values and not later.exists():
        change(call, status=status)
    if status in Call.SILENT:
        rounds.note_silence(call, event)


def note_created(call: Call, event: CallEvent) -> None:
    """Its id only: a call runs once whoever started it knows of it.  If they died, the sweep hangs up."""
    if call.state in Call.OCCUPYING and not call.instance_id:
        change(call, instance_id=event.instance_id)


def note_exception(call: Call, event: CallEvent) -> None:
    data = Fields(event.data)
    change(call, error=exception_words(data.number("Code"), data.text("Message", "")))


def note_deleted(call: Call, event: CallEvent) -> None:
    code = Fields(event.data).number("Code", 0)
    latency = event.data.get("LatencyData")
    if isinstance(latency, dict):
        change(call, latency=latency)
    ending.note_ended(call, code=code, at=event.happened_at)


def no_effect(call: Call, event: CallEvent) -> None:
    """Kept for people to read."""


def change(call: Call, **changes: object) -> None:
    for name, value in changes.items():
        setattr(call, name, value)
    call.save(update_fields=[*changes])


EFFECTS: Final[dict[str, Callable[[Call, CallEvent], None]]] = {
    "ASRResult": rounds.note_question,
    "LLMResult": rounds.note_answer,
    "Interrupted": rounds.note_answer,
    "AgentInstanceStatus": note_status,
    "AgentInstanceCreated": note_created,
    "AgentInstanceDeleted": note_deleted,
    "Exception": note_exception,
}

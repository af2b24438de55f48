"""The life of a call: asked for, started when there is a place, ended; the next one takes its place.

Whatever dies on the way, a call's row says that the service may have an instance, and `sweeping` ends it.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from django.db import transaction
from django.utils import timezone

from agents import ending, instances, jobs, places, registering, transcript
from agents.aiagent import AIAgent, service_of
from agents.errors import AgentUnknown, CallError, CannotCall, NoCapacity, NoPlace
from agents.models import AgentTemplate, Call
from bots.errors import VendorError, VendorUnreachable
from conversations import ownership
from conversations.models import Conversation, Session

log = structlog.get_logger(__name__)

RELATED: Final = (
    "session",
    "account",
    "conversation__robot__account",
    "template__account",
    "template__model",
    "template__robot__default_tier",
)


def start(
    *,
    template: AgentTemplate,
    user_id: str,
    room_id: str = "",
    user_stream_id: str = "",
    may_wait: bool = False,
    metadata: dict[str, Any] | None = None,
) -> Call:
    """A call of this user with the template's robot: running, or queued if it may wait.

    Blocks.  Raises NoCapacity, CannotCall, VendorError; then there is no call.
    """
    ids = instances.new_ids(user_id=user_id, room_id=room_id, user_stream_id=user_stream_id)
    if not AgentTemplate.objects.able().filter(pk=template.pk).exists():
        raise CannotCall("the template, its account or its robot is disabled")
    call = enter(template, user_id, ids, may_wait=may_wait, metadata=metadata or {})
    if call.state == Call.State.STARTING:
        launch(call, may_wait=may_wait)
    return call


def enter(
    template: AgentTemplate, user_id: str, ids: dict[str, str], *, may_wait: bool, metadata: dict[str, Any]
) -> Call:
    """The new call, with a place or waiting for one.  Raises NoCapacity."""
    with transaction.atomic():
        conversation, _ = Conversation.objects.get_or_create(
            robot=template.robot, kind=Conversation.Kind.PEER, peer_id=user_id
        )
        places.lock(template.account)
        state = places.first_state(template.account, may_wait=may_wait)
        has_place = state == Call.State.STARTING
        session = Session.objects.create(
            conversation=conversation,
            kind=Session.Kind.VOICE,
            state=Session.State.OPEN if has_place else Session.State.QUEUED,
            metadata=metadata,
        )
        return Call.objects.create(
            session=session,
            conversation=conversation,
            template=template,
            account=template.account,
            state=state,
            leased_at=timezone.now() if has_place else None,
            is_synced=instances.is_synced(template, conversation),
            **ids,
        )


def launch(call: Call, *, may_wait: bool) -> None:
    """Have the service start an instance for a call that has a place.  Raises as `start` does."""
    try:
        instance_id = create_instance(call)
    except NoPlace as error:
        # Others use the project too, or the service still counts what we have ended.
        if not may_wait:
            ending.finish(call, Call.Reason.NO_CAPACITY, error=str(error))
            raise NoCapacity(str(error)) from error
        places.give_back(call)
        return
    except VendorUnreachable as error:
        ending.hang_up_unknown(call, error=str(error))
        raise
    except (VendorError, CallError) as error:
        ending.finish(call, Call.Reason.REFUSED, code=getattr(error, "code", ""), error=str(error))
        raise
    note_started(call, instance_id)


def create_instance(call: Call) -> str:
    service, request = service_of(call.account), instances.request_of(call)
    try:
        return service.create_instance(request)
    except AgentUnknown:
        registering.register(call.template, anew=True)
        return service.create_instance(request)


def note_started(call: Call, instance_id: str) -> None:
    """The service has an instance.  A call that was ended while it was started is hung up."""
    now = timezone.now()
    calls = Call.objects.filter(pk=call.pk)
    with transaction.atomic():
        # Its own word of the instance may have come first, and have said as much.
        known = calls.filter(instance_id__in=["", instance_id])
        known.update(instance_id=instance_id, checked_at=now)
        if calls.filter(state=Call.State.STARTING).update(state=Call.State.RUNNING, started_at=now):
            mind_earlier_owner(call)
    call.refresh_from_db()
    if call.state in (Call.State.ENDING, Call.State.ENDED):
        service_of(call.account).delete_instance(instance_id)


def mind_earlier_owner(call: Call) -> None:
    """Who took the conversation before the call ran found none to silence.

    Under the conversation's lock: whoever takes it later finds the call running.
    """
    conversation = Conversation.objects.select_for_update(no_key=True).get(pk=call.conversation_id)
    if conversation.owner == Conversation.Owner.OPERATOR:
        jobs.defer_minding(call)


def start_queued(account_id: int) -> None:
    """Start calls that wait, as long as there are places.  One that fails does not hold up the next."""
    while (call := next_call(account_id)) is not None:
        try:
            launch(call, may_wait=True)
        except (VendorError, CallError) as error:
            log.warning("a call could not be started", call=call.pk, error=str(error))
        if call.state == Call.State.QUEUED:
            return  # the service has no place: later


def next_call(account_id: int) -> Call | None:
    first = Call.objects.filter(account=account_id, state=Call.State.QUEUED).select_related("account").first()
    given = places.give_next(first.account) if first else None
    return Call.objects.select_related(*RELATED).get(pk=given.pk) if given else None


def interrupt(call: Call) -> bool:
    """Let the agent fall silent, and stop what our brain is saying for it; whether a call was running."""
    if call.state != Call.State.RUNNING:
        return False
    ownership.interrupt(call.conversation)
    service(call).interrupt(call.instance_id)
    return True


def service(call: Call) -> AIAgent:
    """The voice service that runs the call."""
    return service_of(call.account)


def end(call: Call, reason: Call.Reason = Call.Reason.APP, *, graceful_s: int = 0) -> None:
    """End the call: at once, or within so many seconds when the agent has said what it is saying.

    Repeatable.  Blocks, but does not fail: what the service does not take now is sent again by a job.
    """
    if not ending.begin(call, reason, graceful_s=graceful_s):
        return
    try:
        close(call, graceful_s=graceful_s)
    except VendorError as error:
        log.warning("a call is hung up later", call=call.pk, error=str(error))
    call.refresh_from_db()


def close(call: Call, *, graceful_s: int = 0) -> None:
    """Have the service end the instance of a call that is ending.  Repeatable.  Raises VendorError."""
    if call.state != Call.State.ENDING:
        return
    instance_id = call.instance_id or lost_instance(call)
    if instance_id:
        transcript.complete(call)
        service_of(call.account).delete_instance(instance_id, graceful_s=graceful_s)
    if not graceful_s:
        ending.finish(call, Call.Reason(call.end_reason or Call.Reason.LOST))


def lost_instance(call: Call) -> str:
    """The instance of a call that was not answered when it was created.

    There is no list of instances.  But a new one with the same user id throws the first out of its room
    (Exception 1203), which ends it; and the new one's id is known.
    """
    try:
        return create_instance(call)
    except (NoPlace, VendorUnreachable):
        raise
    except (VendorError, CallError):
        return ""  # refused for good, as the first was

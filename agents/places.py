"""Places: how many calls an account may have at a time, counted for all workers together.

A call has a place from the moment at which the service may have an instance for it until it is certain that
there is none.  Who waits for one is served in the order in which they came.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from agents.errors import NoCapacity
from agents.models import Call
from bots.models import VendorAccount
from bots.vendors.config import read_config
from bots.vendors.zego.config import ZegoConfig
from conversations.models import Session


def lock(account: VendorAccount) -> None:
    """Give and take this account's places alone, until the end of the transaction."""
    VendorAccount.objects.select_for_update(no_key=True).get(pk=account.pk)


def has_room(account: VendorAccount) -> bool:
    """Whether a place is free.  Only for whoever holds the account's places."""
    most = read_config(ZegoConfig, account.config).max_agent_instances
    return Call.objects.filter(account=account, state__in=Call.OCCUPYING).count() < most


def first_state(account: VendorAccount, *, may_wait: bool) -> Call.State:
    """What a new call begins as.  Raises NoCapacity.  Only for whoever holds the account's places."""
    waiting = Call.objects.filter(account=account, state=Call.State.QUEUED)
    if has_room(account) and not waiting.exists():
        return Call.State.STARTING
    if may_wait:
        return Call.State.QUEUED
    raise NoCapacity("as many calls are under way as the account may have")


def give_next(account: VendorAccount) -> Call | None:
    """Give a free place to the call that has waited longest; None: there is no place, or nobody waits."""
    with transaction.atomic():
        lock(account)
        waiting = Call.objects.filter(account=account, state=Call.State.QUEUED).order_by("id")
        call = waiting.select_related("session").first() if has_room(account) else None
        if call is not None:
            call.state, call.leased_at = Call.State.STARTING, timezone.now()
            call.save(update_fields=["state", "leased_at"])
            Session.objects.filter(pk=call.session_id).update(state=Session.State.OPEN)
        return call


def give_back(call: Call) -> None:
    """Let a call wait again that has a place by our count, but not by the service's."""
    with transaction.atomic():
        Call.objects.filter(pk=call.pk).update(state=Call.State.QUEUED, leased_at=None)
        Session.objects.filter(pk=call.session_id).update(state=Session.State.QUEUED)
    call.refresh_from_db(fields=["state", "leased_at"])
    call.session.refresh_from_db(fields=["state"])

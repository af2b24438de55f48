"""Queueing the background work of voice, in the transaction that is under way.

By the tasks' names: the tasks call the services that queue them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from procrastinate.contrib.django import app

from agents.models import Call
from conversations.models import Message

REGISTER: Final = "agents.register_template"
START: Final = "agents.start_queued"
CLOSE: Final = "agents.close_call"
CHECK: Final = "agents.check_call"
SPEAK: Final = "agents.speak"
MIND_OWNER: Final = "agents.mind_owner"


def defer_registrations(template_ids: Iterable[int]) -> None:
    for template_id in template_ids:
        # One after the other, so that the newest definition is the last that the service hears of.
        job = app.configure_task(REGISTER, lock=f"agent_template:{template_id}")
        job.defer(template_id=template_id)


def defer_starting(account_ids: Iterable[int]) -> None:
    """Let whoever waits for a place at these accounts have one, if there is."""
    for account_id in account_ids:
        app.configure_task(START, lock=f"agent_places:{account_id}").defer(account_id=account_id)


def defer_closing(call: Call, *, at: datetime) -> None:
    app.configure_task(CLOSE, lock=f"call:{call.pk}", schedule_at=at).defer(call_id=call.pk)


def defer_check(call: Call) -> None:
    app.configure_task(CHECK, lock=f"call:{call.pk}").defer(call_id=call.pk)


def defer_speech(call: Call, message: Message, *, is_first: bool) -> None:
    """By the call's lock, so that words are said in the order in which they were written."""
    job = app.configure_task(SPEAK, lock=f"call:{call.pk}")
    job.defer(call_id=call.pk, message_id=message.pk, is_first=is_first)


def defer_minding(call: Call) -> None:
    app.configure_task(MIND_OWNER, lock=f"call:{call.pk}").defer(call_id=call.pk)

"""Background work of voice: each task loads by id and calls a service."""

from __future__ import annotations

from collections.abc import Iterable

from procrastinate.contrib.django import app

from agents import registering
from agents.models import AgentTemplate
from bots.retries import RetryByError


@app.task(name="agents.register_template", retry=RetryByError())
def register_template(template_id: int) -> None:
    known = AgentTemplate.objects.able().select_related("account", "robot__default_tier", "model")
    template = known.filter(pk=template_id).first()
    if template is not None:
        registering.register(template)


@app.periodic(cron="*/10 * * * *")
@app.task(name="agents.mend_drift", queueing_lock="agents.mend_drift", retry=RetryByError())
def mend_drift(timestamp: int) -> None:
    """Find what was changed at the voice service behind our back; register what was never, or is outdated."""
    registering.mend_drift()
    defer_registrations(registering.unregistered(registering.able_templates()))


def defer_registrations(template_ids: Iterable[int]) -> None:
    """Queue a job for each template, in the transaction that is under way."""
    for template_id in template_ids:
        # One after the other, so that the newest definition is the last that the service hears of.
        register_template.configure(lock=f"agent_template:{template_id}").defer(template_id=template_id)

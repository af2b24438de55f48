"""Templates as agents of the voice service: registered when they are saved, and kept as they were then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import structlog
from django.utils import timezone

from agents.aiagent import service_of
from agents.definitions import definition_of, digest_of, is_as_defined
from agents.errors import CallError
from agents.models import AgentTemplate
from bots.errors import BotError, VendorError
from bots.models import VendorAccount

log = structlog.get_logger(__name__)


def able_templates() -> list[AgentTemplate]:
    return list(AgentTemplate.objects.able().select_related("account", "robot__default_tier", "model"))


def register(template: AgentTemplate, *, anew: bool = False) -> None:
    """Let the service have the template as it is now, unless it has; the outcome is kept with it.

    Blocks.  Raises what the client raises, VendorError above all.
    """
    try:
        definition = definition_of(template)
        digest = digest_of(definition)
        if template.registered_at and template.registered_digest == digest and not anew:
            return
        service_of(template.account).register(definition)
    except CallError as error:
        _keep_outcome(template, registered_at=None, error=str(error))
        return  # for a person to mend: to try again does not help
    except Exception as error:
        # Only our own errors are known to quote no credential.
        reason = str(error) if isinstance(error, BotError) else type(error).__name__
        _keep_outcome(template, registered_at=None, error=reason)
        raise
    _keep_outcome(template, registered_at=timezone.now(), error="", digest=digest)


def _keep_outcome(
    template: AgentTemplate, *, registered_at: datetime | None, error: str, digest: str = ""
) -> None:
    # One that was edited meanwhile has a job of its own waiting, and then registers what is new.
    AgentTemplate.objects.filter(pk=template.pk).update(
        registered_at=registered_at, registered_digest=digest, registration_error=error
    )


def mend_drift() -> int:
    """Look at the service for what somebody else has changed, and register that again; → how many."""
    mended = 0
    templates = sorted(able_templates(), key=attrgetter("account_id"))
    for account, group in groupby(templates, attrgetter("account")):
        try:
            mended += mend_account(account, list(group))
        except VendorError as error:
            log.warning("the agents could not be compared", account=account.slug, error=str(error))
    return mended


def mend_account(account: VendorAccount, templates: list[AgentTemplate]) -> int:
    registered = [template for template in templates if template.registered_at]
    found = {
        agent.get("AgentId"): agent
        for agent in service_of(account).agents([template.agent_id for template in registered])
    }
    drifted = [
        template for template in registered if not is_unchanged(template, found.get(template.agent_id))
    ]
    for template in drifted:
        log.warning("an agent was changed at the voice service", template=template.slug)
        AgentTemplate.objects.filter(pk=template.pk).update(drifted_at=timezone.now())
        register(template, anew=True)
    return len(drifted)


def is_unchanged(template: AgentTemplate, found: object) -> bool:
    try:
        return is_as_defined(found, definition_of(template))
    except CallError:
        return False


def unregistered(templates: Iterable[AgentTemplate]) -> list[int]:
    """Those that the service does not have as they are now."""
    return [template.pk for template in templates if not is_registered(template)]


def is_registered(template: AgentTemplate) -> bool:
    try:
        digest = digest_of(definition_of(template))
    except CallError:
        return False
    return template.registered_at is not None and template.registered_digest == digest

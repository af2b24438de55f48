"""`check --deploy` warns of plain http, requests into our own networks, admins without a second factor."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.core import checks
from django.db import DatabaseError

# Where nobody's model or cloud is, but services are that trust whoever reaches them.
DANGEROUS: Final = [ip_network(each) for each in ("127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10")]


@checks.register(checks.Tags.security, deploy=True)
def check_public_url(app_configs: Sequence[Any] | None, **options: Any) -> list[checks.CheckMessage]:
    if settings.PUBLIC_URL.startswith("https://"):
        return []
    return [
        checks.Warning(
            "PUBLIC_URL is not an https address: cookies and credentials travel in the clear.",
            hint="Put a proxy that speaks https in front, and set PUBLIC_URL to its address.",
            id="parley.W002",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_private_networks(app_configs: Sequence[Any] | None, **options: Any) -> list[checks.CheckMessage]:
    """A warning for each network through which an admin's address leads to what trusts this machine."""
    return [
        checks.Warning(
            f"PRIVATE_NETWORKS lets addresses that admins enter lead into {network}: to services of this "
            "machine, or to a cloud provider's keys for it.",
            hint="Name only the networks of your models, clouds and hooks; `none` if they are in none.",
            id="parley.W003",
        )
        for network in settings.PRIVATE_NETWORKS
        if any(network.version == each.version and network.overlaps(each) for each in DANGEROUS)
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_second_factors(app_configs: Sequence[Any] | None, **options: Any) -> list[checks.CheckMessage]:
    """A word on admins who log in with nothing but a password."""
    try:
        users = User.objects.filter(is_superuser=True, is_active=True, second_factor__confirmed_at=None)
        names = sorted(user.get_username() for user in users)
    except DatabaseError:
        return []  # `bots.checks` says that the database does not answer
    if not names:
        return []
    return [
        checks.Info(
            f"These admins have no second factor: {', '.join(names)}.",
            hint="Each adds one under “Second factor”, at /account/second-factor/.",
            id="parley.I002",
        )
    ]

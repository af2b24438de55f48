"""What `check --deploy` warns of: an installation that strangers reach over plain http."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks


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

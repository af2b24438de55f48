"""The intents that admins have described by keywords."""

from __future__ import annotations

from bots.models import Intent


def known() -> list[tuple[str, tuple[str, ...]]]:
    """Slugs and keywords, in the order in which they are preferred."""
    return [(slug, tuple(keywords)) for slug, keywords in Intent.objects.values_list("slug", "keywords")]

"""What the admins of configured objects share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.db.models import PROTECT, Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from bots.models import Intent, Rule, Tier
from bots.theme import ModelAdmin

BUDGET: Final[Any] = (
    _("Budget"),
    {"fields": [("daily_tokens", "monthly_tokens"), ("daily_cost", "monthly_cost")]},
)


class ConfigurationAdmin(ModelAdmin):
    """What the admins of configured objects share."""

    fixed_fields: ClassVar[Sequence[str]] = ("slug",)  # cannot be changed once they are stored
    warn_unsaved_form = True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), *(self.fixed_fields if obj else ())]

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """As usual, but what is still needed is told by its name, not by all that needs it."""
        told = _("%(object)s: in use, or with a history that would be lost. Disable it instead.")
        needed = [told % {"object": obj} for obj in objs if is_needed(obj)]
        asked = _("%(object)s: a rule asks for it, and would never match again. Routes: %(routes)s.")
        routes = {obj: ", ".join(routes_that_name(obj)) for obj in objs}
        needed += [asked % {"object": obj, "routes": slugs} for obj, slugs in routes.items() if slugs]
        return ([], {}, set(), needed) if needed else super().get_deleted_objects(objs, request)


def is_needed(obj: Model) -> bool:
    """Whether the database refuses to delete the object: a short query each, however long its history."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: obj}).exists()
        for relation in obj._meta.related_objects
        if relation.on_delete is PROTECT
    )


def routes_that_name(obj: Model) -> list[str]:
    """The routes whose rules name an intent or a tier; they do so by its slug, unknown to the database."""
    key = {Intent: "intents", Tier: "tiers"}.get(type(obj))
    if key is None:
        return []
    rules = Rule.objects.filter(when__contains={key: [str(obj)]})
    return list(rules.values_list("route__slug", flat=True).distinct().order_by("route__slug"))

"""Robots, and whom and what they answer by."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action

from bots.admin.base import BUDGET, ConfigurationAdmin
from bots.configuration.saving import register_again, save_robot
from bots.desks import Desk
from bots.forms.robots import RobotForm
from bots.models import Robot, Tier
from bots.persona_pages import PersonaPages
from bots.theme import badge, moment

VERSIONS_LISTED: Final = 5  # of a persona, on its robot's page; the others have a page of their own


@admin.register(Desk)
class DeskAdmin(ConfigurationAdmin):
    list_display = ("slug", "time_zone", "hours", "takes_failures", "take_within_min", "answer_within_min")
    search_fields = ("slug",)
    fieldsets = (
        (None, {"fields": ["slug"]}),
        (_("Working hours"), {"fields": ["time_zone", "hours", "closed_reply"]}),
        (_("Handed to people"), {"fields": ["takes_failures", "waiting_reply"]}),
        (_("Time-outs"), {"fields": [("take_within_min", "answer_within_min"), "timeout_reply"]}),
        (_("Resolved"), {"fields": ["resolve_after_h", "rating_question", "rating_thanks"]}),
    )


@admin.register(Tier)
class TierAdmin(ConfigurationAdmin):
    list_display = ("slug", "daily_tokens", "monthly_tokens", "daily_cost", "monthly_cost", "show_robots")
    search_fields = ("slug",)
    fieldsets = (
        (None, {"fields": ["slug", "over_reply"]}),
        (_("Budget of each user"), BUDGET[1]),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tier]:
        tiers: QuerySet[Tier] = super().get_queryset(request)
        return tiers.annotate(robot_count=Count("robots"))

    @admin.display(description=_("default of robots"), ordering="robot_count")
    def show_robots(self, tier: Tier) -> SafeString:
        url = reverse("admin:bots_robot_changelist")
        count = tier.robot_count  # type: ignore[attr-defined]
        return format_html(
            '<a class="text-link" href="{}?default_tier__id__exact={}">{}</a>', url, tier.pk, count
        )


@admin.register(Robot)
class RobotAdmin(PersonaPages, ConfigurationAdmin):
    form = RobotForm
    fixed_fields = ("account", "user_id")
    list_display = ("user_id", "nickname", "account", "route", "reply_mode", "show_registration", "enabled")
    list_display_links = ("user_id", "nickname")
    list_filter = (
        ("account", RelatedDropdownFilter),
        ("route", RelatedDropdownFilter),
        ("policy", RelatedDropdownFilter),
        ("default_tier", RelatedDropdownFilter),
        "reply_mode",
        "enabled",
    )
    list_select_related = ("account", "route")
    search_fields = ("user_id", "nickname")
    autocomplete_fields = ("account", "route", "policy", "own_desk", "default_tier", "summary_model")
    readonly_fields = ("show_personas", "show_registration", "registered_at", "registration_error")
    actions = ("register_selected",)
    actions_submit_line = ("register_this",)
    fieldsets = (
        (None, {"fields": ["account", "user_id", "enabled"]}),
        (_("What users see"), {"fields": ["nickname", "avatar_url"]}),
        (
            _("Mind"),
            {
                "fields": [
                    "persona",
                    "show_personas",
                    ("route", "policy", "own_desk"),
                    ("history_messages", "history_tokens", "history_block"),
                    ("history_summaries", "summary_model"),
                ]
            },
        ),
        (_("Replies"), {"fields": [("reply_mode", "merge_window_ms", "max_age_s"), "groups", "fallback"]}),
        (BUDGET[0], {"fields": ["default_tier", *BUDGET[1]["fields"]]}),
        (
            _("At the vendor"),
            {"fields": [("show_registration", "registered_at"), "registration_error"]},
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Robot | None = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:-1]

    def save_model(self, request: HttpRequest, obj: Robot, form: Any, change: bool) -> None:
        assert request.user.is_authenticated  # or it would not be here
        save_robot(obj, by=request.user)
        if "bots_robot_register_this" in request.POST:
            tell_registering(request, register_again(Robot.objects.filter(pk=obj.pk)))

    @admin.display(description=_("versions of the persona"))
    def show_personas(self, robot: Robot) -> SafeString | str:
        page = reverse("admin:bots_robot_personas", args=[robot.pk]) if robot.pk else ""
        versions = list(robot.persona_versions.select_related("made_by")[:VERSIONS_LISTED]) if page else []
        lines = format_html_join(
            "",
            '<div><a class="text-link" href="{}?new={}">{}</a> · {} · {}</div>',
            [(page, each.number, each, moment(each.made_at), each.made_by or "–") for each in versions],
        )
        more = format_html('<a class="text-link" href="{}">{}</a>', page, _("Compare, roll back"))
        return lines + more if versions else "–"

    @admin.display(description=_("registration"))
    def show_registration(self, robot: Robot) -> SafeString | str:
        if robot.registration_error:
            reason = Truncator(robot.registration_error).chars(80)
            return format_html('{}<div class="mt-1 text-xs">{}</div>', badge(_("failed"), "danger"), reason)
        if robot.registered_at:
            return badge(_("registered"), "success")
        return badge(_("waiting"), "info") if robot.enabled and robot.account.enabled else "–"

    @admin.action(description=_("Register again at the vendor"), permissions=["change"])
    def register_selected(self, request: HttpRequest, robots: QuerySet[Robot]) -> None:
        tell_registering(request, register_again(robots))

    @action(description=_("Save and register again"), permissions=["change"])
    def register_this(self, request: HttpRequest, robot: Robot) -> None:
        """The button; `save_model` does it, in place of unfold's, which would store the robot once more."""


def tell_registering(request: HttpRequest, count: int) -> None:
    text = ngettext("%(count)d robot will be registered.", "%(count)d robots will be registered.", count)
    level = messages.SUCCESS if count else messages.WARNING
    messages.add_message(request, level, text % {"count": count})

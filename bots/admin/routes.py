"""Routes, their rules, and the intents that rules ask for."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from bots import routing
from bots.admin.base import ConfigurationAdmin
from bots.configuration.saving import save_route
from bots.forms.routes import IntentForm, RuleForm, RuleFormSet
from bots.models import Intent, Route, Rule
from bots.preview import preview
from bots.theme import StackedInline


class RuleInline(StackedInline):
    model = Rule
    form = RuleForm
    formset = RuleFormSet
    fields = (
        ("kinds", "intents", "tiers"),
        ("min_complexity", "max_spent"),
        "ranked_models",
        "hands_over",
        "place",
    )
    readonly_fields = ("condition",)
    ordering_field = "place"
    hide_ordering_field = True
    extra = 0
    min_num = 1
    verbose_name_plural = _("Rules: the first that fits decides. Drag to reorder.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rule]:
        rules: QuerySet[Rule] = super().get_queryset(request)
        return rules.select_related("route").prefetch_related("choices")

    # What somebody sees who may not change routes.
    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return super().get_fields(request, obj)
        return ("condition", "ranked_models", "place")

    @admin.display(description=_("When"))
    def condition(self, rule: Rule) -> str:
        return routing.describe(rule.when)

    @admin.display(description=_("Models, in this order"))
    def ranked_models(self, rule: Rule) -> str:
        return routing.answering(rule)

    @admin.display(description=_("Place"))
    def place(self, rule: Rule) -> int:
        return rule.position + 1


@admin.register(Intent)
class IntentAdmin(ConfigurationAdmin):
    form = IntentForm
    list_display = ("slug", "position", "show_keywords")
    search_fields = ("slug", "keywords")
    fields = ("slug", "position", "keywords")

    @admin.display(description=_("keywords"))
    def show_keywords(self, intent: Intent) -> str:
        return Truncator(", ".join(intent.keywords)).chars(120)


@admin.register(Route)
class RouteAdmin(ConfigurationAdmin):
    list_display = ("slug", "show_rules", "classifier", "show_robots")
    list_select_related = ("classifier",)
    search_fields = ("slug",)
    fields = ("slug", "classifier")
    autocomplete_fields = ("classifier",)
    inlines: ClassVar = [RuleInline]
    change_form_outer_after_template = "admin/bots/route/preview.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        tried = {"preview": preview(Route(pk=int(object_id)), request.GET)} if object_id.isdecimal() else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **tried})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Route]:
        routes: QuerySet[Route] = super().get_queryset(request)
        return routes.annotate(robot_count=Count("robots")).prefetch_related("rules__choices__model")

    def save_formset(self, request: HttpRequest, form: Any, formset: RuleFormSet, change: bool) -> None:
        save_route(form.instance, formset.drafts())
        # What the history says; the rules themselves are replaced as a whole.
        formset.new_objects, formset.deleted_objects = [], []
        formset.changed_objects = [(form.instance, ["rules"])] if formset.has_changed() else []

    @admin.display(description=_("rules"))
    def show_rules(self, route: Route) -> SafeString:
        return format_html_join(
            mark_safe("<br>"),
            "{} → {}",
            (
                (
                    routing.describe(rule.when),
                    routing.answering(rule),
                )
                for rule in route.rules.all()
            ),
        )

    @admin.display(description=_("robots"), ordering="robot_count")
    def show_robots(self, route: Route) -> SafeString:
        url = reverse("admin:bots_robot_changelist")
        count = route.robot_count  # type: ignore[attr-defined]
        return format_html('<a class="text-link" href="{}?route__id__exact={}">{}</a>', url, route.pk, count)

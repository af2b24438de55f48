"""Language models and their prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import action

from bots import health
from bots.admin.base import ConfigurationAdmin
from bots.configuration.saving import save_price
from bots.forms.robots import LanguageModelForm
from bots.list_prices import list_price
from bots.llms.presets import PRESETS
from bots.models import LanguageModel, ModelHealth, Price
from bots.theme import TabularInline, badge, moment
from bots.trying import TryPages


class PriceInline(TabularInline):
    model = Price
    fields = ("valid_from", "currency", "input", "cached_input", "output")
    extra = 0
    verbose_name_plural = _("Prices per million tokens: a call costs what is valid when it begins.")


@admin.register(LanguageModel)
class LanguageModelAdmin(TryPages, ConfigurationAdmin):
    form = LanguageModelForm
    list_display = ("slug", "api", "model", "base_url", "show_price", "show_health", "enabled")
    list_filter = ("api", "enabled")
    list_select_related = ("health",)
    inlines: ClassVar = [PriceInline]
    readonly_fields = ("show_health",)
    actions = ("reset_selected", "take_list_prices")
    actions_submit_line = ("reset_this",)
    search_fields = ("slug", "model", "base_url")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LanguageModel]:
        models: QuerySet[LanguageModel] = super().get_queryset(request)
        return models.prefetch_related("prices")

    def get_fieldsets(self, request: HttpRequest, obj: LanguageModel | None = None) -> Any:
        clearing = ["clear_api_key"] if obj and obj.api_key else []
        health = ["show_health"] if obj else []
        return (
            (None, {"fields": ["slug", *health, "enabled"], "description": self.about(request, obj)}),
            (
                _("Endpoint"),
                {"fields": ["api", "base_url", "model", "api_key", *clearing, "params", "takes_images"]},
            ),
            (
                _("Deadlines"),
                {"fields": [("connect_s", "first_token_s", "stall_s", "total_s"), "max_concurrency"]},
            ),
        )

    def about(self, request: HttpRequest, model: LanguageModel | None) -> SafeString | str:
        """Of a new model: forms that are filled in; of a stored one: where it can be tried."""
        if model is None:
            return format_html("{} {}", _("Filled in for:"), links_to_presets())
        if not self.has_change_permission(request, model):
            return ""
        url = reverse("admin:bots_languagemodel_try", args=[model.pk])
        return format_html('<a class="text-link" href="{}">{}</a>', url, _("Try it"))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        name = request.GET.get("preset", "")
        if name not in PRESETS:
            return super().get_changeform_initial_data(request)
        values = asdict(PRESETS[name])
        del values["label"]
        return {"slug": name, **values}

    def save_model(self, request: HttpRequest, obj: LanguageModel, form: Any, change: bool) -> None:
        obj.save()
        if "bots_languagemodel_reset_this" in request.POST:
            tell_resetting(request, health.reset(LanguageModel.objects.filter(pk=obj.pk)))

    @admin.display(description=_("state"))
    def show_health(self, model: LanguageModel) -> SafeString:
        known = health.health_of(model)
        if known is None or not (known.is_broken or known.is_resting):
            return badge(_("well"), "success")
        told = Truncator(" ".join(findings(known))).chars(300)
        return format_html('{}<div class="mt-1 text-xs">{}</div>', health_badge(known), told)

    @admin.action(description=_("Ask again at once"), permissions=["change"])
    def reset_selected(self, request: HttpRequest, models: QuerySet[LanguageModel]) -> None:
        tell_resetting(request, health.reset(models))

    @admin.action(description=_("Take the provider's list price"), permissions=["change"])
    def take_list_prices(self, request: HttpRequest, models: QuerySet[LanguageModel]) -> None:
        listed = {model: list_price(model) for model in models}
        tell_taken(request, sum(save_price(model, price) for model, price in listed.items() if price))
        tell_unlisted(request, sum(price is None for price in listed.values()))

    @action(description=_("Save and ask again at once"), permissions=["change"])
    def reset_this(self, request: HttpRequest, model: LanguageModel) -> None:
        """The button; `save_model` does it."""

    @admin.display(description=_("price, in / out"))
    def show_price(self, model: LanguageModel) -> str:
        return str(model.price)


def links_to_presets() -> SafeString:
    return format_html_join(
        ", ",
        '<a class="text-link" href="?preset={}">{}</a>',
        ((name, preset.label) for name, preset in PRESETS.items()),
    )


def tell_taken(request: HttpRequest, count: int) -> None:
    if count:
        text = ngettext(
            "%(count)d price was taken from the list.", "%(count)d prices were taken from the list.", count
        )
        messages.success(request, text % {"count": count})


def tell_unlisted(request: HttpRequest, count: int) -> None:
    if count:
        text = ngettext("%(count)d model is not on the list.", "%(count)d models are not on the list.", count)
        messages.warning(request, text % {"count": count})


def health_badge(known: ModelHealth) -> SafeString:
    if not known.is_broken:
        return badge(_("left alone"), "warning")
    return badge(_("failing") if known.is_resting else _("on trial"), "danger")


def findings(known: ModelHealth) -> Iterator[str]:
    """Why a model is not asked, or not by everybody."""
    if known.rests_until and known.is_resting:
        yield _("Nobody asks it before %(time)s.") % {"time": moment(known.rests_until)}
    if known.failures:
        counts = {"failures": known.failures, "calls": known.calls}
        yield _("%(failures)d of %(calls)d calls failed.") % counts
    yield known.reason


def tell_resetting(request: HttpRequest, count: int) -> None:
    text = ngettext("%(count)d model will be asked again.", "%(count)d models will be asked again.", count)
    level = messages.SUCCESS if count else messages.WARNING
    messages.add_message(request, level, text % {"count": count})

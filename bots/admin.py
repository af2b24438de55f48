"""The admin of everything that can be configured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import PROTECT, Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action

from bots import health, routing
from bots.configuration.saving import register_again, save_account, save_price, save_robot, save_route
from bots.desks import Desk
from bots.forms import (
    CLEAR,
    CONFIG,
    IntentForm,
    LanguageModelForm,
    PolicyForm,
    RobotForm,
    RuleForm,
    RuleFormSet,
    WordListForm,
    account_form,
    clearable,
)
from bots.list_prices import list_price
from bots.llms.presets import PRESETS
from bots.models import (
    AccountMemory,
    Intent,
    LanguageModel,
    ModelHealth,
    Policy,
    Price,
    Robot,
    Route,
    Rule,
    Tier,
    VendorAccount,
    WordList,
    WordListVersion,
)
from bots.persona_pages import PersonaPages
from bots.preview import preview
from bots.safety.findings import Side
from bots.theme import ModelAdmin, StackedInline, TabularInline, badge, moment
from bots.trying import TryPages
from bots.validation import LIMITS
from bots.vendors import VENDORS, vendor_choices, vendor_class
from bots.vendors.base import Vendor
from bots.wordlists import policies_with, upload_words, use_version

BUDGET: Final[Any] = (
    _("Budget"),
    {"fields": [("daily_tokens", "monthly_tokens"), ("daily_cost", "monthly_cost")]},
)

VERSIONS_LISTED: Final = 5  # of a persona, on its robot's page; the others have a page of their own


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


@admin.register(VendorAccount)
class VendorAccountAdmin(ConfigurationAdmin):
    list_display = ("slug", "vendor", "show_robots", "enabled")
    list_filter = ("vendor", "enabled")
    search_fields = ("slug",)
    autocomplete_fields = ("desk",)
    readonly_fields = ("show_vendor", "show_note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[VendorAccount]:
        accounts: QuerySet[VendorAccount] = super().get_queryset(request)
        return accounts.annotate(robot_count=Count("robots"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(
            request, obj, change, **{**kwargs, "form": account_form(chosen_vendor(request, obj))}
        )

    def get_fieldsets(self, request: HttpRequest, obj: VendorAccount | None = None) -> Any:
        vendor = chosen_vendor(request, obj)
        stored = {spec.name for spec in clearable(vendor) if obj and obj.config.get(spec.name)}
        config = [CONFIG + name for name in vendor.Config.__dataclass_fields__]
        clearing = [CLEAR + name for name in vendor.Config.__dataclass_fields__ if name in stored]
        noted = ["show_note"] if obj and note_of(obj) else []
        about = callback_address(request, obj) if obj else other_vendors(vendor)
        return (
            (None, {"fields": ["slug", "show_vendor", *noted, "desk", "enabled"], "description": about}),
            (_("Settings at the vendor"), {"fields": [*config, *clearing]}),
            (_("Limits"), {"fields": [LIMITS]}),
            BUDGET,
        )

    def save_model(self, request: HttpRequest, obj: VendorAccount, form: Any, change: bool) -> None:
        save_account(obj)

    @admin.display(description=_("vendor"))
    def show_vendor(self, account: VendorAccount) -> str:
        return account.get_vendor_display()

    @admin.display(description=_("noted at the vendor"))
    def show_note(self, account: VendorAccount) -> str:
        return note_of(account)

    @admin.display(description=_("robots"), ordering="robot_count")
    def show_robots(self, account: VendorAccount) -> SafeString:
        url = reverse("admin:bots_robot_changelist")
        count = account.robot_count  # type: ignore[attr-defined]
        return format_html(
            '<a class="text-link" href="{}?account__id__exact={}">{}</a>', url, account.pk, count
        )


def note_of(account: VendorAccount) -> str:
    """What the workers have learnt of the account and a person should know."""
    memory = AccountMemory.objects.filter(account=account).first()
    return memory.note if memory else ""


def chosen_vendor(request: HttpRequest, account: VendorAccount | None) -> type[Vendor]:
    """The account's vendor; for a new account the one in the address, or the first."""
    name = account.vendor if account else request.GET.get("vendor", "")
    return vendor_class(name if name in VENDORS else next(iter(VENDORS)))


def other_vendors(vendor: type[Vendor]) -> SafeString | str:
    """Links to the forms for accounts at other vendors."""
    links = format_html_join(
        ", ",
        '<a class="text-link" href="?vendor={}">{}</a>',
        [(name, label) for name, label in vendor_choices() if name != vendor.name],
    )
    return format_html("{} {}", _("For an account at another vendor:"), links) if links else ""


def callback_address(request: HttpRequest, account: VendorAccount) -> SafeString:
    """Where the vendor has to send its callbacks, for its console."""
    path = f"/callbacks/{account.slug}/"
    address = settings.PUBLIC_URL + path if settings.PUBLIC_URL else request.build_absolute_uri(path)
    return format_html(
        '{} <code class="select-all break-all">{}</code>',
        _("Callback address, for the vendor's console:"),
        address,
    )


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


class VersionInline(TabularInline):
    model = WordListVersion
    fk_name = "list"
    fields = readonly_fields = ("number", "count", "uploaded_at", "uploaded_by")
    extra = 0
    can_delete = False
    verbose_name_plural = _("Versions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WordListVersion]:
        versions: QuerySet[WordListVersion] = super().get_queryset(request)
        return versions.defer("words")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(WordList)
class WordListAdmin(ConfigurationAdmin):
    form = WordListForm
    list_display = ("slug", "show_version", "show_words")
    search_fields = ("slug",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WordList]:
        lists: QuerySet[WordList] = super().get_queryset(request)
        return lists.select_related("current").defer("current__words")

    def get_fieldsets(self, request: HttpRequest, obj: WordList | None = None) -> Any:
        return ((None, {"fields": ["slug", "current", "upload"] if obj else ["slug", "upload"]}),)

    def get_inlines(self, request: HttpRequest, obj: WordList | None) -> Any:
        return [VersionInline] if obj else []

    def save_model(self, request: HttpRequest, obj: WordList, form: Any, change: bool) -> None:
        if words := form.cleaned_data.get("upload"):
            upload_words(obj, words, by=request.user.get_username())
        elif obj.current:
            use_version(obj, obj.current)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Policies name lists by their slugs, so the database does not keep one that is still needed."""
        told = _("%(object)s: in use by %(policies)s.")
        needed = [
            told % {"object": each, "policies": ", ".join(map(str, users))}
            for each in objs
            if (users := policies_with(each))
        ]
        return ([], {}, set(), needed) if needed else super().get_deleted_objects(objs, request)

    @admin.display(description=_("version in use"))
    def show_version(self, word_list: WordList) -> str:
        return str(word_list.current.number) if word_list.current else "–"

    @admin.display(description=_("words"))
    def show_words(self, word_list: WordList) -> str:
        return f"{word_list.current.count:,}" if word_list.current else "–"


def moderation_fields(side: Side, policy: Policy | None) -> list[Any]:
    model, url, secret = (f"{side}_moderation_{name}" for name in ("model", "url", "secret"))
    clearing = [CLEAR + secret] if policy and getattr(policy, secret) else []
    pieces = ["output_moderation_piece_chars"] if side == "output" else []
    terms = (f"{side}_moderation_timeout_s", f"{side}_moderation_on_failure")
    return [model, url, (secret, *clearing), terms, *pieces]


@admin.register(Policy)
class PolicyAdmin(ConfigurationAdmin):
    form = PolicyForm
    list_display = ("slug", "show_input", "show_output", "show_robots")
    search_fields = ("slug",)
    autocomplete_fields = ("input_moderation_model", "output_moderation_model")

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        return (
            (None, {"fields": ["slug", "handoff_words"]}),
            (
                _("What users write"),
                {"fields": ["input_block_words", "input_word_lists", "input_block_patterns",
                            "input_block_reply", "input_mask_pii", "input_max_chars"]},
            ),
            (_("Moderation of what users write"), {"fields": moderation_fields("input", obj)}),
            (
                _("What the robot says"),
                {"fields": ["output_block_words", "output_word_lists", "output_block_patterns",
                            "output_block_reply", "output_mask_pii"]},
            ),
            (_("Moderation of what the robot says"), {"fields": moderation_fields("output", obj)}),
        )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        policies: QuerySet[Policy] = super().get_queryset(request)
        return policies.annotate(robot_count=Count("robots"))

    @admin.display(description=_("what users write"))
    def show_input(self, policy: Policy) -> str:
        return summary(policy, "input")

    @admin.display(description=_("what the robot says"))
    def show_output(self, policy: Policy) -> str:
        return summary(policy, "output")

    @admin.display(description=_("robots"), ordering="robot_count")
    def show_robots(self, policy: Policy) -> SafeString:
        url = reverse("admin:bots_robot_changelist")
        count = policy.robot_count  # type: ignore[attr-defined]
        return format_html(
            '<a class="text-link" href="{}?policy__id__exact={}">{}</a>', url, policy.pk, count
        )


def summary(policy: Policy, side: Side) -> str:
    """What one side of a policy does, in a line."""
    words, patterns = (len(getattr(policy, f"{side}_block_{kind}")) for kind in ("words", "patterns"))
    parts: list[str] = []
    if words:
        parts.append(ngettext("%(count)d word", "%(count)d words", words) % {"count": words})
    parts += getattr(policy, f"{side}_word_lists")
    if patterns:
        parts.append(ngettext("%(count)d pattern", "%(count)d patterns", patterns) % {"count": patterns})
    if getattr(policy, f"{side}_mask_pii"):
        parts.append(gettext("personal data masked"))
    if policy.moderation(side):
        parts.append(gettext("moderated"))
    return ", ".join(parts) or "–"


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

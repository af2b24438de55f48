"""Policies and their word lists."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from bots.admin.base import ConfigurationAdmin
from bots.forms.fields import CLEAR
from bots.forms.policies import PolicyForm, WordListForm
from bots.models import Policy, WordList, WordListVersion
from bots.safety.findings import Side
from bots.theme import TabularInline
from bots.wordlists import policies_with, upload_words, use_version


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

"""Who talks to us: users, and apps by their keys."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework_api_key.models import APIKey
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.paginator import InfinitePaginator

from bots.theme import ModelAdmin
from conversations.models import ApiKey, EndUser


@admin.register(EndUser)
class EndUserAdmin(ModelAdmin):
    list_display = ("user_id", "account", "tier", "created_at")
    list_select_related = ("account", "tier")
    list_filter = (("account", RelatedDropdownFilter), ("tier", RelatedDropdownFilter))
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-id",)
    search_fields = ("user_id__startswith",)
    search_help_text = _("The beginning of a user's id.")
    autocomplete_fields = ("account", "tier")
    fields = ("account", "user_id", "tier")


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # as Django has it
    scopes = forms.MultipleChoiceField(
        label=_("scopes"),
        choices=ApiKey.Scope.choices,
        initial=[ApiKey.Scope.SESSIONS],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What the key may be used for."),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expiry_date", "revoked")


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    form = ApiKeyForm
    list_display = ("name", "prefix", "scopes", "created", "expiry_date", "revoked")
    search_fields = ("name", "prefix")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        is_over = isinstance(obj, ApiKey) and obj.revoked  # which cannot be undone
        return ("name", "scopes", "expiry_date", "revoked") if is_over else ()

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            obj.save()
            return
        key = ApiKey.objects.assign_key(obj)
        obj.save()
        messages.warning(request, _("The key, shown this once: %(key)s") % {"key": key})


# The library's own, which opens nothing here.
admin.site.unregister(APIKey)

"""Webhooks, and the log of what they were told."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from bots.forms.fields import SecretField, keep_stored_secrets, tell_stored_secrets
from bots.theme import ModelAdmin, badge, moment
from conversations.admin.base import HistoryAdmin, TimeFilter, link_to_conversation, preformatted, unbroken
from webhooks import courier
from webhooks.models import Delivery, EventType, Webhook

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Webhook]
else:
    ModelForm = forms.ModelForm  # generic in its stubs only

COLOURS = {"delivered": "success", "failed": "danger", "waiting": "info"}


class WebhookForm(ModelForm):
    secret = SecretField(
        label=_("Secret"), help_text=_("Signs what is sent. Empty: one is made, and shown once.")
    )
    events = forms.MultipleChoiceField(
        label=_("Events"), choices=EventType.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = Webhook
        fields = ("name", "url", "secret", "events", "account", "enabled")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tell_stored_secrets(self, ["secret"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        keep_stored_secrets(self, cleaned, ["secret"])
        return cleaned


@admin.register(Webhook)
class WebhookAdmin(ModelAdmin):
    form = WebhookForm
    list_display = ("name", "url", "account", "show_state", "created_at")
    list_select_related = ("account",)
    autocomplete_fields = ("account",)
    search_fields = ("name",)
    readonly_fields = ("show_state",)
    fields = ("name", "url", "secret", "events", "account", "enabled", "show_state")

    def save_model(self, request: HttpRequest, obj: Webhook, form: Any, change: bool) -> None:
        if not obj.secret:
            obj.secret = secrets.token_urlsafe(32)
            messages.warning(request, _("The secret, shown this once: %(secret)s") % {"secret": obj.secret})
        if obj.enabled:
            obj.begin_anew()
        super().save_model(request, obj, form, change)

    @admin.display(description=_("state"))
    def show_state(self, webhook: Webhook) -> SafeString:
        if webhook.disabled_because:
            return badge(webhook.disabled_because, "danger")
        if not webhook.enabled:
            return badge(_("disabled"))
        if webhook.failing_since:
            since = {"since": moment(webhook.failing_since)}
            return badge(_("failing since %(since)s") % since, "warning")
        return badge(_("in use"), "success")


@admin.register(Delivery)
class DeliveryAdmin(HistoryAdmin):
    list_display = (
        "show_time",
        "webhook",
        "event",
        "show_conversation",
        "show_state",
        "attempts",
        "status",
        "error",
    )
    list_select_related = ("webhook", "conversation__robot")
    list_defer = ("body",)
    list_filter = (
        ("webhook", RelatedDropdownFilter),
        ("state", ChoicesDropdownFilter),
        ("event", ChoicesDropdownFilter),
        ("happened_at", TimeFilter),
    )
    search_fields = ("event_id__exact", "conversation__public_id__exact")
    search_help_text = _("The id of an event or of a conversation.")
    actions = ("send_selected_again",)
    fieldsets = (
        (None, {"fields": ["webhook", "event", "event_id", "show_conversation", "happened_at"]}),
        (
            _("How it went"),
            {"fields": ["show_state", "attempts", "status", "error", "due_at", "delivered_at"]},
        ),
        (_("What is sent"), {"fields": ["show_body"]}),
    )
    readonly_fields = ("show_conversation", "show_state", "show_body")

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_delivery")

    @admin.action(description=_("Send again"), permissions=["send_again"])
    def send_selected_again(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        count = courier.send_again(Delivery.objects.filter(pk__in=[each.pk for each in deliveries]))
        text = ngettext("%(count)d event is sent again.", "%(count)d events are sent again.", count)
        messages.success(request, text % {"count": count})

    @admin.display(description=_("happened"))
    def show_time(self, delivery: Delivery) -> SafeString:
        return unbroken(moment(delivery.happened_at))

    @admin.display(description=_("conversation"))
    def show_conversation(self, delivery: Delivery) -> SafeString:
        return link_to_conversation(delivery.conversation)

    @admin.display(description=_("state"))
    def show_state(self, delivery: Delivery) -> SafeString:
        return badge(delivery.get_state_display(), COLOURS[delivery.state])

    @admin.display(description=_("body"))
    def show_body(self, delivery: Delivery) -> SafeString:
        if not delivery.body:
            return preformatted("–")
        return preformatted(json.dumps(json.loads(delivery.body), indent=2, ensure_ascii=False))

"""Accounts at vendors."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from bots.admin.base import BUDGET, ConfigurationAdmin
from bots.configuration.saving import save_account
from bots.forms.accounts import account_form, clearable
from bots.forms.fields import CLEAR, CONFIG
from bots.models import AccountMemory, VendorAccount
from bots.validation import LIMITS
from bots.vendors import VENDORS, vendor_choices, vendor_class
from bots.vendors.base import Vendor


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

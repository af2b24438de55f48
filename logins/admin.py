"""Second factors and failed logins, for admins who let somebody in again."""

from __future__ import annotations

from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from bots.theme import ModelAdmin
from logins.models import SecondFactor


class MayOnlyDelete(ModelAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(SecondFactor)
class SecondFactorAdmin(MayOnlyDelete):
    """Deleted for people who have lost their app and their recovery codes."""

    list_display = ("user", "confirmed_at", "codes_left")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = ("user", "confirmed_at", "codes_left")

    @admin.display(description=_("recovery codes left"))
    def codes_left(self, factor: SecondFactor) -> int:
        return len(factor.recovery_codes)


@admin.register(AccessAttempt)
class AccessAttemptAdmin(MayOnlyDelete):
    """Deleted to let somebody in before the pause is over."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time")
    list_filter = ("attempt_time",)
    search_fields = ("username", "ip_address")
    fields = ("username", "ip_address", "user_agent", "failures_since_start", "attempt_time")

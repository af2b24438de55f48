"""Users, with their seats at the console, and groups in the admin's theme."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from audit.models import Entry
from bots.theme import ModelAdmin, StackedInline
from config import queue_admin  # noqa: F401 -- it registers itself
from conversations.admin.base import HistoryAdmin, TimeFilter
from conversations.models import Seat

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(Entry)
class EntryAdmin(HistoryAdmin):
    list_display = ("at", "who", "deed", "what", "details")
    list_filter = (("deed", ChoicesDropdownFilter), ("at", TimeFilter))
    search_fields = ("who__exact", "what__exact")


class SeatInline(StackedInline):
    model = Seat
    filter_horizontal = ("accounts", "robots")


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    inlines = (SeatInline,)
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass

"""What the admin's pages get for mending: failed turns and deliveries repeated; robots, accounts and models
stopped and started."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from bots.models import LanguageModel, Robot, VendorAccount
from conversations import halting

if TYPE_CHECKING:
    from bots.theme import ModelAdmin
else:
    ModelAdmin = object


class RepeatPages(ModelAdmin):
    """Adds a button and an action that do again what failed."""

    repeat: ClassVar[Callable[..., bool]]  # of one object; whether there was anything to do
    change_form_outer_before_template = "admin/conversations/repeat.html"
    actions = ("repeat_selected",)

    def has_repeat_permission(self, request: HttpRequest) -> bool:
        """The only change there is to such an object."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    @admin.action(description=_("Do again what failed"), permissions=["repeat"])
    def repeat_selected(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        done = [each for each in chosen if self.repeat(each, by=request.user.get_username())]
        note(request, done, "repeated")
        text = ngettext("%(count)d is done again.", "%(count)d are done again.", len(done))
        level = messages.SUCCESS if done else messages.WARNING
        messages.add_message(request, level, text % {"count": len(done)})
        if left := len(chosen) - len(done):
            text = ngettext(
                "%(count)d has not failed, was repeated already, or its robot may not speak now.",
                "%(count)d have not failed, were repeated already, or their robots may not speak now.",
                left,
            )
            messages.warning(request, text % {"count": left})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"repeat_url": self.repeat_url(request, object_id), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def repeat_url(self, request: HttpRequest, object_id: str) -> str:
        """Where the button leads; "" where there is none."""
        found = self.get_object(request, object_id)
        is_failed = found is not None and found.state in ("failed", "blocked")
        return (
            reverse(self.view_name, args=[object_id])
            if is_failed and self.has_repeat_permission(request)
            else ""
        )

    @property
    def view_name(self) -> str:
        return f"admin:{self.opts.app_label}_{self.opts.model_name}_repeat"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.repeat_one))
        name = self.view_name.removeprefix("admin:")
        return [path("<int:pk>/repeat/", view, name=name), *super().get_urls()]

    def repeat_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_repeat_permission(request):
            raise PermissionDenied
        get_object_or_404(self.model, pk=pk)
        self.repeat_selected(request, self.model._default_manager.filter(pk=pk))
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(page, args=[pk]))


def note(request: HttpRequest, objects: list[Any], what: str) -> None:
    """Keep who did it, in the admin's log."""
    assert request.user.pk is not None  # or nobody would be here
    if objects:
        LogEntry.objects.log_actions(request.user.pk, objects, CHANGE, change_message=what)


@admin.action(description=_("Stop: begin nothing new, finish what runs"), permissions=["change"])
def stop(modeladmin: ModelAdmin, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    affected = list(chosen)
    count = halting.stop(chosen, by=request.user.get_username())
    note(request, affected, "stopped")
    tell(request, ngettext("%(count)d is stopped.", "%(count)d are stopped.", count), count)
    tell_running(request, halting.running(chosen).count())


@admin.action(description=_("Stop at once: end running replies as they stand"), permissions=["change"])
def stop_at_once(modeladmin: ModelAdmin, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    stop(modeladmin, request, chosen)
    count = halting.end_replies(chosen, by=request.user.get_username())
    tell(request, ngettext("%(count)d reply was ended.", "%(count)d replies were ended.", count), count)


@admin.action(description=_("Start again"), permissions=["change"])
def start(modeladmin: ModelAdmin, request: HttpRequest, chosen: QuerySet[Any]) -> None:
    affected = list(chosen)
    count = halting.start(chosen, by=request.user.get_username())
    note(request, affected, "started")
    tell(request, ngettext("%(count)d is in service again.", "%(count)d are in service again.", count), count)


def tell(request: HttpRequest, text: str, count: int) -> None:
    messages.add_message(request, messages.SUCCESS if count else messages.WARNING, text % {"count": count})


def tell_running(request: HttpRequest, count: int) -> None:
    if count:
        text = ngettext(
            "%(count)d reply is still being said, and ends by itself.",
            "%(count)d replies are still being said, and end by themselves.",
            count,
        )
        messages.info(request, text % {"count": count})


# What is configured knows nothing of what is said.
for model, actions in {
    Robot: (stop, stop_at_once, start),
    VendorAccount: (stop, stop_at_once, start),
    LanguageModel: (stop, start),
}.items():
    configured = admin.site.get_model_admin(model)
    configured.actions = [*(configured.actions or ()), *actions]

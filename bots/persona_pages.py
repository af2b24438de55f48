"""The admin's page of a robot's persona versions: all of them, what two differ in, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from bots import personas
from bots.configuration.saving import roll_back
from bots.models import PersonaVersion, Robot

if TYPE_CHECKING:
    from bots.theme import ModelAdmin
else:
    ModelAdmin = object

SHOWN_VERSIONS: Final = 200  # older ones can still be named in the address


class PersonaPages(ModelAdmin):
    """Adds the pages to the robots' admin."""

    def get_urls(self) -> list[URLPattern]:
        show = self.admin_site.admin_view(require_GET(self.personas_page))
        back = self.admin_site.admin_view(require_POST(self.roll_back_page))
        return [
            path("<int:pk>/personas/", show, name="bots_robot_personas"),
            path("<int:pk>/personas/<int:number>/roll-back/", back, name="bots_robot_roll_back"),
            *super().get_urls(),
        ]

    def personas_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        robot = get_object_or_404(Robot, pk=pk)
        if not self.has_view_permission(request, robot):
            raise PermissionDenied
        versions = list(robot.persona_versions.select_related("made_by")[:SHOWN_VERSIONS])
        new = chosen(robot, request.GET.get("new", "")) or next(iter(versions), None)
        old = chosen(robot, request.GET.get("old", "")) or predecessor(new, versions)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Persona of %(robot)s") % {"robot": robot},
            "robot": robot,
            "versions": versions,
            "old": old,
            "new": new,
            "parts": personas.differences(old.text, new.text) if old and new else [],
            "may_change": self.has_change_permission(request, robot),
        }
        return TemplateResponse(request, "admin/bots/robot/personas.html", context)

    def roll_back_page(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        version = get_object_or_404(PersonaVersion.objects.select_related("robot"), robot=pk, number=number)
        if not self.has_change_permission(request, version.robot):
            raise PermissionDenied
        assert request.user.is_authenticated  # or it had no permission
        robot = roll_back(version, by=request.user)
        self.log_change(request, robot, [{"changed": {"fields": ["persona"]}}])
        told = {"number": number, "version": robot.persona_version}
        messages.success(request, _("The persona is that of version %(number)d again: %(version)s.") % told)
        return HttpResponseRedirect(reverse("admin:bots_robot_personas", args=[pk]))


def chosen(robot: Robot, number: str) -> PersonaVersion | None:
    """The version with this number; None if there is none."""
    if not (number.isdecimal() and len(number) < 10):
        return None
    return robot.persona_versions.filter(number=number).first()


def predecessor(version: PersonaVersion | None, versions: list[PersonaVersion]) -> PersonaVersion | None:
    """The one before; the first has none but itself."""
    if version is None:
        return None
    return next((each for each in versions if each.number < version.number), version)

"""The page at which people set up their second factor, and give it up."""

from __future__ import annotations

from typing import Any

import segno
from django.contrib import admin, messages
from django.contrib.auth import authenticate
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from logins import second_factors
from logins.models import SecondFactor

PAGE = "second-factor"


@sensitive_post_parameters()
@never_cache
@login_required(login_url="console:login")  # which lets in all who may log in anywhere
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    factor = second_factors.begin(request.user)
    if request.method == "GET":
        return show(request, factor)
    if factor.confirmed_at is None:
        return confirm(request, factor)
    return change(request, factor)


def confirm(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    codes = second_factors.confirm(factor, request.POST.get("code", ""))
    if codes is None:
        messages.error(request, _("The app shows another code by now, or the clocks differ."))
        return redirect(PAGE)
    factor.refresh_from_db()
    return show(request, factor, recovery_codes=codes)


def change(request: HttpRequest, factor: SecondFactor) -> HttpResponse:
    """Only for who can log in anew: a page that was left open is not enough."""
    if (
        authenticate(request, username=request.user.get_username(), password=request.POST.get("password", ""))
        is None
    ):
        messages.error(request, _("Password or code is wrong."))
        return redirect(PAGE)
    if "remove" in request.POST:
        factor.delete()
        messages.success(request, _("You log in without a second factor now."))
        return redirect(PAGE)
    codes = second_factors.renew_recovery_codes(factor)
    factor.refresh_from_db()
    return show(request, factor, recovery_codes=codes)


def show(request: HttpRequest, factor: SecondFactor, **more: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": _("Second factor"), "factor": factor, **more}
    if factor.confirmed_at is None:
        context["picture"] = picture(second_factors.address(factor))
        context["secret"] = str(factor.secret)
    return render(request, "logins/second_factor.html", context)


def picture(address: str) -> SafeString:
    """A QR code, drawn by us alone."""
    return mark_safe(segno.make(address).svg_inline(scale=5, light="white"))  # noqa: S308

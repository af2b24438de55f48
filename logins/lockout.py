"""What django-axes asks us: from where a login is tried, and what those are told who are locked out.

Failures are counted for each name at each address: a stranger cannot lock an operator out, nor can one
who mistypes a password lock out the office.  How fast an address may try at all, `config/doors.py` says.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def client_address(request: HttpRequest) -> str | None:
    """Whose request it is: as the proxy says that speaks https in front of us, where there is one."""
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.IS_HTTPS else ""
    return nearest_address(forwarded, request.META.get("REMOTE_ADDR"))


def nearest_address(forwarded: str, peer: str | None) -> str | None:
    """The client's address by the header of a proxy, or else the peer's."""
    # The proxy adds to the end; what stands before that, anybody may have written.
    nearest = forwarded.rpartition(",")[2].strip()
    return nearest if is_address(nearest) else peer


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def tell(request: HttpRequest, response: HttpResponse | None, credentials: Any) -> HttpResponse:
    context = {**admin.site.each_context(request), "minutes": settings.LOGIN_PAUSE_S // 60}
    told = render(request, "logins/locked_out.html", context, status=429)
    told["Retry-After"] = str(settings.LOGIN_PAUSE_S)
    return told

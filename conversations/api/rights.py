"""Who may do what: an API key what its scopes say, a user token what its own session has, and how often."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from conversations.api.user_tokens import UserToken
from conversations.models import ApiKey


class MayCall(BasePermission):
    """The key has one of the scopes that the view names; the user token is of the view's session."""

    message = _("The API key or user token does not allow this.")

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, UserToken):
            return bool(view.is_for_clients) and view.kwargs["public_id"] == request.auth.session.public_id
        return isinstance(request.auth, ApiKey) and not view.scopes.isdisjoint(request.auth.scopes)


class KeyThrottle(SimpleRateThrottle):
    """So many requests a key, counted by each web process."""

    scope = "key"

    def get_rate(self) -> str:
        rate: str = settings.API_RATE
        return rate

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not isinstance(request.auth, ApiKey):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.prefix}


class ClientThrottle(SimpleRateThrottle):
    """So many requests by the user tokens of one session, counted by each web process."""

    scope = "client"

    def get_rate(self) -> str:
        rate: str = settings.API_CLIENT_RATE
        return rate

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        if not isinstance(request.auth, UserToken):
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.auth.session.public_id}

"""Who may do what: API keys, their scopes, and how often."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework_api_key.models import AbstractAPIKey
from rest_framework_api_key.permissions import KeyParser

from conversations.models import ApiKey


class BearerParser(KeyParser):
    keyword = "Bearer"


class KeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <API key>`.  The key is `request.auth`; there is no user."""

    parser = BearerParser()

    def authenticate(self, request: Request) -> tuple[None, AbstractAPIKey] | None:
        key = self.parser.get_from_authorization(request._request)
        if not key:
            return None
        try:
            found = ApiKey.objects.get_from_key(key)
        except ApiKey.DoesNotExist:
            raise AuthenticationFailed(_("There is no such API key."), code="invalid_key") from None
        if found.has_expired:
            raise AuthenticationFailed(_("The API key has expired."), code="invalid_key")
        return None, found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """The key has one of the scopes that the view names for the method."""

    message = _("The API key's scopes do not allow this.")

    def has_permission(self, request: Request, view: Any) -> bool:
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

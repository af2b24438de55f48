"""API keys: who asks by one."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
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

"""User tokens: with one, an app's client calls its own session and nothing else.

A token is signed, not stored.  It ends by its time, with its session, and with the API key that asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.core import signing
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from conversations.api.keys import BearerParser
from conversations.models import ApiKey, Session

PREFIX: Final = "user_"  # no API key begins so: those are letters and digits up to a dot
SALT: Final = "parley.user-token"
DEFAULT_LIFETIME_S: Final = 3600
LONGEST_LIFETIME_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class UserToken:
    """Who asks by a user token, as `request.auth`."""

    session: Session
    key: ApiKey  # that asked for the token


def issue(session: Session, key: ApiKey, *, lifetime_s: int) -> tuple[str, datetime]:
    """A token, and until when it is good."""
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=lifetime_s)
    claims = [session.public_id, key.prefix, int(expires_at.timestamp())]
    return PREFIX + signing.dumps(claims, salt=SALT), expires_at


def read(token: str) -> UserToken:
    """Whom it stands for.  Raises AuthenticationFailed."""
    try:
        session_id, prefix, expires_at = signing.loads(token.removeprefix(PREFIX), salt=SALT)
    except signing.BadSignature:
        raise AuthenticationFailed(_("This is no user token."), code="invalid_token") from None
    if expires_at <= timezone.now().timestamp():
        raise AuthenticationFailed(_("The user token has expired."), code="token_expired")
    sessions = Session.objects.select_related("conversation__robot__account")
    session = sessions.filter(public_id=session_id).exclude(state=Session.State.ENDED).first()
    if session is None:
        raise AuthenticationFailed(_("The session has ended."), code="session_ended")
    not_expired = Q(expiry_date=None) | Q(expiry_date__gt=timezone.now())
    key = ApiKey.objects.filter(not_expired, prefix=prefix, revoked=False).first()
    if key is None:
        raise AuthenticationFailed(_("The API key behind this token is gone."), code="invalid_token")
    return UserToken(session, key)


class UserTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <user token>`.  It costs two queries."""

    parser = BearerParser()

    def authenticate(self, request: Request) -> tuple[None, UserToken] | None:
        token = self.parser.get_from_authorization(request._request)
        return (None, read(token)) if token and token.startswith(PREFIX) else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

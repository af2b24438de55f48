"""Who is at a console, and whether they still may be: a socket outlives the request that let it in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from conversations.console import rights


@dataclass(frozen=True, slots=True)
class Visit:
    user_id: int
    session_key: str


def ended(visits: Iterable[Visit]) -> set[Visit]:
    """Those whose session has ended, by logging out, by time or by a new password, and those of users who may
    not read any more.  Two queries for all of them."""
    visits = set(visits)
    readers = {user.pk: user for user in rights.readers({visit.user_id for visit in visits})}
    keys = [visit.session_key for visit in visits]
    open_sessions = Session.objects.filter(pk__in=keys, expire_date__gt=timezone.now())
    sessions = {session.pk: session for session in open_sessions}
    return {
        visit for visit in visits if not _is_of(sessions.get(visit.session_key), readers.get(visit.user_id))
    }


def _is_of(session: Session | None, user: User | None) -> bool:
    if session is None or user is None:
        return False
    login = session.get_decoded()
    by_same_password = constant_time_compare(login.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    return login.get(SESSION_KEY) == str(user.pk) and by_same_password

"""Who is who: a password and, from those who have set one up, the code of a second factor."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest

from logins import second_factors

CODE = "code"  # the field of login forms


class PasswordAndCode(ModelBackend):
    """A wrong code counts as a wrong password: what is counted and told is the same."""

    # The stubs of Django's backends disagree among themselves.
    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, **credentials: Any
    ) -> User | None:
        user = super().authenticate(request, **credentials)
        code = request.POST.get(CODE, "") if request else ""
        return user if isinstance(user, User) and second_factors.passes(user, code) else None

    async def aauthenticate(  # type: ignore[override]
        self, request: HttpRequest | None, **credentials: Any
    ) -> User | None:
        # Django's asks for the password only.
        return await sync_to_async(self.authenticate)(request, **credentials)

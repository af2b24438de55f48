"""Second factors: set up by showing a code, then asked for with every login.

A code holds for one login; so does a recovery code, for whoever has lost the app.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.auth.models import User
from django.db.models import F, Func, Value
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from logins.models import SecondFactor

PERIOD_S: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # RFC 4226, R6
RECOVERY_CODES: Final = 10


def begin(user: User) -> SecondFactor:
    """The factor that the user is about to set up, or has."""
    secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return SecondFactor.objects.get_or_create(user=user, defaults={"secret": secret})[0]


def confirm(factor: SecondFactor, code: str) -> list[str] | None:
    """Put the factor to use; its recovery codes, this once.  None: the app shows another code."""
    if not _use_code(factor, code):
        return None
    SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=timezone.now())
    return renew_recovery_codes(factor)


def renew_recovery_codes(factor: SecondFactor) -> list[str]:
    """New ones, this once; those from before no longer hold."""
    codes = [new_recovery_code() for _ in range(RECOVERY_CODES)]
    SecondFactor.objects.filter(pk=factor.pk).update(recovery_codes=[digest(code) for code in codes])
    return codes


def passes(user: User, code: str) -> bool:
    """Whether the user may log in with this code; it is used up.  Who has no second factor needs none."""
    factor = SecondFactor.objects.filter(user=user).exclude(confirmed_at=None).first()
    return factor is None or _use_code(factor, code) or _use_recovery_code(factor, code)


def address(factor: SecondFactor) -> str:
    """What an app reads from the picture."""
    return generator(factor).get_provisioning_uri(factor.user.get_username(), "Parley")


def generator(factor: SecondFactor) -> TOTP:
    return TOTP(base64.b32decode(factor.secret), DIGITS, SHA1(), PERIOD_S)  # noqa: S303 -- what apps speak


def new_recovery_code() -> str:
    return base64.b32encode(secrets.token_bytes(10)).decode().lower()


def digest(code: str) -> str:
    """Recovery codes are drawn from 2^80: a plain hash cannot be searched."""
    return hashlib.sha256(code.strip().lower().encode()).hexdigest()


def _use_code(factor: SecondFactor, code: str) -> bool:
    now = int(time.time()) // PERIOD_S
    for step in (now, now - 1, now + 1):  # clocks differ, and people take their time
        expected = generator(factor).generate(step * PERIOD_S).decode()
        if constant_time_compare(expected, code.replace(" ", "")):
            unused = SecondFactor.objects.filter(pk=factor.pk, last_step__lt=step)
            return bool(unused.update(last_step=step))
    return False


def _use_recovery_code(factor: SecondFactor, code: str) -> bool:
    used = digest(code)
    rest = Func(F("recovery_codes"), Value(used), template="%(expressions)s", arg_joiner=" - ")
    left = SecondFactor.objects.filter(pk=factor.pk, recovery_codes__contains=[used])
    return bool(left.update(recovery_codes=rest))

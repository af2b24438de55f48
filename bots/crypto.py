"""Credentials at rest: encrypted with the first key of CREDENTIALS_KEYS, read with any of them."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

MASK = "••••"


class CannotDecrypt(ImproperlyConfigured):
    """None of the keys in CREDENTIALS_KEYS decrypts this value."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} cannot be decrypted with any key of CREDENTIALS_KEYS: "
            "add the key it was stored with, or enter the value anew"
        )


class SecretText(str):
    """Text that is not shown by repr(), and so in no log line, traceback or failed test."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK if self else "''"


class SecretDict(dict[str, Any]):
    """A dictionary of which repr() and str() show the keys only."""

    def __repr__(self) -> str:
        return repr(dict.fromkeys(self, MASK))


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypt(token: str, *, where: str = "A stored credential") -> str:
    """The text again.  Raises CannotDecrypt, which says `where` and nothing of the value."""
    try:
        return _fernet().decrypt(token).decode()
    except InvalidToken:
        raise CannotDecrypt(where) from None


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])

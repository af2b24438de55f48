"""Secrets that are made once and kept in files that only their owner can read."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet

from config.environment import WrongValue


def new_secret_key() -> str:
    return secrets.token_urlsafe(50)


def new_fernet_key() -> str:
    return Fernet.generate_key().decode()


def kept_in(path: Path, make: Callable[[], str] = new_secret_key) -> str:
    """The secret in the file, which is made if need be.  Processes that start at once agree on one."""
    try:
        if not path.exists():
            _create(path, make())
        return path.read_text().strip()
    except OSError as error:
        raise WrongValue(str(path), f"{error.strerror}; it keeps a secret of this installation") from None


def _create(path: Path, secret: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A link appears with all its content or not at all, and fails where another process was first.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".new-") as draft:  # mode 0600
        draft.write(secret + "\n")
        draft.flush()
        os.fsync(draft.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)


def fernet_keys(given: list[str], path: Path) -> list[str]:
    """The given keys, or else the one kept in the file; all of them are sound."""
    keys = given or [kept_in(path, new_fernet_key)]
    for position, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            source = "" if given else f" (from {path})"
            reason = f"key {position}{source} is not 32 bytes in URL-safe base64"
            raise WrongValue("CREDENTIALS_KEYS", reason) from None
    return keys

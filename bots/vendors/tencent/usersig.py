"""UserSig: the signed ticket with which an account speaks to Tencent (269/32688; "TLSSigAPIv2").

Ours, because the official package fixes the clock and its published version and its repository differ in
their function names; the tests hold both to the same result.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable
from typing import Final

LIFETIME_S: Final = 7 * 24 * 3600  # a day at least is recommended, 50 years is the maximum
URL_SAFE: Final = bytes.maketrans(b"+/=", b"*-_")


def user_sig(
    sdk_app_id: int, secret_key: str, user_id: str, *, now: int, lifetime_s: int, userbuf: bytes = b""
) -> str:
    """A UserSig of the account.  Times are seconds; `userbuf` carries call permissions (TRTC only)."""
    claims: dict[str, str | int] = {
        "TLS.identifier": user_id,
        "TLS.sdkappid": sdk_app_id,
        "TLS.time": now,
        "TLS.expire": lifetime_s,
    }
    if userbuf:
        claims["TLS.userbuf"] = base64.b64encode(userbuf).decode()
    signed = "".join(f"{name}:{claim}\n" for name, claim in claims.items())  # in this order
    digest = hmac.digest(secret_key.encode(), signed.encode(), hashlib.sha256)
    ticket = {"TLS.ver": "2.0", **claims, "TLS.sig": base64.b64encode(digest).decode()}
    packed = base64.b64encode(zlib.compress(json.dumps(ticket).encode()))
    return packed.translate(URL_SAFE).decode()


class UserSigCache:
    """An account's UserSig, minted anew after half of its life.  Threads share it."""

    def __init__(self, sdk_app_id: int, secret_key: str, user_id: str, now: Callable[[], float]) -> None:
        self._account = sdk_app_id, secret_key, user_id
        self._now = now
        self._minted: tuple[str, float] = "", 0.0  # UserSig, when to mint the next; replaced as one

    def current(self) -> str:
        sig, renew_at = self._minted
        return sig if self._now() < renew_at else self._mint()

    def replace(self, refused: str) -> str:
        """Another one than the one that was refused; whoever comes first mints it for all."""
        sig, _ = self._minted
        return sig if sig != refused else self._mint()

    def _mint(self) -> str:
        now = self._now()
        sig = user_sig(*self._account, now=int(now), lifetime_s=LIFETIME_S)
        self._minted = sig, now + LIFETIME_S / 2
        return sig

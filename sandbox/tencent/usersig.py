"""Tencent's UserSig, read and judged as the cloud does.

Format: github.com/tencentyun/tls-sig-api-v2-python; codes: trtc.io/document/34348.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from typing import Any

MAX_INFLATED_BYTES = 8192  # a UserSig has some 200; anything larger is not one


class BadUserSig(Exception):
    """The cloud's error code and text for a UserSig that it does not take."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def check(usersig: str, *, sdk_app_id: int, identifier: str, key: str, now: float) -> None:
    """Raises BadUserSig unless `key` signed exactly this identity and the time has not run out."""
    if not usersig:
        raise BadUserSig(70002, "UserSig is empty")
    claims = decode(usersig)
    if claims["TLS.identifier"] != identifier:
        raise BadUserSig(70013, "identifier is not the one in UserSig")
    if claims["TLS.sdkappid"] != sdk_app_id:
        raise BadUserSig(70014, "sdkappid is not the one in UserSig")
    if not hmac.compare_digest(signature(claims, key), claims["TLS.sig"]):
        raise BadUserSig(70009, "UserSig was not signed with the key of this SDKAppID")
    if now >= claims["TLS.time"] + claims["TLS.expire"]:
        raise BadUserSig(70001, "UserSig expired")


def decode(usersig: str) -> dict[str, Any]:
    """The claims inside, unjudged.  Raises BadUserSig for what is not a UserSig at all."""
    try:
        packed = base64.b64decode(usersig.translate(str.maketrans("*-_", "+/=")), validate=True)
        claims: Any = json.loads(zlib.decompressobj().decompress(packed, MAX_INFLATED_BYTES))
    except (ValueError, zlib.error) as error:
        raise BadUserSig(70003, "UserSig cannot be read; it may have been cut off") from error
    if not isinstance(claims, dict) or not _has_claims(claims):
        raise BadUserSig(70003, "UserSig lacks a field or has one of a wrong type")
    return claims


def _has_claims(claims: dict[str, Any]) -> bool:
    """Numbers are told apart from strings: `gen_sig(expire=3600.5)` makes a UserSig that fails here."""
    if claims.get("TLS.ver") != "2.0":
        return False
    strings = (claims.get(f"TLS.{name}") for name in ("identifier", "sig"))
    numbers = (claims.get(f"TLS.{name}") for name in ("sdkappid", "expire", "time"))
    return all(type(value) is str for value in strings) and all(type(value) is int for value in numbers)


def signature(claims: dict[str, Any], key: str) -> str:
    names = ["identifier", "sdkappid", "time", "expire"]
    if "TLS.userbuf" in claims:
        names.append("userbuf")
    text = "".join(f"TLS.{name}:{claims[f'TLS.{name}']}\n" for name in names)
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256)).decode()

"""Rooms of calls, as an app's client and its user use them: entered by a token, spoken in by text."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sandbox.vendor import BadRequest
from sandbox.world import JSONDict
from sandbox.zego.app import App

ENTER_ROOM = "1"


def check_token(app: App, token: str, *, user: str, room: str, now: float) -> None:
    """Raises BadRequest unless the token lets this user into this room."""
    try:
        claims = claims_in(token, app.settings.server_secret)
    except (ValueError, struct.error, binascii.Error) as error:
        raise BadRequest(f"the token cannot be read: {error}") from error
    if claims["app_id"] != app.settings.app_id or claims["user_id"] != user:
        raise BadRequest("the token is another app's or user's")
    if claims["expire"] <= now:
        raise BadRequest("the token has expired")
    if payload := claims["payload"]:
        rights = json.loads(payload)
        if rights["room_id"] != room or rights["privilege"].get(ENTER_ROOM) != 1:
            raise BadRequest("the token is not for this room")


def claims_in(token: str, server_secret: str) -> JSONDict:
    """What a Token04 says (CBC form).  Raises ValueError, struct.error."""
    if not token.startswith("04"):
        raise ValueError("not version 04")
    blob = base64.b64decode(token[2:], validate=True)
    expire, length = struct.unpack_from(">qH", blob)
    iv, rest = blob[10 : 10 + length], blob[10 + length :]
    (size,) = struct.unpack_from(">H", rest)
    ciphertext, mode = rest[2 : 2 + size], rest[2 + size :]
    if mode not in (b"", b"\0"):
        raise ValueError("not in CBC form")
    decryptor = Cipher(algorithms.AES(server_secret.encode()), modes.CBC(iv)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    claims: dict[str, Any] = json.loads(padded[: -padded[-1]])
    if claims["expire"] != expire:
        raise ValueError("two times of expiry")
    return claims

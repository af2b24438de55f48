"""Token04: what ZEGO's client SDKs log in with, to chat and to calls (/zim-web/guides/users/authentication).

Ours, because `zego_server_assistant`, from which the layout is taken, is on no package index.
"""

from __future__ import annotations

import base64
import json
import secrets
import struct
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

VERSION: Final = "04"
BLOCK_BYTES: Final = 16


def token04(
    app_id: int, server_secret: str, user_id: str, *, now: int, lifetime_s: int, payload: str = ""
) -> str:
    """A token of the user.  Times are seconds; `payload` is "" or the JSON text of RTC privileges.

    Raises ValueError for a ServerSecret that has not 32 characters.
    """
    key = server_secret.encode()
    if len(key) != 32:
        raise ValueError("a ServerSecret has 32 characters")
    expire = now + lifetime_s
    claims = {
        "app_id": app_id,
        "user_id": user_id,
        "nonce": secrets.randbelow(1 << 31),
        "ctime": now,
        "expire": expire,
        "payload": payload,
    }
    iv = secrets.token_bytes(BLOCK_BYTES)
    encrypted = _encrypted(json.dumps(claims, separators=(",", ":")).encode(), key, iv)
    blob = struct.pack(f">qH{len(iv)}sH", expire, len(iv), iv, len(encrypted)) + encrypted
    return VERSION + base64.b64encode(blob).decode()


def _encrypted(text: bytes, key: bytes, iv: bytes) -> bytes:
    """AES-256 in CBC mode, as all official libraries emit it."""
    padder = PKCS7(8 * BLOCK_BYTES).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()

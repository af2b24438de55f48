"""What client SDKs log in with, read by other hands than made it."""

from __future__ import annotations

import base64
import json
import struct
import subprocess
from datetime import UTC, datetime

import pytest

from bots.vendors.base import LOGIN_LIFETIME_S
from bots.vendors.tencent.config import TencentConfig
from bots.vendors.tencent.usersig import user_sig
from bots.vendors.tencent.vendor import Tencent
from bots.vendors.zego.config import ZegoConfig
from bots.vendors.zego.token04 import token04
from bots.vendors.zego.vendor import Zego

NOW = 1_790_000_000
SECRET = "0123456789abcdef0123456789abcdef"


def opened(token: str) -> tuple[int, dict[str, object]]:
    """A Token04's header and claims, decrypted by OpenSSL (zego.md §6, verify recipe)."""
    blob = base64.b64decode(token.removeprefix("04"), validate=True)
    expire, iv_length = struct.unpack_from(">qH", blob)
    iv = blob[10 : 10 + iv_length]
    (length,) = struct.unpack_from(">H", blob, 10 + iv_length)
    encrypted = blob[12 + iv_length :]
    assert len(encrypted) == length
    command = ["openssl", "enc", "-d", "-aes-256-cbc", "-K", SECRET.encode().hex(), "-iv", iv.hex()]
    text = subprocess.run(command, input=encrypted, capture_output=True, check=True).stdout
    return expire, json.loads(text)


def test_a_token04_is_read_by_openssl() -> None:
    expire, claims = opened(token04(12345, SECRET, "алиса", now=NOW, lifetime_s=3600))

    assert expire == claims["expire"] == NOW + 3600
    assert (claims["app_id"], claims["user_id"], claims["ctime"]) == (12345, "алиса", NOW)
    assert claims["payload"] == ""


def test_a_server_secret_has_32_characters() -> None:
    with pytest.raises(ValueError, match="32 characters"):
        token04(12345, "short", "alice", now=NOW, lifetime_s=3600)


def test_zego_logs_a_user_in_for_a_day() -> None:
    vendor = Zego(ZegoConfig(app_id=12345, server_secret=SECRET, callback_secret="cb"), now=lambda: NOW)

    login = vendor.login("alice")

    assert (login.app_id, opened(login.token)[1]["user_id"]) == (12345, "alice")
    assert login.expires_at == datetime.fromtimestamp(NOW + LOGIN_LIFETIME_S, UTC)


def test_tencent_logs_a_user_in_for_a_day() -> None:
    vendor = Tencent(TencentConfig(sdk_app_id=1400000000, secret_key="key"), now=lambda: NOW)

    login = vendor.login("alice")

    sig = user_sig(1400000000, "key", "alice", now=NOW, lifetime_s=LOGIN_LIFETIME_S)
    assert (login.app_id, login.token) == (1400000000, sig)
    assert login.expires_at == datetime.fromtimestamp(NOW + LOGIN_LIFETIME_S, UTC)

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from TLSSigAPIv2 import TLSSigAPIv2

from bots.vendors.tencent.usersig import LIFETIME_S, UserSigCache, user_sig

K1 = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e"  # from the official README
K2 = "0123456789abcdef" * 4

# Made with the official Python package, checked with the official one for Node.
VECTORS = [
    (1400000000, K1, "xiaojun", 15552000, 1700000000, "LvA7d/Iw7gSsnskvVzBDPOCCDbuNCw4GHwTC0bip+B4="),
    (1400000000, K1, "administrator", 86400, 1700000000, "yLAe+w7WUeUuqbV9h/TX78u21oTGi+i9Zp1u3PpnY60="),
    (1400000000, K1, "@RBT#001", 604800, 1700000000, "p/HQCyWsWUx6rUoUKqIssYc+wS37uxQ8NuM8EDWpRIo="),
    (88888888, K2, "user-1_A", 60, 1557387418, "SSYvTeKoS3uis8G88lI+n/CvMGYBzGoSBFkMF+t2i9w="),
    (1600130023, "test-secret-key", "张三", 3600, 1773643904, "jwXLLEUQjDoOS8WAcx4k9oOZb0kVxfAlRXcaxvUk9h0="),
    (20000001, K1, "administrator", 15552000, 1767225600, "1F4Q1zwX6Wit4dIOpmN95vxLZqYtIASqaViY5y6YLQk="),
]
WITH_USERBUF = "QjT201xPkXk/aM1e+y0vakZb0K2iPrFue++0s5y6bFM="


def decoded(sig: str) -> dict[str, Any]:
    """Compressors differ in their output, so only what is inside can be compared."""
    packed = base64.b64decode(sig.translate(str.maketrans("*-_", "+/=")))
    ticket: dict[str, Any] = json.loads(zlib.decompress(packed))
    return ticket


@pytest.mark.parametrize("app, key, user, lifetime, now, expected", VECTORS)
def test_published_vectors(app: int, key: str, user: str, lifetime: int, now: int, expected: str) -> None:
    assert decoded(user_sig(app, key, user, now=now, lifetime_s=lifetime)) == {
        "TLS.ver": "2.0",
        "TLS.identifier": user,
        "TLS.sdkappid": app,
        "TLS.expire": lifetime,
        "TLS.time": now,
        "TLS.sig": expected,
    }


def test_published_vector_with_userbuf() -> None:
    sig = user_sig(1400000000, K1, "xiaojun", now=1700000000, lifetime_s=15552000, userbuf=b"abc")

    assert decoded(sig)["TLS.userbuf"] == "YWJj"
    assert decoded(sig)["TLS.sig"] == WITH_USERBUF


@pytest.mark.parametrize("user", ["administrator", "@RBT#001", "张三"])
def test_official_package_agrees(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1700000000.5)
    official = TLSSigAPIv2(1400000000, K1).gen_sig(user, 3600)

    assert decoded(user_sig(1400000000, K1, user, now=1700000000, lifetime_s=3600)) == decoded(official)


def test_only_characters_that_an_address_carries() -> None:
    sig = user_sig(1400000000, K1, "administrator", now=1700000000, lifetime_s=86400)

    assert sig.translate(str.maketrans("", "", "*-_")).isalnum()


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def cache_at(clock: Clock) -> UserSigCache:
    return UserSigCache(1400000000, K1, "administrator", clock)


def test_sig_is_kept_for_half_of_its_life() -> None:
    clock = Clock()
    cache = cache_at(clock)
    first = cache.current()

    clock.now += LIFETIME_S / 2 - 1
    assert cache.current() == first
    clock.now += 1
    assert cache.current() != first


def test_refused_sig_is_replaced_once_for_all_threads() -> None:
    clock = Clock()
    cache = cache_at(clock)
    refused = cache.current()

    clock.now += 10
    second = cache.replace(refused)
    clock.now += 10
    assert second != refused
    assert cache.replace(refused) == second == cache.current()

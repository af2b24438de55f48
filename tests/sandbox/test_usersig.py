"""UserSig: github.com/tencentyun/tls-sig-api-v2-python, and strings that its packages made."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from TLSSigAPIv2 import TLSSigAPIv2

from sandbox.tencent import usersig

KEY = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e"  # published in the README
NOW = 1700000000

VECTORS = [
    (1400000000, KEY, "xiaojun", 15552000, NOW, "LvA7d/Iw7gSsnskvVzBDPOCCDbuNCw4GHwTC0bip+B4="),
    (1400000000, KEY, "administrator", 86400, NOW, "yLAe+w7WUeUuqbV9h/TX78u21oTGi+i9Zp1u3PpnY60="),
    (1400000000, KEY, "@RBT#001", 604800, NOW, "p/HQCyWsWUx6rUoUKqIssYc+wS37uxQ8NuM8EDWpRIo="),
    (
        88888888,
        "0123456789abcdef" * 4,
        "user-1_A",
        60,
        1557387418,
        "SSYvTeKoS3uis8G88lI+n/CvMGYBzGoSBFkMF+t2i9w=",
    ),
    (1600130023, "test-secret-key", "张三", 3600, 1773643904, "jwXLLEUQjDoOS8WAcx4k9oOZb0kVxfAlRXcaxvUk9h0="),
    (20000001, KEY, "administrator", 15552000, 1767225600, "1F4Q1zwX6Wit4dIOpmN95vxLZqYtIASqaViY5y6YLQk="),
]
ENCODED = {
    "xiaojun": (
        "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkKjIT87NK82CSxSnZiQUFmSlAKUMTAyiAyqVWFGQWpYJkTE1NjRDiJZm5Y"
        "FFzNPXFmekgG3zKHM1T9D3LzdODi-OKs8vCqpxcAvydnV2SSv2cy03cPcpDnA2SMgu0nUxslWoBHdYzUg__"
    ),
    "administrator": (
        "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkElNyM-Myi0uKEkvyi2BKilOyEwsKMlOACgxNDKAAKpdaUZBZlAqUsTAzgQu"
        "WZOaChAzN0RQXZ6aDLKn0cUzVLjcPD00NLS1MCrPM0A*JMLcoNTLMD3HP1M60jCowLDUOKMiLNDOwVaoFAD4PNPI_"
    ),
    "@RBT#001": (
        "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkHIKcQpQNDAxhssUp2YkFBZkpQDlDEwMogMqlVhRkFqUCZcwMTCzgoiWZuSA"
        "xQ3M01cWZ6SALCvQ9Ap0rw4vDQyvMikLzQ70LPYuLI5O1y4ONzUsrAi38Sn0tXF3CC4I8822VagFA6DJj"
    ),
}


def claims(app: int, user: str, expire: Any, time: int) -> dict[str, Any]:
    return {
        "TLS.ver": "2.0",
        "TLS.identifier": user,
        "TLS.sdkappid": app,
        "TLS.expire": expire,
        "TLS.time": time,
    }


def encode(content: Any) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(content).encode())).decode()
    return packed.translate(str.maketrans("+/=", "*-_"))


@pytest.mark.parametrize("app,key,user,expire,time,expected", VECTORS)
def test_signature(app: int, key: str, user: str, expire: int, time: int, expected: str) -> None:
    assert usersig.signature(claims(app, user, expire, time), key) == expected


def test_signature_covers_the_userbuf() -> None:
    with_userbuf = claims(1400000000, "xiaojun", 15552000, NOW) | {"TLS.userbuf": "YWJj"}
    assert usersig.signature(with_userbuf, KEY) == "QjT201xPkXk/aM1e+y0vakZb0K2iPrFue++0s5y6bFM="


@pytest.mark.parametrize("user", ENCODED)
def test_published_strings_are_taken(user: str) -> None:
    usersig.check(ENCODED[user], sdk_app_id=1400000000, identifier=user, key=KEY, now=NOW + 60)


def test_what_the_package_makes_is_taken() -> None:
    made = TLSSigAPIv2(1400000000, KEY).gen_sig("xiaojun", 60)
    made_at = usersig.decode(made)["TLS.time"]
    usersig.check(made, sdk_app_id=1400000000, identifier="xiaojun", key=KEY, now=made_at + 59)


@pytest.mark.parametrize(
    "changes,code",
    [
        ({"usersig": ""}, 70002),
        ({"usersig": ENCODED["xiaojun"][:100]}, 70003),
        ({"usersig": "not a signature"}, 70003),
        ({"usersig": encode(["a", "list"])}, 70003),
        ({"usersig": encode(claims(1400000000, "xiaojun", "60", NOW) | {"TLS.sig": "x"})}, 70003),
        ({"key": "another key"}, 70009),
        ({"identifier": "xiaoming"}, 70013),
        ({"sdk_app_id": 1400000001}, 70014),
        ({"now": NOW + 15552000}, 70001),
    ],
)
def test_refused(changes: dict[str, Any], code: int) -> None:
    right: dict[str, Any] = {"sdk_app_id": 1400000000, "identifier": "xiaojun", "key": KEY, "now": NOW}
    arguments = {"usersig": ENCODED["xiaojun"]} | right | changes
    with pytest.raises(usersig.BadUserSig) as caught:
        usersig.check(**arguments)
    assert caught.value.code == code


def test_a_bomb_is_no_usersig() -> None:
    with pytest.raises(usersig.BadUserSig) as caught:
        usersig.decode(encode("0" * 10_000_000))
    assert caught.value.code == 70003

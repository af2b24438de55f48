"""What looks like a secret is found, whatever it is called; words and names are not."""

from __future__ import annotations

import base64
import hashlib

import pytest

from bin.check_secrets import secret_in

# Made here, so that this file holds none.
HEX = hashlib.sha256(b"a secret").hexdigest()
BASE64 = base64.b64encode(hashlib.sha512(b"a secret").digest()).decode()[:40]


@pytest.mark.parametrize(
    "line",
    [
        f'secret_key = "{HEX}"',
        f"TIM_TOKEN={HEX[:32]}",
        f'"callback_secret": "{BASE64}",',
        f'    password: "{BASE64}"',
        f"Authorization: Bearer sk-{BASE64.replace('+', 'A').replace('/', 'B')}",
        f"glpat-{BASE64.replace('+', 'A').replace('/', 'B')}",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
    ],
)
def test_secrets_are_found(line: str) -> None:
    assert secret_in(line)


@pytest.mark.parametrize(
    "line",
    [
        "secret_key: ${TIM_KEY}",
        'token = "a-token-of-many-words-and-no-digits"',
        "password_reset_url_of_this_page = reverse('x')",
        f'digest = "{HEX}"',  # nobody says that it is secret
        'api_key="sk-..."',
    ],
)
def test_words_and_names_are_not(line: str) -> None:
    assert not secret_in(line)

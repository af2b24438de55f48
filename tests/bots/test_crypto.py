from __future__ import annotations

import pytest
from pytest_django.fixtures import Settings

from bots import crypto
from bots.crypto import CannotDecrypt, SecretDict, SecretText
from config.secrets import new_fernet_key


def test_every_key_decrypts_and_the_first_encrypts(settings: Settings) -> None:
    old, new = new_fernet_key(), new_fernet_key()
    settings.CREDENTIALS_KEYS = [old]
    stored = crypto.encrypt("密码")

    settings.CREDENTIALS_KEYS = [new, old]
    assert crypto.decrypt(stored) == "密码"
    stored_anew = crypto.encrypt("密码")

    settings.CREDENTIALS_KEYS = [new]
    assert crypto.decrypt(stored_anew) == "密码"


def test_a_lost_key_is_told_without_the_value(settings: Settings) -> None:
    settings.CREDENTIALS_KEYS = [new_fernet_key()]
    stored = crypto.encrypt("hidden")
    settings.CREDENTIALS_KEYS = [new_fernet_key()]

    with pytest.raises(CannotDecrypt) as caught:
        crypto.decrypt(stored, where="The API key of fast")

    message = str(caught.value)
    assert message.startswith("The API key of fast cannot be decrypted with any key of CREDENTIALS_KEYS")
    assert stored not in message
    assert caught.value.__suppress_context__


def test_a_secret_text_works_as_text_and_shows_nothing() -> None:
    secret = SecretText("hidden")

    assert f"Bearer {secret}" == "Bearer hidden"
    assert "hidden" not in repr(secret) + repr([secret]) + repr({"key": secret}) + f"{secret!r}"


def test_a_secret_dictionary_shows_its_keys_only() -> None:
    secret = SecretDict(app_id=1400, key="hidden")

    assert secret["key"] == "hidden"
    for shown in (repr(secret), str(secret), f"{secret}"):
        assert "app_id" in shown
        assert "hidden" not in shown
        assert "1400" not in shown

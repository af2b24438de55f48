"""The encrypted fields, on the models that have them."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core import serializers
from django.core.exceptions import FieldError, ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from bots.crypto import CannotDecrypt
from bots.models import LanguageModel, VendorAccount
from config.secrets import new_fernet_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> VendorAccount:
    return VendorAccount.objects.create(slug="acme", vendor="tencent", config={"secret_key": "hidden"})


@pytest.fixture
def model() -> LanguageModel:
    return LanguageModel.objects.create(slug="fast", api="openai", model="m", api_key="hidden")


def stored(table: str, column: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table}")
        return str(cursor.fetchone()[0])


def test_values_come_back_and_are_not_in_the_database(account: VendorAccount, model: LanguageModel) -> None:
    account.refresh_from_db()
    model.refresh_from_db()

    assert account.config == {"secret_key": "hidden"}
    assert model.api_key == "hidden"
    assert "hidden" not in stored("bots_vendoraccount", "config") + stored("bots_languagemodel", "api_key")


def test_values_show_nothing_before_they_are_saved_and_after_they_are_loaded(account: VendorAccount) -> None:
    loaded = VendorAccount.objects.get()

    assert "hidden" not in repr(account.config) + repr(loaded.config) + str(loaded.config)


def test_values_cannot_be_searched_for(model: LanguageModel) -> None:
    with pytest.raises(FieldError, match="Unsupported lookup 'exact'"):
        LanguageModel.objects.filter(api_key="hidden").exists()


def test_dumped_data_stay_encrypted_and_can_be_loaded(model: LanguageModel) -> None:
    dumped = serializers.serialize("json", [model])
    model.delete()
    for row in serializers.deserialize("json", dumped):
        row.save()

    assert "hidden" not in dumped
    assert LanguageModel.objects.get().api_key == "hidden"


def test_a_configuration_is_an_object(account: VendorAccount) -> None:
    account.config = ["hidden"]

    with pytest.raises(ValidationError, match="not a JSON object"):
        account.clean_fields()


def test_a_lost_key_names_the_field(settings: Settings, model: LanguageModel) -> None:
    settings.CREDENTIALS_KEYS = [new_fernet_key()]

    with pytest.raises(CannotDecrypt, match=r"A value of bots\.LanguageModel\.api_key cannot be decrypted"):
        model.refresh_from_db()


def test_rotation_leaves_nothing_under_the_old_key(
    settings: Settings, account: VendorAccount, model: LanguageModel
) -> None:
    new = new_fernet_key()
    settings.CREDENTIALS_KEYS = [new, *settings.CREDENTIALS_KEYS]

    call_command("rotate_credentials", stdout=(output := StringIO()))

    settings.CREDENTIALS_KEYS = [new]
    assert VendorAccount.objects.get().config == {"secret_key": "hidden"}
    assert LanguageModel.objects.get().api_key == "hidden"
    assert {"bots.VendorAccount: 1 encrypted anew", "bots.LanguageModel: 1 encrypted anew"} <= set(
        output.getvalue().splitlines()
    )


def test_rotation_goes_on_after_a_value_that_no_key_decrypts(
    settings: Settings, account: VendorAccount
) -> None:
    settings.CREDENTIALS_KEYS = [new_fernet_key()]
    readable = LanguageModel.objects.create(slug="fast", api="openai", model="m", api_key="hidden")

    with pytest.raises(CommandError, match=rf"bots\.VendorAccount {account.pk}: A value of .* cannot"):
        call_command("rotate_credentials", stdout=(output := StringIO()))

    assert "bots.LanguageModel: 1 encrypted anew" in output.getvalue()
    readable.refresh_from_db()

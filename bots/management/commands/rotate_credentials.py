from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from bots.crypto import CannotDecrypt
from bots.fields import EncryptedField


class Command(BaseCommand):
    help = (
        "Encrypts all stored credentials anew with the first of CREDENTIALS_KEYS. "
        "Afterwards the other keys can go."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        lost: list[str] = []
        for model, fields in encrypted_fields():
            count = 0
            for pk in model._base_manager.values_list("pk", flat=True).iterator():
                try:
                    count += encrypt_anew(model, fields, pk)
                except CannotDecrypt as error:
                    lost.append(f"{model._meta.label} {pk}: {error}")
            self.stdout.write(f"{model._meta.label}: {count} encrypted anew")
        if lost:
            raise CommandError("\n".join(lost))


def encrypted_fields() -> Iterator[tuple[type[models.Model], list[str]]]:
    """The models that hold credentials, with the names of the fields."""
    for model in apps.get_models():
        fields = [field.name for field in model._meta.local_fields if isinstance(field, EncryptedField)]
        if fields and not model._meta.proxy:
            yield model, fields


def encrypt_anew(model: type[models.Model], fields: list[str], pk: Any) -> int:
    """Write one row's fields again; 0 if the row is gone.  Raises CannotDecrypt."""
    with transaction.atomic():
        row = model._base_manager.select_for_update().filter(pk=pk)
        values = row.values(*fields).first()
        return row.update(**values) if values else 0

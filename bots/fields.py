"""Model fields that are encrypted in the database and masked wherever they could be shown by chance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from bots import crypto
from bots.crypto import SecretDict, SecretText

if TYPE_CHECKING:
    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField  # generic in its stubs only

DUMPED = "encrypted:"  # begins a value in the output of `dumpdata`, which stays encrypted


class SecretAttribute(DeferredAttribute):
    """Wraps what is assigned, so that a value is as discreet before it is saved as after it is loaded."""

    field: EncryptedField

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = self.field.wrap(value)


class EncryptedField(TextField):
    """What the encrypted fields share.  Each value is encrypted anew, so none can be searched for."""

    descriptor_class = SecretAttribute

    if TYPE_CHECKING:  # what django-stubs goes by
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any

    def wrap(self, value: Any) -> Any:
        """The value in a type whose repr() says nothing."""
        raise NotImplementedError

    def dump(self, value: Any) -> str:
        raise NotImplementedError

    def load(self, text: str) -> Any:
        raise NotImplementedError

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else crypto.encrypt(self.dump(value))

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else self._decrypt(value)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(DUMPED):
            return self._decrypt(value.removeprefix(DUMPED))
        return self.wrap(value)

    def value_to_string(self, obj: models.Model) -> str:
        token = self.get_prep_value(self.value_from_object(obj))
        return "" if token is None else DUMPED + token

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def _decrypt(self, token: str) -> Any:
        return self.wrap(self.load(crypto.decrypt(token, where=f"A value of {self}")))


class EncryptedTextField(EncryptedField):
    """Text; "" where there is none."""

    def wrap(self, value: Any) -> Any:
        return SecretText(value) if isinstance(value, str) else value

    def dump(self, value: Any) -> str:
        return str(value)

    def load(self, text: str) -> str:
        return text


class EncryptedJSONField(EncryptedField):
    """A JSON object, as a dictionary."""

    def wrap(self, value: Any) -> Any:
        return SecretDict(value) if isinstance(value, dict) else value

    def dump(self, value: Any) -> str:
        return json.dumps(value)

    def load(self, text: str) -> Any:
        return json.loads(text)

    def to_python(self, value: Any) -> Any:
        python = super().to_python(value)
        if python is not None and not isinstance(python, dict):
            raise ValidationError("This is not a JSON object.", code="invalid")
        return python

    def formfield(self, **kwargs: Any) -> forms.Field | None:
        return super().formfield(**{"form_class": forms.JSONField, "widget": forms.Textarea, **kwargs})

"""The form of an account, with the fields of its vendor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any, ClassVar, Final, get_type_hints

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from bots.events import JSONDict
from bots.forms.fields import CLEAR, CONFIG, SecretField, clear_field, limit_field, setting_field
from bots.models import VendorAccount
from bots.validation import LIMITS
from bots.vendors.base import Vendor
from bots.vendors.config import is_required, is_secret


class AccountForm(forms.ModelForm):  # type: ignore[type-arg]
    """An account with its vendor's settings as fields; made for one vendor by `account_form`."""

    vendor_class: ClassVar[type[Vendor]]

    class Meta:
        model = VendorAccount
        fields = ("slug", "desk", "enabled", "daily_tokens", "monthly_tokens", "daily_cost", "monthly_cost")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.vendor = self.vendor_class.name
        for spec in fields(self.vendor_class.Config):
            self._fill(spec, self.instance.config.get(spec.name))
        for name in LIMITS:
            self.initial[name] = self.instance.limits.get(name)

    def _fill(self, spec: Field[Any], stored: Any) -> None:
        field = self.fields.get(CONFIG + spec.name)
        if isinstance(field, SecretField) and stored:
            field.tell_stored()
        elif field is not None and stored is not None and not is_secret(spec):
            self.initial[CONFIG + spec.name] = stored

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.instance.config = dict(self._settings(cleaned))
        self.instance.limits = {name: cleaned[name] for name in LIMITS if cleaned.get(name) is not None}
        return cleaned

    def _settings(self, cleaned: JSONDict) -> Iterator[tuple[str, Any]]:
        for spec in fields(self.vendor_class.Config):
            value = cleaned.get(CONFIG + spec.name)
            if is_secret(spec) and not value and not cleaned.get(CLEAR + spec.name):
                value = self.instance.config.get(spec.name)
            # An empty field stands for the vendor's default, where there is one.
            if value not in (None, "") or is_required(spec):
                yield spec.name, value

    def add_error(self, field: str | None, error: Any) -> None:
        """Puts what the model says of its JSON fields on the fields of this form."""
        if not hasattr(error, "error_dict"):
            super().add_error(field, error)
            return
        placed = {name: errors for name, errors in error.error_dict.items() if name not in JSON_FIELDS}
        for name in JSON_FIELDS & set(error.error_dict):
            for problem in error.error_dict[name]:
                own = JSON_FIELD_PREFIXES[name] + problem.params["path"]
                if own not in self.errors:
                    placed.setdefault(own, []).append(ValidationError(problem.params["reason"]))
        super().add_error(None, ValidationError(placed))


JSON_FIELD_PREFIXES: Final = {"config": CONFIG, "limits": ""}


JSON_FIELDS: Final = set(JSON_FIELD_PREFIXES)


def account_form(vendor: type[Vendor]) -> type[AccountForm]:
    """The form for accounts at this vendor."""
    hints = get_type_hints(vendor.Config)
    settings = {CONFIG + spec.name: setting_field(spec, hints[spec.name]) for spec in fields(vendor.Config)}
    clearing = {
        CLEAR + spec.name: clear_field(settings[CONFIG + spec.name].label) for spec in clearable(vendor)
    }
    limits = {
        "send_per_s": limit_field(_("Messages sent a second"), vendor),
        "edit_per_s": limit_field(_("Messages edited a second"), vendor),
        "history_per_s": limit_field(_("Looks into the history a second"), vendor),
    }
    return type("AccountForm", (AccountForm,), {"vendor_class": vendor, **settings, **clearing, **limits})


def clearable(vendor: type[Vendor]) -> list[Field[Any]]:
    """Secrets that an account can do without."""
    return [spec for spec in fields(vendor.Config) if is_secret(spec) and not is_required(spec)]

"""Fields that several forms have: secrets that are never shown, lists by lines, a vendor's settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, Field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from bots.events import JSONDict
from bots.models import Policy, WordList
from bots.vendors.base import Vendor
from bots.vendors.config import is_required, is_secret

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm  # generic in its stubs only

CONFIG: Final = "config_"  # begins the names of fields for a vendor's settings


CLEAR: Final = "clear_"  # begins the names of fields that delete a stored secret


class SecretField(forms.CharField):
    """Takes a secret and never shows one; empty: the stored one stays."""

    def __init__(self, **options: Any) -> None:
        widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
        super().__init__(**{"required": False, "widget": widget, **options})

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)

    def tell_stored(self) -> None:
        """Say that there is a secret already."""
        self.required = False
        self.widget.attrs["placeholder"] = "••••••••"
        stored = _("Stored. Leave empty to keep it.")
        self.help_text = f"{self.help_text} {stored}" if self.help_text else stored


def clear_field(label: Any) -> forms.BooleanField:
    return forms.BooleanField(
        required=False,
        label=_("Delete: %(secret)s") % {"secret": label},
        widget=UnfoldBooleanSwitchWidget,
    )


def tell_stored_secrets(form: ModelForm, names: Iterable[str]) -> None:
    for name in names:
        field = form.fields.get(name)
        if isinstance(field, SecretField) and getattr(form.instance, name):
            field.tell_stored()


def keep_stored_secrets(form: ModelForm, cleaned: JSONDict, names: Iterable[str]) -> None:
    """An empty field stands for the secret that is stored, unless it is to be deleted."""
    for name in names:
        if not cleaned.get(name) and not cleaned.get(CLEAR + name):
            cleaned[name] = getattr(form.instance, name)


def setting_field(spec: Field[Any], hint: Any) -> forms.Field:
    """The form field of one of a vendor's settings."""
    options: dict[str, Any] = {
        "label": spec.metadata.get("label") or capfirst(spec.name.replace("_", " ")),
        "help_text": spec.metadata.get("help", ""),
        "required": is_required(spec),
        "initial": None if spec.default is MISSING else spec.default,
    }
    if is_secret(spec):
        return SecretField(**{**options, "initial": None})
    if get_origin(hint) is Literal:
        choices = [(choice, choice) for choice in get_args(hint)]
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget, **options)
    if hint is bool:
        return forms.BooleanField(widget=UnfoldBooleanSwitchWidget, **{**options, "required": False})
    if hint is int:
        return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget, **options)
    if hint is float:
        return forms.FloatField(widget=UnfoldAdminDecimalFieldWidget, **options)
    return forms.CharField(widget=UnfoldAdminTextInputWidget, **options)


def limit_field(label: Any, vendor: type[Vendor]) -> forms.FloatField:
    usual = _("Empty: %(limit)g, as the vendor allows by default.") % {"limit": vendor.calls_per_s}
    return forms.FloatField(
        required=False, label=label, help_text=usual, widget=UnfoldAdminDecimalFieldWidget
    )


class LinesField(forms.CharField):
    """A list of texts, one to a line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            **{"required": False, "widget": UnfoldAdminTextareaWidget(attrs={"rows": 6}), **options}
        )

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = (line.strip() for line in (super().to_python(value) or "").splitlines())
        return [line for line in lines if line]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(data) != (initial or [])


def lines_field(name: str) -> LinesField:
    field: Any = Policy._meta.get_field(name)
    return LinesField(label=capfirst(field.verbose_name), help_text=field.help_text)


def list_field(name: str) -> forms.MultipleChoiceField:
    field: Any = Policy._meta.get_field(name)
    return forms.MultipleChoiceField(
        label=capfirst(field.verbose_name),
        help_text=field.help_text,
        choices=lambda: [(slug, slug) for slug in WordList.objects.values_list("slug", flat=True)],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
    )


def any_of(label: Any, choices: Iterable[tuple[str, Any]] = ()) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text=_("Any of the ticked; none ticked: all."),
    )

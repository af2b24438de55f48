"""The admin's forms of channels and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from alerts.models import Channel
from bots.forms.fields import SecretField, clear_field, keep_stored_secrets, tell_stored_secrets

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Channel]
else:
    ModelForm = forms.ModelForm

SECRETS = ("url", "secret")


class ChannelForm(ModelForm):
    url = SecretField(label=_("Address"), help_text=Channel._meta.get_field("url").help_text)
    secret = SecretField(label=_("Secret"), help_text=Channel._meta.get_field("secret").help_text)
    clear_secret = clear_field(_("Secret"))

    class Meta:
        model = Channel
        fields: ClassVar = ["name", "kind", "url", "secret", "recipients", "language", "least", "enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tell_stored_secrets(self, SECRETS)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        keep_stored_secrets(self, cleaned, SECRETS)
        return cleaned

"""The forms of models and robots."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from bots.forms.fields import (
    SecretField,
    clear_field,
    keep_stored_secrets,
    tell_stored_secrets,
)
from bots.models import LanguageModel, Robot


class LanguageModelForm(forms.ModelForm):  # type: ignore[type-arg]
    api_key = SecretField(label=_("API key"))
    clear_api_key = clear_field(_("API key"))

    class Meta:
        model = LanguageModel
        fields = "__all__"  # noqa: DJ007 -- the admin's fieldsets say which

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tell_stored_secrets(self, ["api_key"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        keep_stored_secrets(self, cleaned, ["api_key"])
        return cleaned


class RobotForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Robot
        fields = "__all__"  # noqa: DJ007 -- the admin's fieldsets say which
        widgets: ClassVar = {"fallback": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

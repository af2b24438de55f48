"""Login forms with room for a code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as ThemeForm
else:
    from unfold.forms import AuthenticationForm as ThemeForm

WRONG = _("Name, password or code is wrong.")
ATTRIBUTES = {"autocomplete": "one-time-code", "spellcheck": "false", "maxlength": 32}


class CodeField(forms.CharField):
    def __init__(self, widget: Any = forms.TextInput) -> None:
        super().__init__(
            required=False, label=_("Code, if you have an authenticator"), widget=widget(ATTRIBUTES)
        )


class ConsoleLogin(AuthenticationForm):
    code = CodeField()
    error_messages = {**AuthenticationForm.error_messages, "invalid_login": WRONG}  # noqa: RUF012


class AdminLogin(ThemeForm):
    code = CodeField(UnfoldAdminTextInputWidget)
    error_messages = {**ThemeForm.error_messages, "invalid_login": WRONG}  # noqa: RUF012

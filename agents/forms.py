"""The form of an agent template: its speech vendors' parameters have fields, as far as they are known."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from agents.models import AgentTemplate
from agents.speech import ASR, TTS, Param, params_of, put, secret_paths, value_at
from agents.validation import CALLBACKS
from bots.crypto import MASK
from bots.forms.fields import SecretField

SIDES: Final[dict[str, Mapping[str, tuple[Param, ...]]]] = {"tts": TTS, "asr": ASR}


def param_name(side: str, param: Param) -> str:
    return f"{side}_{param.path.replace('.', '__')}"


def more_name(side: str) -> str:
    return f"{side}_more"


def param_field(param: Param) -> forms.Field:
    label = param.path.rpartition(".")[2]
    if param.is_secret:
        return SecretField(label=label)
    if param.kind is float:
        return forms.FloatField(label=label, required=False, widget=UnfoldAdminDecimalFieldWidget)
    return forms.CharField(label=label, required=False, widget=UnfoldAdminTextInputWidget)


def more_field() -> forms.JSONField:
    return forms.JSONField(
        label=_("Other parameters"),
        required=False,
        initial=dict,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=_("As JSON, sent as they are. Where one shows %(mask)s, the stored secret stays.")
        % {"mask": MASK},
    )


class AgentTemplateForm(forms.ModelForm):  # type: ignore[type-arg]
    """Made for two vendors by `template_form`."""

    params: ClassVar[dict[str, tuple[Param, ...]]]  # by side

    callbacks = forms.MultipleChoiceField(
        label=capfirst(AgentTemplate._meta.get_field("callbacks").verbose_name),
        help_text=AgentTemplate._meta.get_field("callbacks").help_text,
        choices=[(name, name) for name in CALLBACKS],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = AgentTemplate
        exclude: ClassVar = ["tts_params", "asr_params"]
        widgets: ClassVar = {"tts_options": UnfoldAdminTextareaWidget(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for side in SIDES:
            self._fill(side, copy.deepcopy(dict(getattr(self.instance, f"{side}_params"))))

    def _fill(self, side: str, stored: dict[str, Any]) -> None:
        for param in self.params[side]:
            field, value = self.fields.get(param_name(side, param)), value_at(stored, param.path)
            if isinstance(field, SecretField) and value:
                field.tell_stored()
            elif field is not None and not param.is_secret:
                self.initial[param_name(side, param)] = value
            put(stored, param.path, None)
        for path in secret_paths(stored):
            put(stored, path, MASK)
        self.initial[more_name(side)] = stored

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for side in SIDES:
            more = cleaned.get(more_name(side))
            if more is not None and not isinstance(more, dict):
                self.add_error(more_name(side), _("must be a mapping"))
            elif more_name(side) not in self.errors:
                setattr(self.instance, f"{side}_params", self._params(side, more or {}, cleaned))
        return cleaned

    def _params(self, side: str, more: dict[str, Any], cleaned: Mapping[str, Any]) -> dict[str, Any]:
        stored = getattr(self.instance, f"{side}_params")
        params = copy.deepcopy(more)
        for path in [path for path in secret_paths(params) if value_at(params, path) == MASK]:
            put(params, path, value_at(stored, path))
        for param in self.params[side]:
            value = cleaned.get(param_name(side, param))
            if param.is_secret and not value:
                value = value_at(stored, param.path)
            put(params, param.path, plain(value))
        return params

    def add_error(self, field: str | None, error: Any) -> None:
        """Puts what is wrong inside a JSON field into words: the form has no field for it."""
        if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
            error = ValidationError({name: list(reasons(each)) for name, each in error.error_dict.items()})
        super().add_error(field, error)


def reasons(errors: list[ValidationError]) -> Iterator[str]:
    for error in errors:
        yield from error.messages


def plain(value: Any) -> Any:
    """What is sent: whole numbers without a point, nothing for an empty field."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None if value == "" else value


def template_form(tts_vendor: str, asr_vendor: str) -> type[AgentTemplateForm]:
    """The form for a template whose speech comes from these."""
    params = {"tts": params_of(tts_vendor, TTS), "asr": params_of(asr_vendor, ASR)}
    fields: dict[str, forms.Field] = {}
    for side, known in params.items():
        fields |= {param_name(side, param): param_field(param) for param in known}
        fields[more_name(side)] = more_field()
    return type("AgentTemplateForm", (AgentTemplateForm,), {"params": params, **fields})

"""The admin's forms.  What makes a configuration valid is said by the models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args, get_origin, get_type_hints

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from bots.configuration.saving import RuleDraft
from bots.events import CONTENT_KINDS, JSONDict
from bots.models import (
    Intent,
    LanguageModel,
    Policy,
    Robot,
    Rule,
    Tier,
    VendorAccount,
    WordList,
    WordListVersion,
)
from bots.safety.findings import SIDES
from bots.validation import CONDITIONS, LIMITS, problem_with_rule
from bots.vendors.base import Vendor
from bots.vendors.config import is_required, is_secret
from bots.wordlists import read_words

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm  # generic in its stubs only

CONFIG: Final = "config_"  # begins the names of fields for a vendor's settings
CLEAR: Final = "clear_"  # begins the names of fields that delete a stored secret
MODEL_PLACES: Final = 4  # models that a rule's form has room for, if it has no more already

KIND_LABELS: Final = {
    "text": _("text"),
    "image": _("image"),
    "voice": _("voice"),
    "file": _("file"),
    "custom": _("custom"),
    "call": _("said in a call"),
}


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


class KeywordsField(forms.CharField):
    """A word or words on each line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 12})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        lines = super().clean(value).splitlines()
        return list(dict.fromkeys(stripped for line in lines if (stripped := line.strip())))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class IntentForm(forms.ModelForm):  # type: ignore[type-arg]
    keywords = KeywordsField(
        label=Intent._meta.get_field("keywords").verbose_name,
        help_text=Intent._meta.get_field("keywords").help_text,
    )

    class Meta:
        model = Intent
        fields = ("slug", "keywords", "position")


class RobotForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Robot
        fields = "__all__"  # noqa: DJ007 -- the admin's fieldsets say which
        widgets: ClassVar = {"fallback": UnfoldAdminTextareaWidget(attrs={"rows": 3})}


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


class WordListForm(forms.ModelForm):  # type: ignore[type-arg]
    upload = forms.FileField(
        label=_("Upload"),
        required=False,
        widget=UnfoldAdminFileFieldWidget,
        help_text=_(
            "A text file, one word to a line, UTF-8 or GB 18030. It becomes the next version, in use at once."
        ),
    )

    class Meta:
        model = WordList
        fields = "__all__"  # noqa: DJ007 -- the admin's fieldsets say which

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["upload"].required = self.instance.pk is None
        if isinstance(current := self.fields.get("current"), forms.ModelChoiceField):
            current.queryset = WordListVersion.objects.filter(list=self.instance.pk).defer("words")

    def clean_upload(self) -> list[str] | None:
        upload = self.cleaned_data.get("upload")
        return read_words(upload.read()) if upload else None


POLICY_SECRETS: Final = [f"{side}_moderation_secret" for side in SIDES]


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    input_moderation_secret = SecretField(label=_("Secret of the hook"))
    clear_input_moderation_secret = clear_field(_("Secret of the hook"))
    output_moderation_secret = SecretField(label=_("Secret of the hook"))
    clear_output_moderation_secret = clear_field(_("Secret of the hook"))
    input_word_lists = list_field("input_word_lists")
    output_word_lists = list_field("output_word_lists")
    input_block_words = lines_field("input_block_words")
    input_block_patterns = lines_field("input_block_patterns")
    output_block_words = lines_field("output_block_words")
    output_block_patterns = lines_field("output_block_patterns")
    handoff_words = lines_field("handoff_words")

    class Meta:
        model = Policy
        fields = "__all__"  # noqa: DJ007 -- the admin's fieldsets say which
        widgets: ClassVar = {
            "input_block_reply": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            "output_block_reply": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        tell_stored_secrets(self, POLICY_SECRETS)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        keep_stored_secrets(self, cleaned, POLICY_SECRETS)
        return cleaned


class RankedModelsWidget(forms.Widget):
    """A list to choose from for each place: the first choice, the next, and so on."""

    template_name = "bots/ranked_models.html"

    def __init__(self) -> None:
        super().__init__()
        self.select = UnfoldAdminSelectWidget()
        self.choices: Sequence[tuple[str, str]] = ()

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        ranked = [*(value or ()), ""]
        ranked += [""] * (MODEL_PLACES - len(ranked))
        self.select.choices = self.choices
        context["selects"] = [
            self.select.get_context(
                name, str(chosen), {"id": f"{context['widget']['attrs'].get('id')}_{place}"}
            )
            for place, chosen in enumerate(ranked)
        ]
        return context

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        chosen: list[str] = data.getlist(name)
        return [key for key in chosen if key]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return name not in data


class RankedModelsField(forms.Field):
    """Models in the order in which they are asked."""

    widget = RankedModelsWidget

    def __init__(self, **options: Any) -> None:
        self.known: dict[str, LanguageModel] = {}
        super().__init__(**options)

    def offer(self, models: Iterable[LanguageModel]) -> None:
        self.known = {str(model.pk): model for model in models}
        off = _("disabled")
        self.widget.choices = [
            ("", "—"),
            *(
                (key, str(model) if model.enabled else f"{model} ({off})")
                for key, model in self.known.items()
            ),
        ]

    def to_python(self, value: Any) -> list[LanguageModel]:
        try:
            models = [self.known[key] for key in value or ()]
        except KeyError:
            raise ValidationError(_("This model does not exist any more.")) from None
        if len(set(models)) < len(models):
            raise ValidationError(_("A model can be named once only."))
        return models

    def has_changed(self, initial: Any, data: Any) -> bool:
        return [str(key) for key in initial or ()] != list(data or ())


def any_of(label: Any, choices: Iterable[tuple[str, Any]] = ()) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        choices=choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text=_("Any of the ticked; none ticked: all."),
    )


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    kinds = any_of(_("For messages with"), choices=[(kind, KIND_LABELS[kind]) for kind in CONTENT_KINDS])
    intents = any_of(_("that want"))
    tiers = any_of(_("from users of tier"))
    min_complexity = forms.FloatField(
        label=_("of complexity from"), required=False, min_value=0, max_value=1,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=_("From 0 to 1. Try some messages below, on the page of a stored route."),
    )  # fmt: skip
    max_spent = forms.FloatField(
        label=_("while today's cost is at most"), required=False, min_value=0,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text=_("Of the user or group, in each currency by itself."),
    )  # fmt: skip
    ranked_models = RankedModelsField(
        label=_("Models, in this order"), required=False, help_text=_("The next is asked when one fails.")
    )
    hands_over = forms.BooleanField(
        label=_("Hand over to people"), required=False, widget=UnfoldBooleanSwitchWidget,
        help_text=Rule._meta.get_field("hands_over").help_text,
    )  # fmt: skip
    place = forms.IntegerField(label=_("Place"), required=False, widget=UnfoldAdminIntegerFieldWidget)

    class Meta:
        model = Rule
        fields: ClassVar[list[str]] = []

    def __init__(
        self, *args: Any, models: Iterable[LanguageModel], choices: dict[str, list[str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        ranked = self.fields["ranked_models"]
        assert isinstance(ranked, RankedModelsField)
        ranked.offer(models)
        for name, slugs in choices.items():
            self.fields[name].choices = [(slug, slug) for slug in slugs]  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial.update({name: self.instance.when.get(name) for name in CONDITIONS})
            self.initial["ranked_models"] = [choice.model_id for choice in self.instance.choices.all()]
            self.initial["hands_over"] = self.instance.hands_over
            self.initial["place"] = self.instance.position

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        ranked, hands_over = cleaned.get("ranked_models"), cleaned.get("hands_over", False)
        reason = problem_with_rule(has_models=bool(ranked), hands_over=hands_over)
        if ranked is not None and reason:
            self.add_error("ranked_models", reason)
        return cleaned

    @property
    def draft(self) -> RuleDraft:
        given = {name: self.cleaned_data[name] for name in CONDITIONS}
        when = {name: value for name, value in given.items() if value not in (None, [])}
        models, hands_over = self.cleaned_data["ranked_models"], self.cleaned_data["hands_over"]
        return RuleDraft(when=when, models=models, hands_over=hands_over)


class RuleFormSet(PaginationInlineFormSet):
    """A route's rules; saved as a whole by `save_route`."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        if not hasattr(self, "models"):
            self.models = list(LanguageModel.objects.all())
            self.choices = {
                "intents": list(Intent.objects.values_list("slug", flat=True)),
                "tiers": list(Tier.objects.values_list("slug", flat=True)),
            }
        return {**super().get_form_kwargs(index), "models": self.models, "choices": self.choices}

    def clean(self) -> None:
        super().clean()
        if all(form.is_valid() for form in self.forms) and not self.drafts():
            raise ValidationError(_("A route needs a rule."))

    def drafts(self) -> list[RuleDraft]:
        """The rules as they were entered, in order; new ones come last."""
        kept: list[Any] = [
            form
            for form in self.forms
            if form not in self.deleted_forms
            and (form.cleaned_data.get("ranked_models") or form.cleaned_data.get("hands_over"))
        ]
        last = len(self.forms)
        kept.sort(key=lambda form: last if form.cleaned_data["place"] is None else form.cleaned_data["place"])
        return [form.draft for form in kept]

"""The forms of a route's rules, and of the intents that they ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldBooleanSwitchWidget,
)

from bots.configuration.saving import RuleDraft
from bots.events import CONTENT_KINDS
from bots.forms.fields import any_of
from bots.models import Intent, LanguageModel, Rule, Tier
from bots.validation import CONDITIONS, problem_with_rule

MODEL_PLACES: Final = 4  # models that a rule's form has room for, if it has no more already

KIND_LABELS: Final = {
    "text": _("text"),
    "image": _("image"),
    "voice": _("voice"),
    "file": _("file"),
    "custom": _("custom"),
    "call": _("said in a call"),
}


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

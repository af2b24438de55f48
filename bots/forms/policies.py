"""The forms of policies and word lists."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from bots.forms.fields import (
    SecretField,
    clear_field,
    keep_stored_secrets,
    lines_field,
    list_field,
    tell_stored_secrets,
)
from bots.models import Policy, WordList, WordListVersion
from bots.safety.findings import SIDES
from bots.wordlists import read_words


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

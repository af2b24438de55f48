"""What users may write and robots may say."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from bots import validation
from bots.fields import EncryptedTextField
from bots.models.base import SLUG_HELP
from bots.models.language_models import LanguageModel
from bots.safety.findings import SIDES, Side
from bots.safety.moderation import Terms

WORDS_HELP: Final = _(
    "One to a line. They are found in every way of writing: full width, traditional, upper case, with blanks "
    "or punctuation in between."
)


PATTERNS_HELP: Final = _("Regular expressions, one to a line; (?i) in front: upper and lower case alike.")


MODERATING_MODEL_HELP: Final = _("Asked whether a text may pass; each question is a call that is charged.")


HOOK_HELP: Final = _(
    "Or an HTTP service of your own, which is sent each text, signed, and allows it or does not."
)


MODERATION_DEADLINE: Final = [MinValueValidator(0.1), MaxValueValidator(30)]


class WordList(models.Model):
    """Words for policies, uploaded as a file.  Every upload is a version; one of them is in use."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    current = models.ForeignKey(
        "WordListVersion", models.SET_NULL, null=True, blank=True, related_name="+",
        verbose_name=_("version in use"), help_text=_("Choose an earlier one to go back to it."),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("word list")
        verbose_name_plural = _("word lists")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug


class WordListVersion(models.Model):
    """A word list as it was uploaded.  Never changed."""

    list = models.ForeignKey(WordList, models.CASCADE, related_name="versions", verbose_name=_("word list"))
    number = models.PositiveIntegerField(_("number"))
    words = models.TextField(_("words"))  # one to a line
    count = models.PositiveIntegerField(_("words"))
    uploaded_by = models.CharField(_("uploaded by"), max_length=150, blank=True)
    uploaded_at = models.DateTimeField(_("uploaded"), auto_now_add=True)

    class Meta:
        verbose_name = _("version of a word list")
        verbose_name_plural = _("versions of a word list")
        ordering: ClassVar = ["list", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["list", "number"], name="a_number_once_per_word_list")
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.count}"


class Policy(models.Model):
    """What users may write to a robot, and what it may say."""

    class OnFailure(models.TextChoices):
        """What becomes of a text about which a moderator says nothing."""

        ALLOW = "allow", _("allow: it passes, and the turn says so")
        BLOCK = "block", _("block: it is blocked")

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    input_block_words = models.JSONField(
        _("blocked words"),
        default=list,
        blank=True,
        validators=[validation.check_words],
        help_text=WORDS_HELP,
    )
    input_word_lists = models.JSONField(
        _("word lists"), default=list, blank=True, help_text=_("Their words are blocked too.")
    )
    input_block_patterns = models.JSONField(
        _("blocked patterns"),
        default=list,
        blank=True,
        validators=[validation.check_patterns],
        help_text=PATTERNS_HELP,
    )
    input_block_reply = models.TextField(
        _("reply to what is blocked"),
        default="Sorry, I cannot talk about that.",
        help_text=_("What users read instead of an answer; no model is asked."),
    )
    input_mask_pii = models.BooleanField(
        _("mask personal data"),
        default=False,
        help_text=_(
            "Models see placeholders for phone numbers, ID cards, bank cards and e-mail addresses; "
            "in the answer the user's own data stands in their place again."
        ),
    )
    input_max_chars = models.PositiveIntegerField(
        _("most characters"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_(
            "What is longer is blocked; messages that get one answer count together. Empty: no limit."
        ),
    )
    input_moderation_model = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, blank=True, related_name="moderates_input",
        verbose_name=_("moderating model"), help_text=MODERATING_MODEL_HELP,
    )  # fmt: skip
    input_moderation_url = models.CharField(
        _("moderating hook"),
        blank=True,
        max_length=500,
        validators=[validation.check_address],
        help_text=HOOK_HELP,
    )
    input_moderation_secret = EncryptedTextField(_("secret of the hook"), blank=True, default="")
    input_moderation_timeout_s = models.FloatField(
        _("moderation deadline, s"), default=3, validators=MODERATION_DEADLINE
    )
    input_moderation_on_failure = models.CharField(
        _("without a verdict"), max_length=8, choices=OnFailure, default=OnFailure.ALLOW
    )
    output_block_words = models.JSONField(
        _("blocked words"),
        default=list,
        blank=True,
        validators=[validation.check_words],
        help_text=WORDS_HELP,
    )
    output_word_lists = models.JSONField(
        _("word lists"), default=list, blank=True, help_text=_("Their words are blocked too.")
    )
    output_block_patterns = models.JSONField(
        _("blocked patterns"),
        default=list,
        blank=True,
        validators=[validation.check_patterns],
        help_text=PATTERNS_HELP,
    )
    output_block_reply = models.TextField(
        _("reply instead of what is blocked"),
        default="Sorry, I cannot talk about that.",
        help_text=_("What users read instead; what they have read of the answer is taken back."),
    )
    output_mask_pii = models.BooleanField(
        _("mask personal data"),
        default=False,
        help_text=_("Users read 138****8000 where the answer has personal data, their own included."),
    )
    output_moderation_model = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, blank=True, related_name="moderates_output",
        verbose_name=_("moderating model"), help_text=MODERATING_MODEL_HELP,
    )  # fmt: skip
    output_moderation_url = models.CharField(
        _("moderating hook"),
        blank=True,
        max_length=500,
        validators=[validation.check_address],
        help_text=HOOK_HELP,
    )
    output_moderation_secret = EncryptedTextField(_("secret of the hook"), blank=True, default="")
    output_moderation_timeout_s = models.FloatField(
        _("moderation deadline, s"), default=3, validators=MODERATION_DEADLINE
    )
    output_moderation_on_failure = models.CharField(
        _("without a verdict"), max_length=8, choices=OnFailure, default=OnFailure.ALLOW
    )
    output_moderation_piece_chars = models.PositiveIntegerField(
        _("moderated in pieces of, characters"),
        default=200,
        validators=[MinValueValidator(20), MaxValueValidator(10_000)],
        help_text=_(
            "An answer is held back until so much of it has come, ended a sentence and been judged; its end "
            "is judged together with all of it. Larger: fewer questions, later first words."
        ),
    )
    handoff_words = models.JSONField(
        _("handoff words"),
        default=list,
        blank=True,
        validators=[validation.check_words],
        help_text=_("One to a line. A user who writes one of them is handed to people: the robot is silent."),
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)  # or a list of it
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("policy")
        verbose_name_plural = _("policies")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        problems: dict[str, Any] = {
            name: _("There is no word list %(slug)s.") % {"slug": slug}
            for name in ("input_word_lists", "output_word_lists")
            for slug in getattr(self, name)
            if not WordList.objects.filter(slug=slug).exists()
        }
        for side in SIDES:
            problems |= validation.problems_with_moderation(
                side,
                has_model=getattr(self, f"{side}_moderation_model_id") is not None,
                url=getattr(self, f"{side}_moderation_url"),
                secret=getattr(self, f"{side}_moderation_secret"),
            )
        if problems:
            raise ValidationError(problems)

    def moderation(self, side: Side) -> Terms | None:
        """Who moderates this side, and how; None: nobody.  Asks no database."""
        model_id = getattr(self, f"{side}_moderation_model_id")
        url = getattr(self, f"{side}_moderation_url")
        if model_id is None and not url:
            return None
        return Terms(
            model_id=model_id,
            url=url,
            secret=getattr(self, f"{side}_moderation_secret"),
            timeout_s=getattr(self, f"{side}_moderation_timeout_s"),
            blocks_on_failure=getattr(self, f"{side}_moderation_on_failure") == self.OnFailure.BLOCK,
            piece_chars=self.output_moderation_piece_chars,
        )

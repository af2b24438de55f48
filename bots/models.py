"""Who answers: everything an admin configures."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from bots import validation
from bots.desks import Desk
from bots.events import RobotProfile
from bots.fields import EncryptedJSONField, EncryptedTextField
from bots.llms import APIS, api_choices, client_class
from bots.llms.base import Endpoint, Timeouts, Usage
from bots.safety.findings import SIDES, Side
from bots.safety.moderation import Terms
from bots.vendors import VENDORS, vendor_choices, vendor_class

SLUG_HELP = _("Names this object in addresses and in the configuration file. It cannot be changed later.")
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
DEADLINE: Final = [MinValueValidator(0.1), MaxValueValidator(3600)]
PRICE: Final = [MinValueValidator(Decimal(0))]


class Budget(models.Model):
    """Limits on what models may take.

    A limit on cost holds for each currency by itself: nothing is converted.
    """

    daily_tokens = models.PositiveBigIntegerField(
        _("tokens a day"), null=True, blank=True, help_text=_("In and out together. Empty: no limit.")
    )
    monthly_tokens = models.PositiveBigIntegerField(_("tokens a month"), null=True, blank=True)
    daily_cost = models.DecimalField(
        _("cost a day"), max_digits=14, decimal_places=4, null=True, blank=True, validators=PRICE,
        help_text=_("In the currency of the model that answers; each currency counts by itself."),
    )  # fmt: skip
    monthly_cost = models.DecimalField(
        _("cost a month"), max_digits=14, decimal_places=4, null=True, blank=True, validators=PRICE
    )

    class Meta:
        abstract = True


class VendorAccount(Budget):
    """An app at an IM cloud: where callbacks come from and messages go to."""

    class Call(models.TextChoices):
        """The kinds of call that a vendor counts apart."""

        SEND = "send", _("send")
        EDIT = "edit", _("edit")
        HISTORY = "history", _("history")

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    vendor = models.CharField(_("vendor"), max_length=20, choices=vendor_choices)
    config = EncryptedJSONField(_("settings at the vendor"), default=dict, blank=True)
    limits = models.JSONField(
        _("limits"),
        default=dict,
        blank=True,
        help_text=_("Calls a second that the vendor allows this app: send_per_s, edit_per_s, history_per_s."),
    )
    desk = models.ForeignKey(
        Desk, models.PROTECT, null=True, blank=True, related_name="accounts", verbose_name=_("desk"),
        help_text=_("The people behind its robots, unless a robot has a desk of its own."),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("vendor account")
        verbose_name_plural = _("vendor accounts")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Check the JSON fields, and complete `config` with the vendor's defaults, in the vendor's types."""
        problems: dict[str, Any] = {}
        try:
            validation.check_limits(self.limits)
        except ValidationError as error:
            problems["limits"] = error.error_list
        try:
            if self.vendor in VENDORS:
                self.config = validation.clean_config(vendor_class(self.vendor), self.config)
        except ValidationError as error:
            problems["config"] = error.error_list
        if problems:
            raise ValidationError(problems)

    def allowance(self, call: Call) -> float:
        """Calls a second that the vendor allows this app."""
        allowed: float = self.limits.get(f"{call.value}_per_s") or vendor_class(self.vendor).calls_per_s
        return allowed


class Pace(models.Model):
    """How far an account's allowance for one kind of call is spoken for.

    The table is UNLOGGED (see the migration): a row is worth nothing after a crash, and without a log
    to flush its lock is held for microseconds.
    """

    account = models.ForeignKey(VendorAccount, models.CASCADE, related_name="paces")
    call = models.CharField(max_length=40)  # one of VendorAccount.Call, or what a higher app calls its own
    next_at = models.DateTimeField()  # when the next call may leave

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "call"], name="one_pace_per_account_and_call")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.call}"


class AccountMemory(models.Model):
    """What the workers have learnt of an account at its vendor, such as a token.  It can be learnt anew."""

    account = models.OneToOneField(VendorAccount, models.CASCADE, related_name="memory")
    kept = EncryptedJSONField(default=dict)  # see bots.vendors.memory

    def __str__(self) -> str:
        return str(self.account_id)

    @property
    def note(self) -> str:
        """What a person should know of it, in the language of the page."""
        is_current = time.time() < self.kept.get("note_until", 0)
        return gettext(self.kept["note"]) if is_current else ""


class LanguageModel(models.Model):
    """A model that can answer, and how to ask it."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    api = models.CharField(_("API"), max_length=20, choices=api_choices)
    base_url = models.CharField(
        _("base address"),
        blank=True,
        max_length=500,
        validators=[validation.check_address],
        help_text=_(
            "Everything before /chat/completions, with its version part; "
            "for Anthropic, everything before /v1/messages."
        ),
    )
    api_key = EncryptedTextField(_("API key"), blank=True, default="")
    model = models.CharField(
        _("model name"), max_length=200, help_text=_("The provider's own name of the model.")
    )
    params = models.JSONField(
        _("parameters"),
        default=dict,
        blank=True,
        help_text=_("Sent with every request as they are, such as temperature and max_tokens."),
    )
    takes_images = models.BooleanField(
        _("takes images"),
        default=False,
        help_text=_("It is shown the pictures that users send; others are only told that there is one."),
    )
    connect_s = models.FloatField(_("connect deadline, s"), default=5, validators=DEADLINE)
    first_token_s = models.FloatField(_("first token deadline, s"), default=20, validators=DEADLINE)
    stall_s = models.FloatField(_("stall deadline, s"), default=30, validators=DEADLINE)
    total_s = models.FloatField(_("total deadline, s"), default=120, validators=DEADLINE)
    max_concurrency = models.PositiveIntegerField(
        _("calls at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Over all workers together. Empty: as many as come."),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("language model")
        verbose_name_plural = _("language models")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        if self.api in APIS:
            validation.check_model(client_class(self.api), base_url=self.base_url, params=self.params)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            slug=self.slug,
            model=self.model,
            base_url=self.base_url,
            api_key=self.api_key,
            params=self.params,
            timeouts=Timeouts(
                connect_s=self.connect_s,
                first_token_s=self.first_token_s,
                stall_s=self.stall_s,
                total_s=self.total_s,
            ),
        )

    @cached_property
    def price(self) -> Price:
        """The price that is valid now."""
        return self.price_at(timezone.now())

    def price_at(self, moment: datetime) -> Price:
        """The price that was valid then; one of nothing where none was given."""
        begun = [price for price in self.prices.all() if price.valid_from <= moment]
        return max(begun, key=lambda price: price.valid_from, default=Price(model=self))


class Price(models.Model):
    """What a model costs from some time on, per million tokens."""

    model = models.ForeignKey(
        LanguageModel, models.CASCADE, related_name="prices", verbose_name=_("language model")
    )
    valid_from = models.DateTimeField(_("valid from"), default=timezone.now)
    currency = models.CharField(
        _("currency"),
        max_length=3,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{3}$", _("Three capital letters, such as CNY."))],
        help_text=_("ISO 4217. Prices are per million tokens."),
    )
    input = models.DecimalField(
        _("input price"), max_digits=12, decimal_places=6, default=Decimal(0), validators=PRICE
    )
    cached_input = models.DecimalField(
        _("cached input price"), max_digits=12, decimal_places=6, null=True, blank=True, validators=PRICE,
        help_text=_("Empty: cached tokens cost as much as others."),
    )  # fmt: skip
    output = models.DecimalField(
        _("output price"), max_digits=12, decimal_places=6, default=Decimal(0), validators=PRICE
    )

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering: ClassVar = ["model", "-valid_from"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "valid_from"], name="one_price_at_a_time")
        ]

    def __str__(self) -> str:
        amounts = f"{self.input.normalize():f} / {self.output.normalize():f}"
        return f"{amounts} {self.currency}" if self.currency else "–"

    def clean(self) -> None:
        if not self.currency and any((self.input, self.cached_input, self.output)):
            raise ValidationError({"currency": _("a price needs a currency")})

    @property
    def amounts(self) -> tuple[str, Decimal, Decimal | None, Decimal]:
        return self.currency, self.input, self.cached_input, self.output

    def of(self, usage: Usage) -> Decimal:
        """What so many tokens cost."""
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = usage.input - usage.cached_input
        return (fresh * self.input + usage.cached_input * cached + usage.output * self.output) / 1_000_000


class ModelHealth(models.Model):
    """What the workers have learnt of a model by asking it; see `bots.health`.  No row: nothing bad."""

    model = models.OneToOneField(LanguageModel, models.CASCADE, primary_key=True, related_name="health")
    rests_until = models.DateTimeField(null=True)  # nobody asks it before
    is_broken = models.BooleanField(default=False)  # after its rest, one call at a time tries it
    trial_until = models.DateTimeField(null=True)  # until when another call may not try it
    reason = models.TextField(blank=True)  # the error that decided
    counted_since = models.DateTimeField(null=True)  # the first failure that is counted
    calls = models.PositiveIntegerField(default=0)  # since then, failed ones included
    failures = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.model_id)

    @property
    def is_resting(self) -> bool:
        return self.rests_until is not None and self.rests_until > timezone.now()


class Route(models.Model):
    """Which models answer, in which order."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    classifier = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, blank=True, related_name="classified_routes",
        verbose_name=_("classifier"),
        help_text=_(
            "A small, fast model that finds out what users want and how hard it is, where a rule asks for "
            "it. If it fails or takes longer than 3 seconds, keywords decide. Empty: they always do."
        ),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug


class Intent(models.Model):
    """Something that users want, told by words that they use for it."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    keywords = models.JSONField(
        _("keywords"),
        validators=[validation.check_keywords],
        help_text=_(
            "One a line. Capitals do not matter. Letters are found as whole words, with * at the end as the "
            "beginning of one; Chinese is found anywhere."
        ),
    )
    position = models.PositiveSmallIntegerField(
        _("position"),
        default=0,
        help_text=_("Of intents with as many words in a message, the one with the lowest is taken."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("intent")
        verbose_name_plural = _("intents")
        ordering: ClassVar = ["position", "slug"]

    def __str__(self) -> str:
        return self.slug


class Rule(models.Model):
    """One step of a route: the first rule whose conditions hold names the models, or hands over to people."""

    route = models.ForeignKey(Route, models.CASCADE, related_name="rules", verbose_name=_("route"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    when = models.JSONField(
        _("when"),
        default=dict,
        blank=True,
        validators=[validation.check_condition],
        help_text=_("All given conditions must hold; empty: always."),
    )
    hands_over = models.BooleanField(
        _("hand over to people"),
        default=False,
        help_text=_(
            "No model is asked: the user waits for a person. Passed over while nobody is at the desk."
        ),
    )
    models = models.ManyToManyField(
        LanguageModel, through="RuleModel", related_name="rules", verbose_name=_("models")
    )

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering: ClassVar = ["route", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["route", "position"],
                name="one_rule_per_position",
                deferrable=models.Deferrable.DEFERRED,  # so that rules can change places
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.position + 1}"


class RuleModel(models.Model):
    """A model's place in a rule."""

    rule = models.ForeignKey(Rule, models.CASCADE, related_name="choices", verbose_name=_("rule"))
    model = models.ForeignKey(LanguageModel, models.PROTECT, related_name="choices", verbose_name=_("model"))
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("model of a rule")
        verbose_name_plural = _("models of a rule")
        ordering: ClassVar = ["rule", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "model"], name="a_model_once_per_rule"),
            models.UniqueConstraint(
                fields=["rule", "position"],
                name="one_model_per_position",
                deferrable=models.Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return str(self.model)


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


class Tier(Budget):
    """What a group of users may use.  The limits are each user's own."""

    slug = models.SlugField(_("slug"), unique=True, help_text=SLUG_HELP)
    over_reply = models.TextField(
        _("reply over the limit"),
        blank=True,
        help_text=_("What users read instead of an answer when a limit is reached. Empty: a standard text."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug


class Robot(Budget):
    """An account at a vendor and the mind that speaks through it."""

    class ReplyMode(models.TextChoices):
        STREAM = "stream", _("stream: the answer grows while it is written")
        WHOLE = "whole", _("whole: the answer is sent when it is complete")

    class Groups(models.TextChoices):
        MENTIONS = "mentions", _("mentions: it answers those that mention it")
        ALL = "all", _("all: it answers every message")
        NONE = "none", _("none: it takes no part in groups")

    account = models.ForeignKey(
        VendorAccount, models.PROTECT, related_name="robots", verbose_name=_("account")
    )
    user_id = models.CharField(
        _("user id"), max_length=64, help_text=_("The robot's id at the vendor; users write to it.")
    )
    nickname = models.CharField(_("nickname"), max_length=100, blank=True)
    avatar_url = models.URLField(_("avatar address"), max_length=500, blank=True)
    persona = models.TextField(
        _("persona"),
        blank=True,
        validators=[validation.check_persona],
        help_text=_(
            "Who the robot is and how it speaks: the model's system prompt. {robot}, {user_id}, {group_id}, "
            "{tier}, {date}, {weekday} and {hour} stand for what they are when a model is asked. Whatever "
            "changes within a conversation is best put at the end: providers charge less for the part of a "
            "prompt that is the same as in the turn before, up to the first difference."
        ),
    )
    # The one that has this text; None until the robot is first stored by `save_robot`.
    persona_version = models.ForeignKey(
        "PersonaVersion", models.SET_NULL, null=True, blank=True, editable=False, related_name="+",
        verbose_name=_("version of the persona"),
    )  # fmt: skip
    route = models.ForeignKey(
        Route, models.PROTECT, related_name="robots", verbose_name=_("route"),
        help_text=_("Which models answer."),
    )  # fmt: skip
    policy = models.ForeignKey(
        Policy, models.PROTECT, null=True, blank=True, related_name="robots", verbose_name=_("policy"),
        help_text=_("What users may write and what it may say. Empty: everything."),
    )  # fmt: skip
    own_desk = models.ForeignKey(
        Desk, models.PROTECT, null=True, blank=True, related_name="robots", verbose_name=_("desk"),
        help_text=_("The people behind it. Empty: the account's."),
    )  # fmt: skip
    default_tier = models.ForeignKey(
        Tier, models.PROTECT, null=True, blank=True, related_name="robots", verbose_name=_("default tier"),
        help_text=_("Of users who have none of their own."),
    )  # fmt: skip
    reply_mode = models.CharField(_("reply mode"), max_length=8, choices=ReplyMode, default=ReplyMode.STREAM)
    merge_window_ms = models.PositiveIntegerField(
        _("merge window, ms"),
        default=500,
        validators=[MaxValueValidator(60_000)],
        help_text=_("Messages that follow one another within this time get one answer."),
    )
    max_age_s = models.PositiveIntegerField(
        _("answers messages up to this age, s"),
        default=3600,
        help_text=_(
            "A message that was missed, and found later in the vendor's history, is answered unless it is "
            "older; then it is only kept, and shown to the model with the next one."
        ),
    )
    fallback = models.TextField(
        _("fallback"),
        default="Sorry, I cannot answer right now. Please try again later.",
        help_text=_("What users read when no model could answer."),
    )
    groups = models.CharField(
        _("messages in groups"),
        max_length=8,
        choices=Groups,
        default=Groups.MENTIONS,
        help_text=_(
            "Which of them it answers. Others are read all the same, as context: choose “none” for a robot "
            "that is in no group."
        ),
    )
    history_messages = models.PositiveIntegerField(
        _("history, messages"), default=20, help_text=_("How many earlier messages the model sees at most.")
    )
    history_tokens = models.PositiveIntegerField(
        _("history, tokens"), default=4000, help_text=_("How long those may be together.")
    )
    history_block = models.PositiveIntegerField(
        _("history, block"),
        default=10,
        validators=[MinValueValidator(1)],
        help_text=_(
            "How many of the oldest messages are left out at once when there are too many. One by one, no "
            "prompt would begin as the one before, and providers would charge each in full."
        ),
    )
    history_summaries = models.BooleanField(
        _("summaries"),
        default=True,
        help_text=_(
            "What is left out is summed up in the background, a call to a model for each block, and shown "
            "in short. It is paid for like an answer."
        ),
    )
    summary_model = models.ForeignKey(
        LanguageModel, models.PROTECT, null=True, blank=True, related_name="+",
        verbose_name=_("model for summaries"), help_text=_("Empty: the cheapest of the route."),
    )  # fmt: skip
    enabled = models.BooleanField(_("enabled"), default=True)
    registered_at = models.DateTimeField(_("registered"), null=True, editable=False)
    registration_error = models.TextField(_("registration error"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("robot")
        verbose_name_plural = _("robots")
        ordering: ClassVar = ["account", "user_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "user_id"], name="a_robot_once_per_account")
        ]

    def __str__(self) -> str:
        return self.nickname or self.user_id

    def clean(self) -> None:
        if self.account_id and self.account.vendor in VENDORS:
            validation.check_robot_id(vendor_class(self.account.vendor), self.user_id)

    @property
    def desk(self) -> Desk | None:
        """The people behind it; None: nothing is settled of them."""
        return self.own_desk or self.account.desk

    @property
    def profile(self) -> RobotProfile:
        """What users see of it at the vendor."""
        return RobotProfile(user_id=self.user_id, nickname=self.nickname, avatar_url=self.avatar_url)


class Revision(models.Model):
    """What the configuration is known by until it changes; triggers write it, see `bots.known`.  The tables
    of all that admins configure have one; those that are written as work goes on have none."""

    value = models.UUIDField(primary_key=True)

    def __str__(self) -> str:
        return str(self.value)


class PersonaVersion(models.Model):
    """What a robot's persona was from some moment on."""

    robot = models.ForeignKey(Robot, models.CASCADE, related_name="persona_versions", verbose_name=_("robot"))
    number = models.PositiveIntegerField(_("number"))  # the robot's first is 1
    text = models.TextField(_("persona"), blank=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("changed by"),
        help_text=_("Nobody: it came from a configuration file."),
    )  # fmt: skip
    made_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("version of a persona")
        verbose_name_plural = _("versions of personas")
        ordering: ClassVar = ["robot", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["robot", "number"], name="a_persona_version_once_per_robot")
        ]

    def __str__(self) -> str:
        return gettext("version %(number)d") % {"number": self.number}

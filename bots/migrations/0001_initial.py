from decimal import Decimal

import django.core.validators
import django.db.models.constraints
import django.db.models.deletion
from django.db import migrations, models

import bots.fields
import bots.llms
import bots.validation
import bots.vendors


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="LanguageModel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.SlugField(
                        help_text="Names this object in addresses and in the configuration file. It cannot be changed later.",
                        unique=True,
                        verbose_name="slug",
                    ),
                ),
                ("api", models.CharField(choices=bots.llms.api_choices, max_length=20, verbose_name="API")),
                (
                    "base_url",
                    models.CharField(
                        blank=True,
                        help_text="Everything before /chat/completions, with its version part; for Anthropic, everything before /v1/messages.",
                        max_length=500,
                        validators=[bots.validation.check_address],
                        verbose_name="base address",
                    ),
                ),
                ("api_key", bots.fields.EncryptedTextField(blank=True, default="", verbose_name="API key")),
                (
                    "model",
                    models.CharField(
                        help_text="The provider's own name of the model.",
                        max_length=200,
                        verbose_name="model name",
                    ),
                ),
                (
                    "params",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Sent with every request as they are, such as temperature and max_tokens.",
                        verbose_name="parameters",
                    ),
                ),
                (
                    "connect_s",
                    models.FloatField(
                        default=5,
                        validators=[
                            django.core.validators.MinValueValidator(0.1),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                        verbose_name="connect deadline, s",
                    ),
                ),
                (
                    "first_token_s",
                    models.FloatField(
                        default=20,
                        validators=[
                            django.core.validators.MinValueValidator(0.1),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                        verbose_name="first token deadline, s",
                    ),
                ),
                (
                    "total_s",
                    models.FloatField(
                        default=120,
                        validators=[
                            django.core.validators.MinValueValidator(0.1),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                        verbose_name="total deadline, s",
                    ),
                ),
                (
                    "max_concurrency",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Over all workers together. Empty: as many as come.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="calls at once",
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True,
                        help_text="ISO 4217. Prices are per million tokens.",
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$", "Three capital letters, such as CNY."
                            )
                        ],
                        verbose_name="currency",
                    ),
                ),
                (
                    "input_price",
                    models.DecimalField(
                        decimal_places=6,
                        default=Decimal("0"),
                        max_digits=12,
                        validators=[django.core.validators.MinValueValidator(Decimal("0"))],
                        verbose_name="input price",
                    ),
                ),
                (
                    "cached_input_price",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="Empty: cached tokens cost as much as others.",
                        max_digits=12,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(Decimal("0"))],
                        verbose_name="cached input price",
                    ),
                ),
                (
                    "output_price",
                    models.DecimalField(
                        decimal_places=6,
                        default=Decimal("0"),
                        max_digits=12,
                        validators=[django.core.validators.MinValueValidator(Decimal("0"))],
                        verbose_name="output price",
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "language model",
                "verbose_name_plural": "language models",
                "ordering": ["slug"],
            },
        ),
        migrations.CreateModel(
            name="Route",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.SlugField(
                        help_text="Names this object in addresses and in the configuration file. It cannot be changed later.",
                        unique=True,
                        verbose_name="slug",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "route",
                "verbose_name_plural": "routes",
                "ordering": ["slug"],
            },
        ),
        migrations.CreateModel(
            name="VendorAccount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.SlugField(
                        help_text="Names this object in addresses and in the configuration file. It cannot be changed later.",
                        unique=True,
                        verbose_name="slug",
                    ),
                ),
                (
                    "vendor",
                    models.CharField(
                        choices=bots.vendors.vendor_choices, max_length=20, verbose_name="vendor"
                    ),
                ),
                (
                    "config",
                    bots.fields.EncryptedJSONField(
                        blank=True, default=dict, verbose_name="settings at the vendor"
                    ),
                ),
                (
                    "limits",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Calls a second that the vendor allows this app: send_per_s, edit_per_s.",
                        verbose_name="limits",
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
            ],
            options={
                "verbose_name": "vendor account",
                "verbose_name_plural": "vendor accounts",
                "ordering": ["slug"],
            },
        ),
        migrations.CreateModel(
            name="Rule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0, verbose_name="position")),
                (
                    "when",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='All given conditions must hold; empty: always. Known: {"kinds": ["image", …]}.',
                        validators=[bots.validation.check_condition],
                        verbose_name="when",
                    ),
                ),
                (
                    "route",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rules",
                        to="bots.route",
                        verbose_name="route",
                    ),
                ),
            ],
            options={
                "verbose_name": "rule",
                "verbose_name_plural": "rules",
                "ordering": ["route", "position"],
            },
        ),
        migrations.CreateModel(
            name="RuleModel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0, verbose_name="position")),
                (
                    "model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="choices",
                        to="bots.languagemodel",
                        verbose_name="model",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="choices",
                        to="bots.rule",
                        verbose_name="rule",
                    ),
                ),
            ],
            options={
                "verbose_name": "model of a rule",
                "verbose_name_plural": "models of a rule",
                "ordering": ["rule", "position"],
            },
        ),
        migrations.AddField(
            model_name="rule",
            name="models",
            field=models.ManyToManyField(
                related_name="rules", through="bots.RuleModel", to="bots.languagemodel", verbose_name="models"
            ),
        ),
        migrations.CreateModel(
            name="Robot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "user_id",
                    models.CharField(
                        help_text="The robot's id at the vendor; users write to it.",
                        max_length=64,
                        verbose_name="user id",
                    ),
                ),
                ("nickname", models.CharField(blank=True, max_length=100, verbose_name="nickname")),
                ("avatar_url", models.URLField(blank=True, max_length=500, verbose_name="avatar address")),
                (
                    "persona",
                    models.TextField(
                        blank=True,
                        help_text="Who the robot is and how it speaks: the model's system prompt.",
                        verbose_name="persona",
                    ),
                ),
                (
                    "reply_mode",
                    models.CharField(
                        choices=[
                            ("stream", "stream: the answer grows while it is written"),
                            ("whole", "whole: the answer is sent when it is complete"),
                        ],
                        default="stream",
                        max_length=8,
                        verbose_name="reply mode",
                    ),
                ),
                (
                    "merge_window_ms",
                    models.PositiveIntegerField(
                        default=500,
                        help_text="Messages that follow one another within this time get one answer.",
                        validators=[django.core.validators.MaxValueValidator(60000)],
                        verbose_name="merge window, ms",
                    ),
                ),
                (
                    "fallback",
                    models.TextField(
                        default="Sorry, I cannot answer right now. Please try again later.",
                        help_text="What users read when no model could answer.",
                        verbose_name="fallback",
                    ),
                ),
                (
                    "history_messages",
                    models.PositiveIntegerField(
                        default=20,
                        help_text="How many earlier messages the model sees at most.",
                        verbose_name="history, messages",
                    ),
                ),
                (
                    "history_tokens",
                    models.PositiveIntegerField(
                        default=4000,
                        help_text="How long those may be together.",
                        verbose_name="history, tokens",
                    ),
                ),
                ("enabled", models.BooleanField(default=True, verbose_name="enabled")),
                ("registered_at", models.DateTimeField(editable=False, null=True, verbose_name="registered")),
                (
                    "registration_error",
                    models.TextField(blank=True, editable=False, verbose_name="registration error"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "route",
                    models.ForeignKey(
                        help_text="Which models answer.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="robots",
                        to="bots.route",
                        verbose_name="route",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="robots",
                        to="bots.vendoraccount",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "robot",
                "verbose_name_plural": "robots",
                "ordering": ["account", "user_id"],
            },
        ),
        migrations.CreateModel(
            name="Pace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("call", models.CharField(choices=[("send", "send"), ("edit", "edit")], max_length=8)),
                ("next_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="paces",
                        to="bots.vendoraccount",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="rulemodel",
            constraint=models.UniqueConstraint(fields=("rule", "model"), name="a_model_once_per_rule"),
        ),
        migrations.AddConstraint(
            model_name="rulemodel",
            constraint=models.UniqueConstraint(
                deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                fields=("rule", "position"),
                name="one_model_per_position",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.UniqueConstraint(
                deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                fields=("route", "position"),
                name="one_rule_per_position",
            ),
        ),
        migrations.AddConstraint(
            model_name="robot",
            constraint=models.UniqueConstraint(
                fields=("account", "user_id"), name="a_robot_once_per_account"
            ),
        ),
        migrations.AddConstraint(
            model_name="pace",
            constraint=models.UniqueConstraint(
                fields=("account", "call"), name="one_pace_per_account_and_call"
            ),
        ),
        # A row is worth nothing after a crash, and without a log to flush its lock is held for microseconds.
        migrations.RunSQL("ALTER TABLE bots_pace SET UNLOGGED", "ALTER TABLE bots_pace SET LOGGED"),
    ]

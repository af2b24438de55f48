import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import conversations.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("bots", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Conversation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=conversations.models.new_public_id,
                        max_length=16,
                        unique=True,
                        verbose_name="id",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("peer", "one to one"), ("group", "group")],
                        default="peer",
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                (
                    "peer_id",
                    models.CharField(
                        help_text="The user's or the group's id at the vendor.",
                        max_length=64,
                        verbose_name="peer",
                    ),
                ),
                (
                    "owner",
                    models.CharField(
                        choices=[("robot", "robot"), ("operator", "operator")],
                        default="robot",
                        max_length=8,
                        verbose_name="owner",
                    ),
                ),
                ("epoch", models.PositiveIntegerField(default=0, verbose_name="epoch")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="created"),
                ),
                (
                    "last_message_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="last message"),
                ),
                (
                    "robot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="conversations",
                        to="bots.robot",
                        verbose_name="robot",
                    ),
                ),
            ],
            options={
                "verbose_name": "conversation",
                "verbose_name_plural": "conversations",
            },
        ),
        migrations.CreateModel(
            name="Turn",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("thinking", "thinking"),
                            ("speaking", "speaking"),
                            ("done", "done"),
                            ("stopped", "stopped"),
                            ("taken_over", "taken over"),
                            ("failed", "failed"),
                        ],
                        default="waiting",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                ("epoch", models.PositiveIntegerField(default=0, verbose_name="epoch")),
                ("attempt", models.PositiveIntegerField(default=0, verbose_name="attempt")),
                ("reply", models.TextField(blank=True, verbose_name="reply")),
                ("finish_reason", models.CharField(blank=True, max_length=50, verbose_name="finish reason")),
                ("input_tokens", models.PositiveIntegerField(default=0, verbose_name="input tokens")),
                (
                    "cached_input_tokens",
                    models.PositiveIntegerField(default=0, verbose_name="cached input tokens"),
                ),
                ("output_tokens", models.PositiveIntegerField(default=0, verbose_name="output tokens")),
                (
                    "tokens_are_estimated",
                    models.BooleanField(default=False, verbose_name="tokens are estimated"),
                ),
                (
                    "cost",
                    models.DecimalField(decimal_places=8, default=0, max_digits=14, verbose_name="cost"),
                ),
                ("currency", models.CharField(blank=True, max_length=3, verbose_name="currency")),
                ("queued_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="queued")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("first_token_at", models.DateTimeField(null=True, verbose_name="first token")),
                ("spoken_at", models.DateTimeField(null=True, verbose_name="first words sent")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended")),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "conversation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="turns",
                        to="conversations.conversation",
                        verbose_name="conversation",
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="turns",
                        to="bots.languagemodel",
                        verbose_name="model",
                    ),
                ),
            ],
            options={
                "verbose_name": "turn",
                "verbose_name_plural": "turns",
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "public_id",
                    models.CharField(
                        default=conversations.models.new_public_id,
                        max_length=16,
                        unique=True,
                        verbose_name="id",
                    ),
                ),
                (
                    "sender",
                    models.CharField(
                        choices=[
                            ("user", "user"),
                            ("robot", "robot"),
                            ("operator", "operator"),
                            ("system", "system"),
                        ],
                        max_length=8,
                        verbose_name="sender",
                    ),
                ),
                ("sender_id", models.CharField(max_length=64, verbose_name="sender's id")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("text", "text"),
                            ("image", "image"),
                            ("voice", "voice"),
                            ("file", "file"),
                            ("custom", "custom"),
                        ],
                        default="text",
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                ("text", models.TextField(blank=True, verbose_name="text")),
                ("extra", models.JSONField(blank=True, default=dict, verbose_name="content")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("received", "received"),
                            ("sending", "sending"),
                            ("streaming", "streaming"),
                            ("finishing", "finishing"),
                            ("delivered", "delivered"),
                            ("recalled", "recalled"),
                            ("failed", "failed"),
                        ],
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "vendor_message_id",
                    models.CharField(max_length=100, null=True, verbose_name="vendor's id"),
                ),
                ("key", models.BigIntegerField(null=True, verbose_name="key")),
                ("frame", models.PositiveIntegerField(default=0, verbose_name="frames")),
                ("is_stream", models.BooleanField(default=False, verbose_name="grows")),
                ("is_error", models.BooleanField(default=False, verbose_name="tells of a failure")),
                ("happened_at", models.DateTimeField(verbose_name="time")),
                ("order", models.BigIntegerField(default=0, verbose_name="order")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, verbose_name="stored"),
                ),
                ("error", models.TextField(blank=True, verbose_name="error")),
                (
                    "conversation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="messages",
                        to="conversations.conversation",
                        verbose_name="conversation",
                    ),
                ),
                (
                    "turn",
                    models.ForeignKey(
                        help_text="The turn that answers it, or that said it.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="messages",
                        to="conversations.turn",
                        verbose_name="turn",
                    ),
                ),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
            },
        ),
        migrations.CreateModel(
            name="Callback",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("delivery_id", models.CharField(max_length=200, verbose_name="delivery id")),
                ("event", models.CharField(max_length=100, verbose_name="event")),
                ("received_at", models.DateTimeField(verbose_name="received")),
                ("query", models.JSONField(default=dict, verbose_name="query")),
                ("headers", models.JSONField(default=dict, verbose_name="headers")),
                ("body", models.TextField(verbose_name="body")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("read", "read"),
                            ("ignored", "nothing to do"),
                            ("unread", "could not be read"),
                        ],
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("error", models.TextField(blank=True, verbose_name="note")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="callbacks",
                        to="bots.vendoraccount",
                        verbose_name="account",
                    ),
                ),
            ],
            options={
                "verbose_name": "callback",
                "verbose_name_plural": "callbacks",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "unread")), fields=["-id"], name="callback_unread"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "delivery_id"), name="a_delivery_is_stored_once"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(fields=["-last_message_at"], name="conversation_latest"),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["peer_id"], name="conversation_by_peer", opclasses=["text_pattern_ops"]
            ),
        ),
        migrations.AddConstraint(
            model_name="conversation",
            constraint=models.UniqueConstraint(
                fields=("robot", "kind", "peer_id"), name="one_conversation_per_robot_and_peer"
            ),
        ),
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(
                condition=models.Q(("state__in", ["thinking", "speaking"])),
                fields=["model"],
                name="turn_running_by_model",
            ),
        ),
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(condition=models.Q(("state", "failed")), fields=["-id"], name="turn_failed"),
        ),
        migrations.AddConstraint(
            model_name="turn",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "waiting")), fields=("conversation",), name="one_waiting_turn"
            ),
        ),
        migrations.AddConstraint(
            model_name="turn",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["thinking", "speaking"])),
                fields=("conversation",),
                name="one_running_turn",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["conversation", "-id"], name="message_latest"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state", "failed")), fields=["-id"], name="message_failed"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("sender", "user"), ("turn", None)),
                fields=["conversation"],
                name="message_unanswered",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                fields=("conversation", "vendor_message_id"), name="a_vendor_message_is_stored_once"
            ),
        ),
        # For the admin's search by time.  Rows come in this order, so these indexes are next to nothing, which
        # a B-tree on a table of every callback is not.  Django has them only with all of contrib.postgres.
        migrations.RunSQL(
            "CREATE INDEX callback_by_time ON conversations_callback USING brin (received_at)",
            "DROP INDEX callback_by_time",
        ),
        migrations.RunSQL(
            "CREATE INDEX turn_by_time ON conversations_turn USING brin (queued_at)",
            "DROP INDEX turn_by_time",
        ),
    ]

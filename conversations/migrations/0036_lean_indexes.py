"""Indexes that others begin with go, those by the beginning of an id, which nobody asks for, and the one of
turns leaves out messages of none.

By hand, for Django would check the foreign keys of all rows again while writers wait.
"""

from typing import Any, Final

import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

DROP: Final = "DROP INDEX CONCURRENTLY IF EXISTS {name}"
CREATE: Final = "CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON conversations_{model} ({field}_id)"
DROP_LIKE: Final = "DROP INDEX CONCURRENTLY IF EXISTS conversations_{model}_public_id_{digest}_like"
CREATE_LIKE: Final = (
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS conversations_{model}_public_id_{digest}_like"
    " ON conversations_{model} (public_id varchar_pattern_ops)"
)


def without_like(model: str, digest: str) -> migrations.RunSQL:
    names = {"model": model, "digest": digest}
    return migrations.RunSQL(DROP_LIKE.format(**names), CREATE_LIKE.format(**names))


def without_index(model: str, field: str, name: str, **options: Any) -> migrations.RunSQL:
    names = {"model": model, "field": field, "name": name}
    altered = migrations.AlterField(model, field, models.ForeignKey(db_index=False, **options))
    return migrations.RunSQL(DROP.format(**names), CREATE.format(**names), state_operations=[altered])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("bots", "0022_revision"),
        ("conversations", "0035_usage_sums"),
    ]

    operations = [
        without_like("message", "96a2cd13"),
        without_like("conversation", "c6bde3a9"),
        AddIndexConcurrently(
            "message",
            models.Index(
                condition=models.Q(("turn__isnull", False)), fields=["turn"], name="message_of_turn"
            ),
        ),
        without_index(
            "message",
            "turn",
            "conversations_message_turn_id_ff2e7681",
            help_text="The turn that answers it, or that said it.",
            null=True,
            on_delete=django.db.models.deletion.SET_NULL,
            related_name="messages",
            to="conversations.turn",
            verbose_name="turn",
        ),
        without_index(
            "message",
            "conversation",
            "conversations_message_conversation_id_f1a2d5e9",
            on_delete=django.db.models.deletion.CASCADE,
            related_name="messages",
            to="conversations.conversation",
            verbose_name="conversation",
        ),
        without_index(
            "callback",
            "account",
            "conversations_callback_account_id_a2c49e21",
            on_delete=django.db.models.deletion.PROTECT,
            related_name="callbacks",
            to="bots.vendoraccount",
            verbose_name="account",
        ),
        without_index(
            "conversation",
            "robot",
            "conversations_conversation_robot_id_6dabc126",
            on_delete=django.db.models.deletion.PROTECT,
            related_name="conversations",
            to="bots.robot",
            verbose_name="robot",
        ),
        without_index(
            "spend",
            "account",
            "conversations_spend_account_id_0dc4812c",
            on_delete=django.db.models.deletion.PROTECT,
            related_name="spending",
            to="bots.vendoraccount",
            verbose_name="account",
        ),
    ]

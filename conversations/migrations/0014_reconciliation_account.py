from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def fill(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    conversations = apps.get_model("conversations", "Conversation")
    account = conversations.objects.filter(pk=models.OuterRef("conversation")).values("robot__account")
    apps.get_model("conversations", "Reconciliation").objects.update(account=models.Subquery(account))


class Migration(migrations.Migration):
    dependencies = [
        ("bots", "0012_handoff_words"),
        ("conversations", "0013_handed_off"),
    ]

    operations = [
        migrations.AddField(
            model_name="reconciliation",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=models.deletion.CASCADE,
                related_name="reconciliations",
                to="bots.vendoraccount",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        # Otherwise the checks of the new column are still to come when the table is changed again.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="reconciliation",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=models.deletion.CASCADE,
                related_name="reconciliations",
                to="bots.vendoraccount",
            ),
        ),
        migrations.AddIndex(
            model_name="reconciliation",
            index=models.Index(fields=["account", "due_at", "id"], name="reconciliation_next"),
        ),
    ]

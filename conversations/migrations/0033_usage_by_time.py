import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("conversations", "0032_search_in_parts"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="modelcall",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["started_at"], name="call_by_time"
            ),
        ),
    ]

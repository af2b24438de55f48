from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("conversations", "0033_usage_by_time"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="spend",
            index=models.Index(
                condition=models.Q(("scope", "robot")), fields=["day"], name="spend_of_robots"
            ),
        ),
    ]

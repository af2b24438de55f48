from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

CRITICAL: dict[str, Any] = {"severity": "critical", "remind_s": 3600}

# Kind, from where on it is trouble, where it is well again, within how long, from how many.
RULES: list[dict[str, Any]] = [
    {"kind": "callbacks_failing", "threshold": 0.05, "clears_at": 0.02, "min_count": 10, **CRITICAL},
    {"kind": "callbacks_slow", "threshold": 1, "clears_at": 0.5, "min_count": 20, "opens_after_s": 60},
    {"kind": "signatures_failing", "threshold": 0.2, "clears_at": 0.05, "min_count": 5, **CRITICAL},
    {"kind": "callbacks_missing", "threshold": 10, "window_s": 900, **CRITICAL},
    {"kind": "no_web", "threshold": 10, "closes_after_s": 30, **CRITICAL},
    {"kind": "turns_failing", "threshold": 0.2, "clears_at": 0.1, "min_count": 5, **CRITICAL},
    {"kind": "model_failing", "threshold": 0.3, "clears_at": 0.1, "min_count": 5},
    {"kind": "model_slow", "threshold": 10, "clears_at": 8, "min_count": 5, "opens_after_s": 60},
    {"kind": "breaker_open", "threshold": 1, **CRITICAL},
    {"kind": "cost_unusual", "threshold": 5, "clears_at": 3, "min_count": 1},
    {"kind": "tokens_unusual", "threshold": 5, "clears_at": 3, "min_count": 100_000},
    {"kind": "limit_near", "threshold": 0.8},
    {"kind": "queue_old", "threshold": 30, "clears_at": 10, "opens_after_s": 15, **CRITICAL},
    {"kind": "workers_few", "threshold": 0, "opens_after_s": 15, "closes_after_s": 15, **CRITICAL},
    {"kind": "worker_died", "threshold": 1, "closes_after_s": 0},
    {"kind": "vendor_refusing", "threshold": 0.2, "clears_at": 0.1, "min_count": 5, **CRITICAL},
    {"kind": "vendor_throttling", "threshold": 0.1, "clears_at": 0.05, "min_count": 10},
    {"kind": "ratings_low", "threshold": 3, "clears_at": 3.2, "window_s": 86400, "min_count": 5},
]


def add_rules(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rule = apps.get_model("alerts", "AlertRule")
    rule.objects.bulk_create([rule(**fields) for fields in RULES])


class Migration(migrations.Migration):
    dependencies = [("alerts", "0001_alerts")]

    operations = [migrations.RunPython(add_rules, migrations.RunPython.noop)]

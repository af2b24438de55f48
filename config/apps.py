from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from config import jobs


class ParleyConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 -- it registers itself

        post_migrate.connect(analyze_job_tables, sender=apps.get_app_config("procrastinate"))


def analyze_job_tables(**kwargs: Any) -> None:
    jobs.analyze()

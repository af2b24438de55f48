from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from bots.configuration.exporting import export


class Command(BaseCommand):
    help = "Prints the configuration as a file for `apply`, with ${NAME} in place of each secret."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(export()), ending="")

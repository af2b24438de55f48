from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit.models import Entry
from audit.recording import command, record
from bots.configuration.exporting import export


class Command(BaseCommand):
    help = "Prints the configuration as a file for `apply`, with ${NAME} in place of each secret."

    def handle(self, *args: Any, **options: Any) -> None:
        record(command("export"), Entry.Deed.EXPORTED, "configuration")
        self.stdout.write(str(export()), ending="")

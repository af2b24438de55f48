from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import backups


class Command(BaseCommand):
    help = (
        "Puts a backup in the place of all that is in the database, its secrets in the place of those in "
        "VAR_DIR, and its files of operators beside those in ATTACHMENTS_DIR.  Parley must not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument(
            "--yes", action="store_true", help="without this, only what would be done is told"
        )

    def handle(self, *args: Any, folder: Path, yes: bool, **options: Any) -> None:
        database = backups.name_of_database()
        try:
            backups.check_readable(folder)
            backups.check_nobody_is_connected()
            if not yes:
                self.stdout.write(
                    f"Would replace all that is in the database {database}.  With --yes it does."
                )
                return
            # First, as nothing is lost yet if the disk is full.
            attachments = backups.attachments_dir()
            files = backups.restore_attachments(folder, attachments=attachments) if attachments else 0
            backups.restore_database(folder)
            secrets = backups.restore_secrets(folder, secrets=settings.VAR_DIR / "secrets")
        except (backups.CannotDoIt, OSError) as error:
            raise CommandError(str(error)) from None
        restored = [f"the database {database}", *secrets, f"files of operators: {files}"]
        self.stdout.write(f"Restored {', '.join(restored)}")
        self.stdout.write("If the backup is of an older version, run `migrate` now.")

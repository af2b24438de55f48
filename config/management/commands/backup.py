from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import backups


class Command(BaseCommand):
    help = (
        "Writes the database, the secrets of VAR_DIR and operators' files into a new folder.  Parley may run "
        "meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        secrets, attachments = settings.VAR_DIR / "secrets", backups.attachments_dir()
        try:
            backups.back_up(folder, secrets=secrets, attachments=attachments)
        except (backups.CannotDoIt, OSError) as error:
            raise CommandError(str(error)) from None
        files = "operators' files" if attachments else "no files of operators, which a storage of yours has"
        self.stdout.write(f"{folder} holds the database, {files}, and {kept_by(secrets)}")


def kept_by(secrets: Path) -> str:
    if (secrets / "credentials_key").exists():
        return "the secrets of this machine: keep it like a password"
    return "no secrets: keep CREDENTIALS_KEYS with it, without which its credentials cannot be read"

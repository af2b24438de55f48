from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bots.configuration.applying import apply
from bots.configuration.problems import ConfigurationInvalid


class Command(BaseCommand):
    help = (
        "Makes the database match configuration files.  A key that an object leaves out returns to its "
        "default.  Anything wrong: nothing is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", metavar="FILE", nargs="+", type=Path, help="YAML; together one configuration"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
        parser.add_argument("--prune", action="store_true", help="also disable what the files no longer name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            outcomes = apply(options["files"], prune=options["prune"], dry_run=options["dry_run"])
        except ConfigurationInvalid as error:
            raise CommandError(f"nothing was written:\n{error}", returncode=1) from error
        for outcome in outcomes:
            self.stdout.write(str(outcome))
        if options["dry_run"]:
            self.stderr.write("dry run: nothing was written")

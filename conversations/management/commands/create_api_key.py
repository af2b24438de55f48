from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations.models import ApiKey

LONGEST_NAME = 50


class Command(BaseCommand):
    help = "Makes a key for the REST API and prints it, this once: only a hash is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="for people, in lists and as the name of an outside desk")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=ApiKey.Scope.values,
            help="what the key may be used for besides sessions; may be repeated",
        )

    def handle(self, *args: Any, name: str, scope: list[str], **options: Any) -> None:
        if not 0 < len(name) <= LONGEST_NAME:
            raise CommandError(f"a name has 1 to {LONGEST_NAME} characters")
        scopes = sorted({ApiKey.Scope.SESSIONS, *scope})
        _, key = ApiKey.objects.create_key(name=name, scopes=scopes)
        self.stdout.write(key)

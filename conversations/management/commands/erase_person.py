from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from conversations import persons
from conversations.management.arguments import add_person, find_account


class Command(BaseCommand):
    help = "Erases all that is stored of one person.  What lies at the vendor has to be erased there."

    def add_arguments(self, parser: CommandParser) -> None:
        add_person(parser)
        parser.add_argument("--yes", action="store_true", help="needed, as it cannot be undone")

    def handle(self, *args: Any, account: str, user_id: str, yes: bool, **options: Any) -> None:
        found = find_account(account)
        if not yes:
            raise CommandError(f"this erases {user_id} of {account} for good; say --yes to do it")
        for kind, count in persons.erase(found, user_id).items():
            self.stdout.write(f"{kind.replace('_', ' ')}: {count}")

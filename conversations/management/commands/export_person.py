from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from audit.models import Entry
from audit.recording import command, record
from conversations import persons
from conversations.management.arguments import add_person, find_account


class Command(BaseCommand):
    help = "Prints all that is stored of one person, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        add_person(parser)

    def handle(self, *args: Any, account: str, user_id: str, **options: Any) -> None:
        data = persons.export(find_account(account), user_id)
        record(command("export_person"), Entry.Deed.EXPORTED, f"person {account}/{user_id}")
        self.stdout.write(json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))

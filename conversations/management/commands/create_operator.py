from __future__ import annotations

import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from conversations.console.rights import GROUPS


class Command(BaseCommand):
    help = "Makes a user of the console and prints the password, this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--group", choices=GROUPS, default="operator", help="default: operator")

    def handle(self, *args: Any, **options: Any) -> None:
        name, password = options["name"], secrets.token_urlsafe(9)
        if User.objects.filter(username=name).exists():
            raise CommandError(f"there is a user {name!r} already")
        with transaction.atomic():
            user = User.objects.create_user(name, password=password)
            user.groups.add(Group.objects.get(name=options["group"]))
        self.stdout.write(password)

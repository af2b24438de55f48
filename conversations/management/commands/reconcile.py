from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from bots.models import VendorAccount
from conversations import outages, reconciling
from conversations.models import Conversation


class Command(BaseCommand):
    help = "Has the workers look in the vendors' histories for messages that were missed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("accounts", nargs="*", metavar="ACCOUNT", help="slugs; none: all accounts")
        parser.add_argument(
            "--since",
            metavar="TIME",
            help="when the first was said, such as 2026-11-21T08:00Z; default: RECONCILE_DAYS ago",
        )

    def handle(self, *args: Any, accounts: list[str], since: str | None, **options: Any) -> None:
        missed_since = read_time(since) if since else timezone.now() - reconciling.window()
        active = Conversation.objects.filter(last_message_at__gte=missed_since - reconciling.window())
        if accounts:
            active = active.filter(robot__account__in=find_accounts(accounts))
        count = outages.reconcile(active, since=missed_since)
        self.stdout.write(f"{count} conversations will be compared with their vendors' histories")


def read_time(text: str) -> datetime:
    """A time without a zone is in UTC."""
    try:
        time = parse_datetime(text)
    except ValueError:
        time = None
    if time is None:
        raise CommandError(f"--since: {text!r} is not a time such as 2026-11-21T08:00Z")
    return time if timezone.is_aware(time) else time.replace(tzinfo=UTC)


def find_accounts(slugs: list[str]) -> list[VendorAccount]:
    accounts = list(VendorAccount.objects.filter(slug__in=slugs))
    if unknown := set(slugs) - {account.slug for account in accounts}:
        raise CommandError(f"there is no account {', '.join(sorted(unknown))}")
    return accounts

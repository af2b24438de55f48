"""Arguments that several commands have."""

from __future__ import annotations

from django.core.management.base import CommandError, CommandParser

from bots.models import VendorAccount


def add_person(parser: CommandParser) -> None:
    parser.add_argument("account", metavar="ACCOUNT", help="the account's slug")
    parser.add_argument("user_id", metavar="USER_ID", help="the user's id at the vendor")


def find_account(slug: str) -> VendorAccount:
    account = VendorAccount.objects.filter(slug=slug).first()
    if account is None:
        raise CommandError(f"there is no account {slug}")
    return account

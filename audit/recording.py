"""Entries of the audit log: written in the transaction of what they tell of, or not at all."""

from __future__ import annotations

from audit.models import Entry

LONGEST_NAME, LONGEST_WHAT = 150, 200


def record(who: str, deed: Entry.Deed, what: object, details: str = "") -> None:
    Entry.objects.create(who=who[:LONGEST_NAME], deed=deed, what=str(what)[:LONGEST_WHAT], details=details)


def command(name: str) -> str:
    """Who did it where nobody is logged in."""
    return f"manage.py {name}"

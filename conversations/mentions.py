"""Whom messages in groups speak to.

Some vendors list the members that a message mentions, others leave it to the text.  What tells of the same
message twice, once with such a list and once without, counts as one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from bots.events import MessageReceived
from bots.models import Robot, VendorAccount

type Heard = Sequence[tuple[VendorAccount, MessageReceived]]

LETTER: Final = "[a-z0-9_]"  # of names that end where something else follows; Chinese knows no such end


def settle(heard: Heard) -> Heard:
    """The same messages, each once, all with their mentions."""
    return each_once(with_mentions(heard))


def each_once(heard: Heard) -> Heard:
    """A batch may hold two callbacks of one message: whoever is mentioned by either is mentioned."""
    messages: dict[tuple[object, ...], tuple[VendorAccount, MessageReceived]] = {}
    for account, event in heard:
        which = (account.pk, event.robot_id, event.conversation, event.vendor_message_id)
        if which in messages:
            known = messages[which][1]
            event = replace(known, mentions=(*(known.mentions or ()), *(event.mentions or ())))
        messages[which] = account, event
    return list(messages.values())


def with_mentions(heard: Heard) -> Heard:
    """Search the texts of those messages whose vendor leaves it to them.  One query, where there are any."""
    accounts = {account.pk for account, event in heard if event.mentions is None}
    if not accounts:
        return heard
    names = {pk: Names() for pk in accounts}
    robots = Robot.objects.filter(account__in=accounts).exclude(groups=Robot.Groups.NONE)
    for account_id, user_id, nickname in robots.values_list("account_id", "user_id", "nickname"):
        names[account_id].add(user_id, (user_id, nickname))
    return [
        (
            account,
            event
            if event.mentions is not None
            else replace(event, mentions=names[account.pk].in_text(event.content.text)),
        )
        for account, event in heard
    ]


class Names:
    """What an account's robots are called."""

    def __init__(self) -> None:
        self._robots: dict[str, set[str]] = defaultdict(set)  # user ids by name

    def add(self, user_id: str, names: Iterable[str]) -> None:
        for name in names:
            if name := name.removeprefix("@").strip().lower():
                self._robots[name].add(user_id)

    def in_text(self, text: str) -> tuple[str, ...]:
        """The robots that the text names after an @."""
        found = re.finditer(self._pattern(), text.lower()) if self._robots else ()
        return tuple(sorted({robot for match in found for robot in self._robots[match["name"]]}))

    def _pattern(self) -> str:
        """The longest name first: @Ada Lovelace is not @Ada, nor is @Adam, nor mail@ada.example."""
        names = sorted(self._robots, key=len, reverse=True)
        ends = (re.escape(name) + (f"(?!{LETTER})" if re.match(LETTER, name[-1]) else "") for name in names)
        return rf"(?<!{LETTER})@(?P<name>{'|'.join(ends)})"

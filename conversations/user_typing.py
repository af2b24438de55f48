"""Word of users who are writing, from the process that took the callback to all that have consoles.

It is worth nothing a few seconds later, so there is no row of it: a NOTIFY leaves with the callback's commit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from django.db import connection

from bots.events import Typing
from bots.models import VendorAccount

CHANNEL: Final = "user_types"

TELL: Final = """
SELECT pg_notify(%(channel)s, conversation.id::text)
  FROM json_to_recordset(%(typing)s) AS typing (account_id bigint, robot text, peer text)
  JOIN bots_robot AS robot ON robot.account_id = typing.account_id AND robot.user_id = typing.robot
  JOIN conversations_conversation AS conversation
    ON (conversation.robot_id, conversation.kind, conversation.peer_id) = (robot.id, 'peer', typing.peer)
"""

# What this process does on such a word, with the conversation's id.  It must not block.
listeners: Final[list[Callable[[int], None]]] = []


def tell(events: Sequence[tuple[VendorAccount, Typing]]) -> None:
    """Let consoles know, by one statement.  For use inside a transaction."""
    typing = [
        {"account_id": account.pk, "robot": event.robot_id, "peer": event.conversation.id}
        for account, event in events
    ]
    with connection.cursor() as cursor:
        cursor.execute(TELL, {"channel": CHANNEL, "typing": json.dumps(typing)})


def heard(conversation_id: str) -> None:
    for act in listeners:
        act(int(conversation_id))

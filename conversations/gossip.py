"""Word between the processes of who looks at a conversation and who writes in it.

It is worth nothing a few seconds later, so there is no row of it: a NOTIFY leaves with the commit, and all
processes that have consoles hear it, its own included (`wakeups`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.db import connection

from bots.events import Typing
from bots.models import VendorAccount

CHANNEL: Final = "gossip"

TELL: Final = "SELECT pg_notify(%s, word) FROM unnest(%s::text[]) AS word"

TELL_OF_USERS: Final = """
SELECT pg_notify(%(channel)s, json_build_object('typing', '', 'conversation', conversation.id)::text)
  FROM json_to_recordset(%(typing)s) AS typing (account_id bigint, robot text, peer text)
  JOIN bots_robot AS robot ON robot.account_id = typing.account_id AND robot.user_id = typing.robot
  JOIN conversations_conversation AS conversation
    ON (conversation.robot_id, conversation.kind, conversation.peer_id) = (robot.id, 'peer', typing.peer)
"""

type Word = dict[str, Any]

# What this process does on a word.  It must not block.
listeners: Final[list[Callable[[Word], None]]] = []


def typing(conversation_id: int, name: str) -> Word:
    """An operator of this name writes; without one, the user does."""
    return {"typing": name, "conversation": conversation_id}


def presence(conversation_id: int, process: str, names: Sequence[str]) -> Word:
    """Those who look at the conversation in the consoles of a process."""
    return {"present": list(names), "conversation": conversation_id, "process": process}


def tell(words: Iterable[Word]) -> None:
    """Let all processes know, by one statement."""
    with connection.cursor() as cursor:
        cursor.execute(TELL, [CHANNEL, [json.dumps(word) for word in words]])


def tell_of_users(events: Sequence[tuple[VendorAccount, Typing]]) -> None:
    """Let all processes know which users write, by one statement.  For use inside a transaction."""
    typing = [
        {"account_id": account.pk, "robot": event.robot_id, "peer": event.conversation.id}
        for account, event in events
    ]
    with connection.cursor() as cursor:
        cursor.execute(TELL_OF_USERS, {"channel": CHANNEL, "typing": json.dumps(typing)})


def heard(text: str) -> None:
    word = json.loads(text)
    for act in listeners:
        act(word)

"""Rounds, as ZEGO counts what is said in a call: each is a question and its answer, or words of our own.

What is said in one is known by the call, the round and the side: so the agent's question to our brain and
the callbacks make the same messages of it, whichever comes first.
"""

from __future__ import annotations

from agents.models import Call
from bots.events import JSONDict


def ids_of(call: Call | None, number: str) -> tuple[str, str]:
    """Of the messages of a round: what the user said, what was answered."""
    place = f"call:{call.pk if call else 'unknown'}:{number}"
    return f"{place}:asked", f"{place}:answered"


def extra_of(call: Call | None, number: str) -> JSONDict:
    """What the messages of a round have besides text."""
    about: JSONDict = {"call": call.session.public_id, "round": number} if call else {}
    # Read where chats are stored: the vendor writes it there too.
    return about | ({"is_archived": True} if call and call.is_synced else {})

"""Canned replies, with what their variables stand for in a conversation."""

from __future__ import annotations

from django.db.models import Q

from bots import variables
from conversations.models import CannedReply, Conversation


def replies_for(conversation: Conversation, *, operator: str) -> list[dict[str, str]]:
    """Those of the robot and those of all, filled in, in the order of their shortcuts."""
    values = {"user_id": conversation.peer_id, "robot": str(conversation.robot), "operator": operator}
    replies = CannedReply.objects.filter(Q(robot=None) | Q(robot=conversation.robot_id))
    return [
        {"shortcut": reply.shortcut, "text": variables.filled(reply.text, values)}
        for reply in replies.order_by("shortcut", "robot_id")
    ]

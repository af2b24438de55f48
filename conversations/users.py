"""What is settled of the people at the vendors' ends."""

from __future__ import annotations

from typing import Final

from django.db import connection
from django.utils.translation import gettext

from bots.known import known_at
from bots.models import Tier, VendorAccount
from conversations.models import Conversation, EndUser

OWN_TIER: Final = "SELECT tier_id FROM conversations_enduser WHERE account_id = %s AND user_id = %s"

# The same of `tier_of`, for a statement that knows `conversation` and its `robot`.
TIER: Final = """CASE WHEN conversation.kind = 'peer' THEN (
    SELECT tier_id FROM conversations_enduser AS enduser
     WHERE enduser.account_id = robot.account_id AND enduser.user_id = conversation.peer_id
) END"""


def set_tier(*, account: VendorAccount, user_id: str, tier: Tier) -> EndUser:
    """Give a user of the account a tier of their own, in place of the robots' defaults."""
    user, _ = EndUser.objects.update_or_create(account=account, user_id=user_id, defaults={"tier": tier})
    return user


def over_reply(tier: Tier | None) -> str:
    """What a user reads when a limit is reached."""
    told = tier.over_reply if tier else ""
    return told or gettext("You have reached the limit of what you can ask for now. Please try again later.")


def tier_of(conversation: Conversation) -> Tier | None:
    """The user's own tier, or else the robot's default.  A group has no tier of its own."""
    own = own_tier_id(conversation) if conversation.kind == Conversation.Kind.PEER else None
    if own is None:
        return conversation.robot.default_tier
    return known_at(conversation.revision).get(load_tier, own)


def own_tier_id(conversation: Conversation) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(OWN_TIER, [conversation.robot.account_id, conversation.peer_id])
        found: tuple[int] | None = cursor.fetchone()
    return found[0] if found else None


def load_tier(pk: int) -> Tier:
    return Tier.objects.get(pk=pk)

"""What is settled of the people at the vendors' ends."""

from __future__ import annotations

from django.utils.translation import gettext

from bots.models import Tier, VendorAccount
from conversations.models import Conversation, EndUser


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
    robot = conversation.robot
    users = EndUser.objects.filter(account=robot.account_id, user_id=conversation.peer_id)
    user = users.select_related("tier").first() if conversation.kind == Conversation.Kind.PEER else None
    return user.tier if user else robot.default_tier

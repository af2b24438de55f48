"""What is said: callbacks as they came, conversations, messages, and the turns that answer them."""

from conversations.attachments import Attachment
from conversations.models.base import new_public_id
from conversations.models.callbacks import Callback, Heartbeat, Reconciliation
from conversations.models.conversations import Conversation, Handoff, ReadMark, Resolution, Standing, Tag
from conversations.models.messages import CannedReply, Mention, Message, MessageWords, Note
from conversations.models.sessions import Rating, Session
from conversations.models.turns import Fold, ModelCall, Spend, Turn
from conversations.models.usage import UsageSum
from conversations.models.users import ApiKey, EndUser, IdempotentRequest
from conversations.seats import Seat

__all__ = [
    "ApiKey",
    "Attachment",
    "Callback",
    "CannedReply",
    "Conversation",
    "EndUser",
    "Fold",
    "Handoff",
    "Heartbeat",
    "IdempotentRequest",
    "Mention",
    "Message",
    "MessageWords",
    "ModelCall",
    "Note",
    "Rating",
    "ReadMark",
    "Reconciliation",
    "Resolution",
    "Seat",
    "Session",
    "Spend",
    "Standing",
    "Tag",
    "Turn",
    "UsageSum",
    "new_public_id",
]

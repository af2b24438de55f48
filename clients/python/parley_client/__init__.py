"""Parley's REST session API, version 1, for an app's server or, with a user token, its client."""

from parley_client.client import Parley
from parley_client.errors import ParleyError, ReplyFailed, Unreachable
from parley_client.models import Conversation, Login, Message, Page, Session, UserToken

__all__ = [
    "Conversation",
    "Login",
    "Message",
    "Page",
    "Parley",
    "ParleyError",
    "ReplyFailed",
    "Session",
    "Unreachable",
    "UserToken",
]

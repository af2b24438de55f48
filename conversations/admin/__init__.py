"""What was said, as the admin shows it."""

# First the other one, whose pages are added to here.
import bots.admin  # noqa: F401
from conversations.admin import conversations, messages, turns, users

__all__ = ["conversations", "messages", "turns", "users"]

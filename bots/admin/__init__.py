"""The admin of everything that can be configured."""

from bots.admin import accounts, models, policies, robots, routes

__all__ = ["accounts", "models", "policies", "robots", "routes"]

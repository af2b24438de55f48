"""Who answers: everything an admin configures."""

from bots.models.accounts import AccountMemory, Pace, VendorAccount
from bots.models.base import Budget
from bots.models.language_models import LanguageModel, ModelHealth, Price
from bots.models.policies import Policy, WordList, WordListVersion
from bots.models.revision import Revision
from bots.models.robots import PersonaVersion, Robot, Tier
from bots.models.routes import Intent, Route, Rule, RuleModel

__all__ = [
    "AccountMemory",
    "Budget",
    "Intent",
    "LanguageModel",
    "ModelHealth",
    "Pace",
    "PersonaVersion",
    "Policy",
    "Price",
    "Revision",
    "Robot",
    "Route",
    "Rule",
    "RuleModel",
    "Tier",
    "VendorAccount",
    "WordList",
    "WordListVersion",
]

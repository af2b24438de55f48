"""What makes an agent template valid, beyond the types of its fields.

Alphabets: /aiagent-server/api-reference/accessing-server-apis.
"""

from __future__ import annotations

import string
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from bots.models import LanguageModel, VendorAccount
from bots.validation import problem_at
from bots.vendors.zego import Zego

AGENT_ALPHABET: Final = frozenset(string.ascii_letters + string.digits + "!#$%&()+-:;<=.>?@[]^_{}|~, ")
CALLBACKS: Final = ("Interrupted", "UserSpeakAction", "AgentInstanceStatus", "UserAudioData")
TTS_OPTIONS: Final = ("Url", "FilterText", "TerminatorText", "CharacterFilter")
DIRECT_API: Final = "openai"  # the only one that the voice service speaks


def has_voice(account: VendorAccount) -> bool:
    return account.vendor == Zego.name


def check_agent_id(agent_id: str) -> None:
    if not set(agent_id) <= AGENT_ALPHABET:
        raise ValidationError(
            _("must consist of letters, digits and ! # $ % & ( ) + - : ; < = . > ? @ [ ] ^ _ { } | ~ ,")
        )


def check_callbacks(names: Any) -> None:
    if not isinstance(names, list) or not all(name in CALLBACKS for name in names):
        raise ValidationError(_("must be a list of any of: %(known)s") % {"known": ", ".join(CALLBACKS)})


def check_tts_options(options: Any) -> None:
    if not isinstance(options, dict):
        raise ValidationError(_("must be a mapping"))
    if unknown := [str(key) for key in options if key not in TTS_OPTIONS]:
        raise ValidationError([problem_at(key, _("unknown key")) for key in unknown])


def reason_against_direct(model: LanguageModel | None) -> str:
    """Why the voice service cannot ask this model itself; "" if it can."""
    if model is None:
        return _("the robot's route has no rule without a condition: name a model")
    if model.api != DIRECT_API or not model.base_url:
        return _("the voice service can only ask models with an OpenAI-compatible API: %(model)s") % {
            "model": model
        }
    return ""

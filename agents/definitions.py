"""Templates in the service's own words (/aiagent-server/guides/configuring-{llm,tts,asr})."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from agents.errors import CannotCall
from agents.models import AgentTemplate
from bots import variables
from bots.events import JSONDict

BRAIN_MODEL: Final = "parley"  # no model's name means anything to our brain
SENSITIVITY: Final = {"medium": 0, "low": 1, "high": 2, "custom": 3}
OWN_KEYS: Final = {"temperature": "Temperature", "top_p": "TopP"}  # of a model's parameters
SALT: Final = "agents.definition"
# What the service may well not tell, or tell masked.
UNTOLD: Final = frozenset({"ApiKey", "app"})


def definition_of(template: AgentTemplate) -> JSONDict:
    """What is registered.  Raises CannotCall where the template is not set up for that."""
    return {
        "AgentId": template.agent_id,
        "Name": template.name or str(template.robot)[:64],
        "LLM": llm_block(template),
        "TTS": {"Vendor": template.tts_vendor, "Params": dict(template.tts_params), **template.tts_options},
        "ASR": {"Vendor": template.asr_vendor, "Params": dict(template.asr_params)},
    }


def digest_of(definition: JSONDict) -> str:
    text = json.dumps(definition, sort_keys=True)
    return salted_hmac(SALT, text, algorithm="sha256").hexdigest()


def llm_block(template: AgentTemplate, *, user_id: str = "", extra: JSONDict | None = None) -> JSONDict:
    """Who thinks for the agent; `extra` comes back with each question to our brain."""
    if template.llm == AgentTemplate.Mind.DIRECT:
        return direct_block(template, user_id=user_id)
    return brain_block(template, extra=extra)


def brain_block(template: AgentTemplate, *, extra: JSONDict | None = None) -> JSONDict:
    if not settings.OWN_URL:
        raise CannotCall("PUBLIC_URL is not set, so the voice service cannot reach our brain")
    return {
        "Url": f"{settings.OWN_URL}/brain/{template.slug}/v1/chat/completions",
        "ApiKey": str(template.brain_secret),
        "Model": BRAIN_MODEL,
        "AddAgentInfo": True,
        **({"AgentExtraInfo": extra} if extra else {}),
    }


def direct_block(template: AgentTemplate, *, user_id: str) -> JSONDict:
    model = template.direct_model
    if model is None:
        raise CannotCall("there is no model that the voice service could ask itself")
    return {
        "Url": f"{model.base_url.rstrip('/')}/chat/completions",
        "ApiKey": str(model.api_key),
        "Model": model.model,
        "SystemPrompt": persona_for(template, user_id),
        **{name: model.params[key] for key, name in OWN_KEYS.items() if key in model.params},
        "Params": {key: value for key, value in model.params.items() if key not in OWN_KEYS},
    }


def persona_for(template: AgentTemplate, user_id: str) -> str:
    """The persona as it is now; without a user, their variables stay empty."""
    now = timezone.localtime()
    tier = template.robot.default_tier
    values = {
        "robot": str(template.robot),
        "user_id": user_id,
        "group_id": "",
        "tier": tier.slug if tier else "",
        "date": f"{now:%Y-%m-%d}" if user_id else "",
        "weekday": f"{now:%A}" if user_id else "",
        "hour": f"{now:%H}:00–{now:%H}:59" if user_id else "",
    }
    return variables.filled(template.robot.persona, values)


def vad_block(template: AgentTemplate) -> JSONDict:
    turn: JSONDict = {"SilenceSegmentation": template.silence_ms}
    if template.pause_ms is not None:
        turn["PauseInterval"] = template.pause_ms
    voice: JSONDict = {"Level": SENSITIVITY[template.sensitivity]}
    if template.min_speech_ms is not None:
        voice["MinSpeechDur"] = template.min_speech_ms
    if template.energy_threshold is not None:
        voice["EnergyThreshold"] = template.energy_threshold
    return {"TurnDetectConfig": turn, "VoiceDetectConfig": {"SensitiveConfig": voice}}


def callback_block(template: AgentTemplate) -> JSONDict:
    """What was said is always told: it becomes messages."""
    return dict.fromkeys(["ASRResult", "LLMResult", *template.callbacks], 1)


def advanced_block(template: AgentTemplate) -> JSONDict:
    return {"InterruptMode": 0 if template.can_be_interrupted else 1, "MaxIdleTime": template.max_idle_s}


def is_as_defined(found: Any, wanted: Any) -> bool:
    """Whether the service has what we registered; what it adds of its own does not matter."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            is_as_defined(found.get(key), value) for key, value in wanted.items() if key not in UNTOLD
        )
    return bool(found == wanted)

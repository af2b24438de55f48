"""The settings of one project (AppID) at ZEGO."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True, kw_only=True)
class ZegoConfig:
    app_id: int = field(
        metadata={"at_least": 1, "label": "AppID", "help": _("AppID of the project, from ZEGO's console.")}
    )
    server_secret: str = field(
        repr=False,
        metadata={
            "secret": True,
            "label": "ServerSecret",
            "help": _("The project's ServerSecret: it signs our calls."),
        },
    )
    callback_secret: str = field(
        repr=False,
        metadata={
            "secret": True,
            "label": "CallbackSecret",
            "help": _("The project's CallbackSecret: it signs ZEGO's callbacks."),
        },
    )
    zim_api_base: str = field(
        default="https://zim-api.zego.im",
        metadata={
            "is_address": True,
            "label": _("Chat API address"),
            "help": _("The chat API's address, unified or of one region."),
        },
    )
    agent_api_base: str = field(
        default="https://aigc-aiagent-api.zegotech.cn",
        metadata={
            "is_address": True,
            "label": _("AI Agent API address"),
            "help": _("The AI Agent API's address, for voice calls."),
        },
    )
    max_agent_instances: int = field(
        default=10,
        metadata={
            "at_least": 1,
            "label": _("Most voice calls at a time"),
            "help": _("How many voice calls the project may have at a time."),
        },
    )

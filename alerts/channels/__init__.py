"""The ways to tell people.  A new one is one module and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from alerts.channels.base import Sender

CHANNELS = {
    "email": "alerts.channels.email.Email",
    "webhook": "alerts.channels.webhook.Webhook",
    "dingtalk": "alerts.channels.dingtalk.DingTalk",
    "feishu": "alerts.channels.feishu.Feishu",
    "wecom": "alerts.channels.wecom.WeCom",
}


def channel_class(name: str) -> type[Sender]:
    cls: type[Sender] = import_string(CHANNELS[name])
    return cls


def channel_choices() -> list[tuple[str, str]]:
    return [(name, channel_class(name).label) for name in CHANNELS]

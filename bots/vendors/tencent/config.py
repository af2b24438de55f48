"""The settings of one app (SDKAppID) at Tencent Cloud IM."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentConfig:
    sdk_app_id: int = field(
        metadata={
            "at_least": 1,
            "label": "SDKAppID",
            "help": _("SDKAppID of the application, from the Chat console."),
        }
    )
    secret_key: str = field(
        repr=False,
        metadata={
            "secret": True,
            "label": _("Secret key"),
            "help": _("The application's key: it signs our calls."),
        },
    )
    admin_user_id: str = field(
        default="administrator",
        metadata={
            "label": _("Administrator"),
            "help": _("An app administrator's user id, in whose name the API is called."),
        },
    )
    callback_token: str = field(
        default="",
        repr=False,
        metadata={
            "secret": True,
            "label": _("Callback token"),
            "help": _("The console's token for callback authentication. Empty: callbacks are not signed."),
        },
    )
    transport: Literal["chatbot", "stream"] = field(
        default="chatbot",
        metadata={
            "label": _("Growing answers"),
            "help": _(
                "chatbot: messages of the chatbot plugin, which TUIKit shows from 8.6 on. stream: native "
                "stream messages, for clients with SDK 8.9.7511 or later; others show a plain text."
            ),
        },
    )
    befriend: Literal["never", "when_refused", "first_message"] = field(
        default="when_refused",
        metadata={
            "label": _("Make robot and user friends"),
            "help": _(
                "when_refused: where the app lets none but friends write to each other and has refused an "
                "answer. first_message: before a robot's first message, so that it is among the user's "
                "contacts. never: not at all."
            ),
        },
    )
    api_base: str = field(
        default="https://console.tim.qq.com",
        metadata={
            "is_address": True,
            "label": _("API address"),
            "help": _("The API's address in the application's data centre."),
        },
    )

"""The settings of one app (App Key) at Easemob."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True, kw_only=True)
class EasemobConfig:
    org_name: str = field(
        metadata={"label": "OrgName", "help": _("The App Key's part before #, from the Easemob console.")}
    )
    app_name: str = field(
        metadata={"label": "AppName", "help": _("The App Key's part after #, from the Easemob console.")}
    )
    client_id: str = field(
        metadata={"label": "Client ID", "help": _("The application's Client ID, from the Easemob console.")}
    )
    client_secret: str = field(
        repr=False,
        metadata={
            "secret": True,
            "label": _("Client secret"),
            "help": _("The application's Client Secret: the API's token is got with it."),
        },
    )
    callback_secret: str = field(
        repr=False,
        metadata={
            "secret": True,
            "label": _("Callback secret"),
            "help": _(
                "The secret of the callback rule. With several rules, have sales give them the same one."
            ),
        },
    )
    api_base: str = field(
        default="https://a1.easemob.com",
        metadata={
            "is_address": True,
            "label": _("API address"),
            "help": _("The REST API's address in the application's data centre."),
        },
    )
    typing: bool = field(
        default=False,
        metadata={
            "label": _("Typing"),
            "help": _(
                "Whether clients know the command TypingBegin: they then show that an answer is coming."
            ),
        },
    )
    edits: bool = field(
        default=False,
        metadata={
            "label": _("Editing"),
            "help": _(
                "Whether sales have opened the editing of sent messages: where stream messages are not "
                "opened, answers then grow by at most ten edits."
            ),
        },
    )
    pre_send: Literal["pass", "intercept"] = field(
        default="pass",
        metadata={
            "label": _("Pre-send callback"),
            "help": _(
                "pass: messages to robots are delivered as usual. intercept: the cloud keeps them back; this "
                "needs a rule that shows no error when a message is intercepted."
            ),
        },
    )

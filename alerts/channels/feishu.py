"""Feishu's custom group bot: open.feishu.cn/document/client-docs/bot-v3/add-custom-bot.

With signing, the body carries a time in seconds and the HMAC of nothing, under that time and the secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext_lazy as _

from alerts.channels.base import ChatRobot
from bots.events import JSONDict

if TYPE_CHECKING:
    from alerts.letters import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Feishu(ChatRobot):
    label: ClassVar = _("Feishu robot")
    code_field: ClassVar = "code"
    text_field: ClassVar = "msg"
    busy_codes: ClassVar = frozenset({11232})  # too many messages: unconfirmed, told by users of the bot

    def body(self, letter: Letter, now: float) -> JSONDict:
        return {**self._signed(int(now)), "msg_type": "text", "content": {"text": letter.text}}

    def _signed(self, timestamp: int) -> JSONDict:
        if not self.secret:
            return {}
        digest = hmac.new(f"{timestamp}\n{self.secret}".encode(), b"", hashlib.sha256).digest()
        return {"timestamp": str(timestamp), "sign": base64.b64encode(digest).decode()}

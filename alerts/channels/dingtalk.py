"""DingTalk's custom group robot: open.dingtalk.com/document/group/custom-robot-access.

With signing, the address carries a time in milliseconds and the HMAC of it and the secret, under the secret.
A robot takes 20 messages a minute.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext_lazy as _

from alerts.channels.base import ChatRobot
from bots.events import JSONDict

if TYPE_CHECKING:
    from alerts.letters import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class DingTalk(ChatRobot):
    label: ClassVar = _("DingTalk robot")
    code_field: ClassVar = "errcode"
    text_field: ClassVar = "errmsg"
    # Too many in a minute: both unconfirmed, told by users of the robot.
    busy_codes: ClassVar = frozenset({130101, 90030})

    def body(self, letter: Letter, now: float) -> JSONDict:
        return {"msgtype": "text", "text": {"content": letter.text}}

    def params(self, now: float) -> Mapping[str, str]:
        if not self.secret:
            return {}
        timestamp = str(int(now * 1000))
        digest = hmac.new(
            self.secret.encode(), f"{timestamp}\n{self.secret}".encode(), hashlib.sha256
        ).digest()
        return {"timestamp": timestamp, "sign": base64.b64encode(digest).decode()}

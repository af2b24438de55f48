"""WeCom's group robot: developer.work.weixin.qq.com/document/path/91770.

There is no signing: who knows the address may write.  A text has at most 2,048 bytes, and a robot takes 20
messages a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from django.utils.translation import gettext_lazy as _

from alerts.channels.base import ChatRobot
from bots.events import JSONDict
from bots.text import split_at

if TYPE_CHECKING:
    from alerts.letters import Letter

MAX_BYTES: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class WeCom(ChatRobot):
    label: ClassVar = _("WeCom robot")
    code_field: ClassVar = "errcode"
    text_field: ClassVar = "errmsg"
    busy_codes: ClassVar = frozenset({45009, 45033})  # too many calls; unconfirmed

    def body(self, letter: Letter, now: float) -> JSONDict:
        text, _rest = split_at(letter.text, lambda text: len(text.encode()) <= MAX_BYTES)
        return {"msgtype": "text", "text": {"content": text}}

"""Any HTTP service: one POST for each notification, signed where there is a secret.

Idempotency-Key: parley-17                          the same when it is sent again
X-Parley-Timestamp: 1790000000
X-Parley-Signature: sha256=<hex>                    HMAC of "<timestamp>.<body>" with the secret
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from django.utils.translation import gettext_lazy as _

from alerts.channels.base import HTTPSender
from bots.events import JSONDict
from bots.posting import signed

if TYPE_CHECKING:
    from alerts.letters import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(HTTPSender):
    label: ClassVar = _("Webhook")

    def body(self, letter: Letter, now: float) -> JSONDict:
        alerts = [asdict(entry) for entry in letter.entries]
        return {
            "id": letter.id,
            "event": letter.event,
            "title": letter.title,
            "text": letter.text,
            "alerts": alerts,
        }

    def headers(self, letter: Letter, body: bytes, now: float) -> Mapping[str, str]:
        signature = signed(self.secret, body, at=int(now)) if self.secret else {}
        return {"Idempotency-Key": letter.id, **signature}

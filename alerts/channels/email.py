"""E-mail, by the mail server that `EMAIL_URL` names."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.utils.translation import gettext_lazy as _

from alerts.channels.base import ChannelError, ChannelRefused, Sender

if TYPE_CHECKING:
    from alerts.letters import Letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Email(Sender):
    label: ClassVar = _("E-mail")

    @classmethod
    def check(cls, *, url: str, recipients: Sequence[str]) -> None:
        if not recipients:
            raise ValidationError({"recipients": _("name at least one address")})

    def send(self, letter: Letter) -> None:
        # Mail programs show one of two letters with the same id.
        headers = {"Message-ID": f"<{letter.id}@parley>"}
        message = EmailMessage(letter.title, letter.text, to=list(self.recipients), headers=headers)
        try:
            message.send()
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPAuthenticationError) as error:
            raise ChannelRefused(f"the mail server refused it ({type(error).__name__})") from None
        except OSError as error:  # of which smtplib's are
            raise ChannelError(f"no mail server took it ({type(error).__name__})") from None

"""What logs people in besides a password."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import models
from django.utils.translation import gettext_lazy as _

from bots.fields import EncryptedTextField


class SecondFactor(models.Model):
    """A person's authenticator app: it shows codes that are made of the secret and the time (RFC 6238)."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, related_name="second_factor", verbose_name=_("user")
    )
    secret = EncryptedTextField(_("secret"))  # in base32, as apps take it
    confirmed_at = models.DateTimeField(_("in use since"), null=True)  # None: it has not shown a code yet
    last_step = models.BigIntegerField(
        _("last step"), default=0
    )  # of the code used last, in periods since 1970
    recovery_codes = models.JSONField(
        _("recovery codes"), default=list
    )  # digests of those that were not used

    class Meta:
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")

    def __str__(self) -> str:
        return str(self.user)

"""What several models share."""

from __future__ import annotations

import secrets

from django.db import models
from django.utils.translation import gettext_lazy as _


def change_field() -> models.BigIntegerField[int, int]:
    """The number of the row's last change, which a trigger sets: it rises over all tables that have one, and
    consoles read by it what is new (`conversations.announcing`)."""
    return models.BigIntegerField(_("change"), default=0, editable=False)


def new_public_id() -> str:
    """An id for addresses and the API: opaque, and too many to guess."""
    return secrets.token_urlsafe(12)  # 16 characters

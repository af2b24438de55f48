"""What several models share."""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64encode

from django.db import models
from django.utils.translation import gettext_lazy as _


def change_field() -> models.BigIntegerField[int, int]:
    """The number of the row's last change, which a trigger sets: it rises over all tables that have one, and
    consoles read by it what is new (`conversations.announcing`)."""
    return models.BigIntegerField(_("change"), default=0, editable=False)


def new_public_id() -> str:
    """An id for addresses and the API: opaque, and too many to guess (72 random bits).

    Ids of the same minutes begin alike.  Wholly random ones would be spread over their index: with a long
    past each new row would change, and write to the log, a page of its own.
    """
    minutes = (int(time.time()) >> 8).to_bytes(8)[-3:]
    return urlsafe_b64encode(minutes + secrets.token_bytes(9)).decode()  # 16 characters

"""Tokens with which a client SDK enters a room (Token04: `bots.vendors.zego.token04`)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from agents.models import Call
from bots.models import VendorAccount
from bots.vendors.base import LOGIN_LIFETIME_S
from bots.vendors.config import read_config
from bots.vendors.zego.config import ZegoConfig
from bots.vendors.zego.token04 import token04

# /real-time-video/…: what a token may be good for, where the project has "permission tokens".
ENTER_ROOM, PUBLISH = "1", "2"
ALLOWED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLogin:
    app_id: int
    token: str = field(repr=False)
    expires_at: datetime


def room_login(call: Call) -> RoomLogin:
    """A token for the call's user, good for its room and its stream only."""
    privileges = {
        "room_id": call.room_id,
        "privilege": {ENTER_ROOM: ALLOWED, PUBLISH: ALLOWED},
        "stream_id_list": [call.user_stream_id],
    }
    return login_of(call.account, call.user_id, payload=json.dumps(privileges, separators=(",", ":")))


def login_of(account: VendorAccount, user_id: str, *, payload: str = "") -> RoomLogin:
    config, now = read_config(ZegoConfig, account.config), int(time.time())
    token = token04(
        config.app_id,
        config.server_secret,
        user_id,
        now=now,
        lifetime_s=LOGIN_LIFETIME_S,
        payload=payload,
    )
    expires_at = datetime.fromtimestamp(now + LOGIN_LIFETIME_S, UTC)
    return RoomLogin(app_id=config.app_id, token=token, expires_at=expires_at)

"""Callbacks of ZEGO's AI Agent service: checked, and read (/aiagent-server/callbacks/receiving-callback)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bots.errors import CallbackMalformed, CallbackRejected
from bots.events import JSONDict
from bots.vendors.base import IncomingCallback
from bots.vendors.reading import Fields
from bots.vendors.zego.callbacks import check_signature, time_of
from bots.vendors.zego.config import ZegoConfig

NOT_KEPT: Final = frozenset({"Audio"})  # in `UserAudioData`: what users said, as sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that happened in a call."""

    event: str
    instance_id: str
    agent_user_id: str
    sequence: int  # rises within an instance, with gaps; beyond what a float can hold
    round: int | None
    happened_at: datetime
    data: JSONDict


def read(callback: IncomingCallback, config: ZegoConfig) -> Told:
    """Raises CallbackRejected for what is not signed for this app, CallbackMalformed for a strange body.

    Signed as ZIM's callbacks are, over fields of other names; the time is in milliseconds.
    """
    envelope = {name.lower(): value for name, value in callback.json.items()}
    check_signature(Fields(envelope, error=CallbackRejected), config, callback.received_at)
    body = Fields(callback.json)
    return Told(
        event=body.id("Event", longest=40),
        instance_id=body.any_id("AgentInstanceId", longest=100),
        agent_user_id=body.text("AgentUserId", ""),
        sequence=body.number("Sequence"),
        round=round_in(body.source.get("Data")),
        happened_at=time_of(Fields(envelope), "timestamp"),
        data=data_in(body.source.get("Data")),
    )


def round_in(data: Any) -> int | None:
    """Which round it belongs to; None: to none, or to one that cannot be told."""
    try:
        return Fields(data).number("Round") if isinstance(data, Mapping) else None
    except CallbackMalformed:
        return None


def data_in(data: Any) -> JSONDict:
    """What is told; fields and values may be added by ZEGO at any time."""
    known = data if isinstance(data, Mapping) else {}
    return {name: value for name, value in known.items() if name not in NOT_KEPT}

"""What the clouds know, kept in a file between two starts of the demo."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from sandbox.vendor import VendorCloud
from sandbox.world import Frame, JSONDict, Message, World

MAX_MESSAGES = 2_000  # the newest are kept


def save(path: Path, world: World, vendors: Mapping[str, VendorCloud]) -> None:
    """Written beside and moved into place: a killed process leaves the old file whole."""
    messages = [_message_to_json(message) for message in world.messages()[-MAX_MESSAGES:]]
    state = {"messages": messages, "vendors": {name: vendor.to_json() for name, vendor in vendors.items()}}
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    draft.replace(path)


def load(path: Path, world: World, vendors: Mapping[str, VendorCloud]) -> None:
    if not path.exists():
        return
    state = json.loads(path.read_text(encoding="utf-8"))
    for name, kept in state["vendors"].items():
        if name in vendors:
            vendors[name].restore(kept)
    for kept in state["messages"]:
        world.keep(_message_from_json(kept, vendors))


def _message_to_json(message: Message) -> JSONDict:
    entry = asdict(message)
    for frame in entry["frames"]:
        del frame["rendered"]
    return entry


def _message_from_json(entry: JSONDict, vendors: Mapping[str, VendorCloud]) -> Message:
    vendor = vendors[entry["vendor"]]
    frames = [
        Frame(at=frame["at"], body=frame["body"], rendered=vendor.render(frame["body"]))
        for frame in entry.pop("frames")
    ]
    return Message(**entry, frames=frames)

"""Native stream messages of the simulated Tencent cloud.

cloud.tencent.com/document/product/269/128596 (one to one), …/128597 (groups).  With which code a stream that
has ended refuses more is not documented: this cloud says 10004.
"""

from __future__ import annotations

import uuid
from typing import Any

from sandbox.tencent import groups
from sandbox.tencent.app import App, Stream
from sandbox.tencent.commands import Commands, Handler, Refused, text_of, uint32_of
from sandbox.world import Frame, JSONDict, Message, Rendered

ELEMENT = "TIMStreamElem"
MAX_TEXT_BYTES = 128 * 1024
MOST_CALLS = 5  # a second
ENDED = 10004


async def send_c2c_stream_msg(commands: Commands, app: App, body: JSONDict) -> JSONDict:
    sender, recipient = text_of(body, "From_Account", 90008), text_of(body, "To_Account", 90003)
    sequence, number = uint32_of(body, "MsgSeq", 90005), uint32_of(body, "MsgRandom", 90005)
    for account in (sender, recipient):
        if not app.knows(account):
            raise Refused(20003, f"{account} is unknown")
    content = _content(body)
    if "StreamMsgID" in content:
        return _go_on(commands, app, content)
    message = Message(
        vendor="tencent",
        app=app.id,
        key=f"{sequence}_{number}_{int(commands.world.now())}",
        sender=sender,
        recipient=recipient,
        sent_at=commands.world.now(),
        frames=[],
        hidden_from_sender=body.get("SyncOtherMachine") == 2,
        extra={"MsgSeq": sequence, "MsgRandom": number, "CloudCustomData": body.get("CloudCustomData", "")},
    )
    stream = _begin(commands, app, message, content)
    commands.deliver(app, message, platform="RESTAPI")
    return {"StreamMsgID": stream.id, "MsgTime": int(message.sent_at), "MsgKey": message.key}


async def send_group_stream_msg(commands: Commands, app: App, body: JSONDict) -> JSONDict:
    """The page's sample says MsgRandom, Tencent's plugin Random."""
    group = groups.group_of(app, body)
    number = uint32_of(body, "MsgRandom" if "MsgRandom" in body else "Random", 10004)
    content = _content(body)
    if "StreamMsgID" in content:
        return _go_on(commands, app, content)
    message = groups.new_message(commands, app, group, text_of(body, "From_Account", 10019), number, [{}])
    message.frames.clear()
    stream = _begin(commands, app, message, content)
    groups.deliver(commands, app, message, platform="RESTAPI")
    return {"StreamMsgID": stream.id, "MsgTime": int(message.sent_at), "MsgSeq": message.extra["MsgSeq"]}


def _content(body: JSONDict) -> JSONDict:
    elements = body.get("MsgBody")
    if not isinstance(elements, list) or [each.get("MsgType") for each in elements] != [ELEMENT]:
        raise Refused(90007, f"MsgBody holds one {ELEMENT}")
    content = elements[0].get("MsgContent")
    if not isinstance(content, dict) or not isinstance(content.get("CompatibleText"), str):
        raise Refused(90002, f"{ELEMENT} without CompatibleText")
    chunks = content.get("Chunks")
    if not isinstance(chunks, list) or not chunks or not all(map(_is_chunk, chunks)):
        raise Refused(90002, "Chunks holds objects of EventType data, with Index, Markdown and IsLast")
    return content


def _is_chunk(chunk: Any) -> bool:
    types = {"Index": int, "Markdown": str, "IsLast": bool}
    is_typed = isinstance(chunk, dict) and all(type(chunk.get(name)) is kind for name, kind in types.items())
    return is_typed and chunk.get("EventType") == "data"


def _begin(commands: Commands, app: App, message: Message, content: JSONDict) -> Stream:
    stream = Stream(id=uuid.uuid4().hex, message_key=message.key)
    app.streams[stream.id] = stream
    _take(commands, message, stream, content)
    return stream


def _go_on(commands: Commands, app: App, content: JSONDict) -> JSONDict:
    stream = app.streams.get(content["StreamMsgID"])
    message = commands.world.message(app.id, stream.message_key) if stream else None
    if stream is None or message is None or message.recalled_at is not None:
        raise Refused(ENDED, "no such stream")
    if commands.world.now() - stream.calls[-1] > app.settings.stream_gap_s:
        stream.is_ended = True
    _take(commands, message, stream, content)
    commands.world.announce(message)
    return {"StreamMsgID": stream.id}


def _take(commands: Commands, message: Message, stream: Stream, content: JSONDict) -> None:
    """Add the chunks.  What clients ignore, as its index does not follow, is a violation."""
    now = commands.world.now()
    if stream.is_ended:
        raise Refused(ENDED, "the stream has ended")
    stream.calls = [at for at in stream.calls if now - at < 1] + [now]
    if len(stream.calls) > MOST_CALLS:
        commands.log_violations(message, [("stream_too_fast", f"{len(stream.calls)} calls in a second")])
    text = message.shown.text if message.frames else ""
    for chunk in content["Chunks"]:
        if chunk == stream.last_chunk:
            continue  # a repeat, which clients ignore
        if chunk["Index"] != stream.last_index + 1:
            found = f"chunk {chunk['Index']} follows {stream.last_index}"
            commands.log_violations(message, [("chunk_out_of_order", found)])
            continue
        stream.last_index, stream.last_chunk, stream.is_ended = chunk["Index"], chunk, chunk["IsLast"]
        text += chunk["Markdown"]
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise Refused(93000, "the stream is too long")
    shown = Rendered(kind="reply", text=text, is_finished=stream.is_ended)
    kept = {"CompatibleText": content["CompatibleText"], "StreamMsgID": stream.id, "Markdown": text}
    body = [{"MsgType": ELEMENT, "MsgContent": kept}]
    message.frames.append(Frame(at=now, body=body, rendered=shown))


HANDLERS: dict[str, Handler] = {
    "stream_msg/send_c2c_stream_msg": send_c2c_stream_msg,
    "stream_msg/send_group_stream_msg": send_group_stream_msg,
}

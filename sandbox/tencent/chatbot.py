"""What Tencent's clients show of a message, and what they would choke on.

The chatbot protocol (`chatbotPlugin: 2`) and how each stock client reads it:
cloud.tencent.com/document/product/269/122035, and the UIKit sources named beside the rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.world import JSONDict, Message, Rendered

STREAM, INTERRUPT, ERROR = 2, 22, 23  # values of `src`
ORDER_DEPTH = 20  # messages within a second at most
MAX_BODY_BYTES = 12 * 1024
# A frame may arrive this much earlier than a second after the one before: the network is not even.
MIN_EDIT_INTERVAL_S = 0.9

type Violation = tuple[str, str]  # rule, detail


def size(body: Any) -> int:
    """Bytes of a MsgBody.  Which bytes count is not documented; this is the plain serialised form."""
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def chatbot_data(body: Any) -> JSONDict | None:
    """The chatbot object inside a message, as clients look for it; None for any other message."""
    if not isinstance(body, list) or not body or body[0].get("MsgType") != "TIMCustomElem":
        return None
    try:
        data = json.loads(body[0]["MsgContent"].get("Data", ""))
    except (ValueError, TypeError, KeyError):
        return None
    return data if isinstance(data, dict) and "chatbotPlugin" in data else None


def render(body: Any) -> Rendered:
    """What the strictest of the stock clients shows."""
    data = chatbot_data(body)
    if data is not None and _is_two(data["chatbotPlugin"]):
        return _render_chatbot(data)
    parts = [_render_element(element) for element in body]
    if len(parts) == 1:
        return parts[0]
    notable = next((part for part in parts if part.kind != "text"), parts[0])
    text = " ".join(part.text for part in parts if part.text)
    return Rendered(kind=notable.kind, text=text, url=notable.url, name=notable.name)


def _is_two(value: Any) -> bool:
    """The web clients compare with `===`: a string "2" is not it."""
    return type(value) in (int, float) and value == 2


def _render_chatbot(data: JSONDict) -> Rendered:
    if data.get("src") == INTERRUPT:
        return Rendered(kind="interrupt", text=str(data.get("msgKey", "")))
    if data.get("src") == ERROR:
        return Rendered(kind="error", text=str(data.get("errorInfo", "")))
    chunks = data.get("chunks", [])
    text = "".join(chunk for chunk in chunks if isinstance(chunk, str)) if isinstance(chunks, list) else ""
    # iOS takes a missing isFinished for "unfinished", Android for "finished": the worse of the two.
    return Rendered(kind="reply", text=text, is_finished=data.get("isFinished") == 1)


def _render_element(element: JSONDict) -> Rendered:
    content = element.get("MsgContent", {})
    renderer = ELEMENTS.get(element.get("MsgType", ""))
    return renderer(content) if renderer else Rendered(kind="custom", text="[unknown message]")


def _text(content: JSONDict) -> Rendered:
    return Rendered(kind="text", text=str(content.get("Text", "")))


def _image(content: JSONDict) -> Rendered:
    images = content.get("ImageInfoArray") or [{}]
    return Rendered(kind="image", url=str(images[0].get("URL", "")))


def _sound(content: JSONDict) -> Rendered:
    return Rendered(kind="voice", url=str(content.get("Url", "")), text=f"{content.get('Second', 0)}″")


def _file(content: JSONDict) -> Rendered:
    return Rendered(kind="file", url=str(content.get("Url", "")), name=str(content.get("FileName", "")))


def _video(content: JSONDict) -> Rendered:
    return Rendered(kind="video", url=str(content.get("VideoUrl", "")))


def _custom(content: JSONDict) -> Rendered:
    return Rendered(kind="custom", text=str(content.get("Desc") or "[custom message]"))


def _face(content: JSONDict) -> Rendered:
    return Rendered(kind="text", text=str(content.get("Data") or "[face]"))


def _location(content: JSONDict) -> Rendered:
    return Rendered(kind="custom", text=str(content.get("Desc") or "[location]"))


ELEMENTS: dict[str, Callable[[JSONDict], Rendered]] = {
    "TIMTextElem": _text,
    "TIMImageElem": _image,
    "TIMSoundElem": _sound,
    "TIMFileElem": _file,
    "TIMVideoFileElem": _video,
    "TIMCustomElem": _custom,
    "TIMFaceElem": _face,
    "TIMLocationElem": _location,
}


def violations_of_message(request: JSONDict) -> Iterator[Violation]:
    """What is wrong with a robot's new message."""
    body = request["MsgBody"]
    data = chatbot_data(body)
    if data is None:
        return
    if "NoLastMsg" in request.get("SendMsgControl", []):
        yield "no_last_msg", "Android's UIKit hides chatbot messages with NoLastMsg"
    if not request.get("OfflinePushInfo", {}).get("Desc"):
        yield "push_text_missing", "OfflinePushInfo.Desc is empty: no push on a sleeping phone"
    yield from _violations_of_body(body, data)


def violations_of_order(message: Message, earlier: list[Message]) -> Iterator[Violation]:
    """Clients order by second, then by MsgSeq: cloud.tencent.com/document/product/269/2282."""
    for other in earlier[-ORDER_DEPTH:]:
        is_same_second = int(other.sent_at) == int(message.sent_at)
        if is_same_second and other.extra["MsgSeq"] >= message.extra["MsgSeq"]:
            yield "shown_out_of_order", f"clients show it before {other.key}, which was sent earlier"


def violations_of_edit(message: Message, body: Any, now: float) -> Iterator[Violation]:
    """What is wrong with a robot's edit of `message`, which it has not changed yet."""
    before, data = chatbot_data(message.body), chatbot_data(body)
    if before is None:
        return
    if body == message.body:
        return  # a repeat of the frame whose answer was lost: no client sees a difference
    if before.get("isFinished") == 1:
        yield "frame_after_finish", "the message was finished"
    if len(message.frames) > 1 and now - message.frames[-1].at < MIN_EDIT_INTERVAL_S:
        yield "edit_too_fast", f"{now - message.frames[-1].at:.3f} s after the edit before"
    if data is None:
        return  # a change to plain text: the official plugin does that too
    yield from _violations_of_body(body, data)
    if data.get("src") == STREAM and not render(body).text.startswith(message.shown.text):
        # The web UIKit's typewriter prints only what is behind the length it has printed.
        yield "not_append_only", "the text does not begin with what was shown"


def _violations_of_body(body: Any, data: JSONDict) -> Iterator[Violation]:
    if not _is_two(data["chatbotPlugin"]):
        yield "plugin_not_number", "chatbotPlugin is not the number 2"
    if not body[0]["MsgContent"].get("Desc"):
        yield "desc_missing", "Desc is empty"
    if data.get("src") == STREAM:
        yield from _violations_of_stream(data)
    elif data.get("src") == ERROR:
        if not isinstance(data.get("errorInfo"), str) or not data["errorInfo"]:
            yield "error_info_missing", "src 23 without errorInfo"
    else:
        yield "src_unknown", f"src is {data.get('src')!r}"


def _violations_of_stream(data: JSONDict) -> Iterator[Violation]:
    chunks = data.get("chunks")
    if not isinstance(chunks, list) or not all(isinstance(chunk, str) for chunk in chunks):
        yield "chunks_not_strings", "chunks is not an array of strings"
    if type(data.get("isFinished")) is not int or data["isFinished"] not in (0, 1):
        yield "is_finished_wrong", "isFinished is not the number 0 or 1"

"""The client: one method for each call."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from parley_client.errors import ParleyError, ReplyFailed, Unreachable
from parley_client.models import Conversation, JSONDict, Message, Page, Session, UserToken

PAUSES_S: Final = (0.5, 1.0)  # before the second try, and the third
LONGEST_PAUSE_S: Final = 30.0  # a server that asks for more gets its error through
BUSY: Final = (429, 502, 503, 504)
READ_S: Final = 60.0  # between two pieces of a stream, which tells every 15 s that it is alive


class Parley:
    """Parley, to whoever holds this API key or user token.  Used by one thread at a time."""

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timeout_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = httpx.Client(
            base_url=f"{address.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout_s,
        )
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # An app's

    def open_chat(
        self,
        *,
        robot: str,
        user_id: str,
        account: str | None = None,
        tier: str | None = None,
        metadata: JSONDict | None = None,
    ) -> Session:
        """Open the user's chat with the robot, or find the open one."""
        wanted = {"kind": "chat", "robot": robot, "user_id": user_id}
        given = {"account": account, "tier": tier, "metadata": metadata}
        return Session.read(self._post("/sessions", wanted | present(given)))

    def session(self, session_id: str) -> Session:
        return Session.read(self._get(f"/sessions/{session_id}"))

    def end(self, session_id: str) -> Session:
        return Session.read(self._ask("DELETE", f"/sessions/{session_id}"))

    def fresh_token(self, session_id: str) -> Session:
        """The session with a new token for the vendor's client SDK."""
        return Session.read(self._post(f"/sessions/{session_id}/token"))

    def user_token(self, session_id: str, *, lifetime_s: int = 3600) -> UserToken:
        """A token with which the app's client calls this session, and nothing else."""
        return UserToken.read(self._post(f"/sessions/{session_id}/user_token", {"lifetime_s": lifetime_s}))

    def say(self, session_id: str, text: str) -> Message:
        """Speak as the user, without waiting for the answer."""
        return Message.read(self._post(f"/sessions/{session_id}/messages", {"text": text}))

    def speak(self, session_id: str, text: str) -> Iterator[str]:
        """Speak as the user; the answer as it grows, piece by piece.  Raises ReplyFailed."""
        headers = {"Accept": "text/event-stream"} | new_key()
        path, timeout = f"/sessions/{session_id}/messages", httpx.Timeout(READ_S)
        try:
            with self._http.stream(
                "POST", path, json={"text": text}, headers=headers, timeout=timeout
            ) as response:
                if response.is_error:
                    response.read()
                    raise error_of(response)
                yield from pieces(response.iter_lines())
        except httpx.TransportError as error:
            raise unreachable(error) from error

    def interrupt(self, session_id: str) -> bool:
        """Stop the running reply; whether there was one."""
        return bool(self._post(f"/sessions/{session_id}/interrupt")["interrupted"])

    def rate(self, session_id: str, score: int, comment: str = "") -> None:
        self._post(f"/sessions/{session_id}/rating", {"score": score, "comment": comment})

    def said(self, session_id: str) -> Iterator[Message]:
        """What was said in the session's conversation, the newest first."""
        return self._newest_first(f"/sessions/{session_id}/messages")

    # What was said, and what it took

    def conversations(self, **filters: str) -> Iterator[Conversation]:
        """By `user_id`, `robot`, `state` and `since`; the latest first."""
        for page in self._pages("/conversations", Conversation.read, filters):
            yield from page.results

    def conversation(self, conversation_id: str) -> Conversation:
        return Conversation.read(self._get(f"/conversations/{conversation_id}"))

    def messages(self, conversation_id: str) -> Iterator[Message]:
        """The newest first."""
        return self._newest_first(f"/conversations/{conversation_id}/messages")

    def usage(self, *, group_by: Iterable[str] = (), **span: str) -> list[dict[str, Any]]:
        """By `from_` and `to`, grouped by robot, model and tier."""
        query = {name.rstrip("_"): value for name, value in span.items()} | {"group_by": ",".join(group_by)}
        return list(self._get("/usage", query)["results"])

    # A desk's

    def take_over(self, conversation_id: str) -> Conversation:
        return Conversation.read(self._post(f"/conversations/{conversation_id}/take_over"))

    def hand_back(self, conversation_id: str) -> Conversation:
        return Conversation.read(self._post(f"/conversations/{conversation_id}/hand_back"))

    def answer(self, conversation_id: str, text: str) -> Message:
        """Answer in place of the robot, once the conversation was taken over."""
        return Message.read(self._post(f"/conversations/{conversation_id}/messages", {"text": text}))

    # How

    def _newest_first(self, path: str) -> Iterator[Message]:
        for page in self._pages(path, Message.read):
            yield from reversed(page.results)

    def _pages[Item](
        self, path: str, read: Callable[[JSONDict], Item], query: Mapping[str, str] | None = None
    ) -> Iterator[Page[Item]]:
        page = Page.read(self._get(path, query), read)
        yield page
        while page.next:
            page = Page.read(self._get(page.next), read)
            yield page

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> JSONDict:
        return self._ask("GET", path, params=query)

    def _post(self, path: str, body: JSONDict | None = None) -> JSONDict:
        return self._ask("POST", path, json=body or {}, headers=new_key())

    def _ask(self, method: str, path: str, **request: Any) -> JSONDict:
        """Ask, and ask again where that is harmless: every POST has a key under which it is done once."""
        for pause_s in PAUSES_S:
            try:
                return self._ask_once(method, path, **request)
            except ParleyError as error:
                if error.retry_after is None or error.retry_after > LONGEST_PAUSE_S:
                    raise
                self._sleep(max(pause_s, error.retry_after))
        return self._ask_once(method, path, **request)

    def _ask_once(self, method: str, path: str, **request: Any) -> JSONDict:
        try:
            response = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise unreachable(error) from error
        if response.is_error:
            raise error_of(response)
        found: JSONDict = response.json()
        return found


def pieces(lines: Iterable[str]) -> Iterator[str]:
    """The texts in a stream of events.  Raises ReplyFailed."""
    for name, data in events(lines):
        if name == "delta":
            yield data["text"]
        elif name == "done":
            return
        elif name == "error":
            raise ReplyFailed(data["error"]["code"], data["error"]["message"], status=200)
    raise Unreachable("unreachable", "the stream ended before the answer")


def events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Server-sent events as Parley sends them: a name and a line of JSON.  Comments are passed over."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def error_of(response: httpx.Response) -> ParleyError:
    status = response.status_code
    try:
        error = response.json()["error"]
        code, message, fields = error["code"], error["message"], error["fields"]
    except (ValueError, KeyError, TypeError):  # a proxy's own page
        code, message, fields = "http_error", f"HTTP {status}", None
    return ParleyError(code, message, status=status, fields=fields, retry_after=retry_after(response))


def retry_after(response: httpx.Response) -> float | None:
    if response.status_code not in BUSY:
        return None
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def unreachable(error: httpx.TransportError) -> Unreachable:
    return Unreachable("unreachable", type(error).__name__, retry_after=0.0)


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}

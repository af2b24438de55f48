"""The console's WebSocket: who is let in, and what is heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.test import Client
from procrastinate.contrib.django.utils import connector_params

from bots.models import Robot
from conversations import gossip, wakeups
from conversations.announcing import cursor_of_page
from conversations.console import live, routing, visits
from conversations.console.consumers import FELL_BEHIND, FORBIDDEN, NOT_UNDERSTOOD, ROOM, Console
from conversations.console.presence import FORGET_S, Presence
from conversations.console.visits import Visit
from conversations.models import Conversation, Message
from tests.support.factories import make_conversation, say
from tests.support.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_S = 10


class Socket(ApplicationCommunicator):
    """A browser's end of the WebSocket.  Channels' own comes with a server that is not installed."""

    def __init__(self, user: Any) -> None:
        scope = {"type": "websocket", "path": "/ws/console/", "user": user, "session": session_of(user)}
        super().__init__(Console.as_asgi(), scope)

    async def connect(self) -> dict[str, Any]:
        await self.send_input({"type": "websocket.connect"})
        return await self.output()

    async def output(self) -> dict[str, Any]:
        event: dict[str, Any] = await self.receive_output(WITHIN_S)
        return event

    async def send(self, **frame: Any) -> None:
        await self.send_input({"type": "websocket.receive", "text": json.dumps(frame)})

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of this type."""
        while (frame := json.loads((await self.output())["text"]))["type"] != kind:
            pass
        return dict(frame)

    async def hear_until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """All frames until those that came since now are enough."""
        frames: list[dict[str, Any]] = []
        while not holds(frames):
            frames.append(json.loads((await self.output())["text"]))
        return frames

    async def last(self) -> dict[str, Any]:
        """The frame that ends the connection."""
        while (frame := await self.output())["type"] != "websocket.close":
            pass
        return frame

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()


def session_of(user: Any) -> SessionBase:
    client = Client()
    if user.is_authenticated:
        client.force_login(user)
    return client.session


def told_of(frames: list[dict[str, Any]]) -> set[str]:
    """The texts of messages that the frames tell of."""
    return {
        event["text"] for frame in frames for event in frame.get("events", ()) if event["type"] == "message"
    }


type Test = Callable[[Socket], Awaitable[None]]


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return make_conversation(robot)


def talk(user: Any, test: Test) -> None:
    """Connect as the user, and let the test talk."""

    socket = Socket(user)

    async def run() -> None:
        listening = asyncio.create_task(wakeups.listen(connector_params()))
        await test(socket)
        await socket.disconnect()
        listening.cancel()

    asyncio.run(run())


@pytest.mark.parametrize("is_known", [True, False])
def test_strangers_are_turned_away(db: None, is_known: bool) -> None:
    user = User.objects.create_user("nobody") if is_known else AnonymousUser()

    async def test(socket: Socket) -> None:
        assert await socket.connect() == {"type": "websocket.close", "code": FORBIDDEN}

    talk(user, test)


def test_changes_are_heard_and_chained(conversation: Conversation, admin_user: User) -> None:
    say(conversation, "before")

    async def test(socket: Socket) -> None:
        await socket.connect()
        assert await socket.hear("hello") == {"type": "hello", "user": admin_user.pk}
        await socket.send(type="watch", conversation=conversation.pk, after=0)
        heard = await socket.hear_until(lambda frames: told_of(frames) >= {"before"})
        now = await sync_to_async(say)(conversation, "now")
        heard += await socket.hear_until(lambda frames: told_of(frames) >= {"now"})
        await sync_to_async(Message.objects.filter(pk=now.pk).update)(text="now!")
        heard += await socket.hear_until(lambda frames: told_of(frames) >= {"now!"})

        assert ["admin"] in [frame["names"] for frame in heard if frame["type"] == "presence"]
        inboxes = [frame["conversations"] for frame in heard if frame["type"] == "inbox"]
        assert {str(conversation.pk): ["message"]} in inboxes
        cursor = 0
        for frame in [frame for frame in heard if frame["type"] == "changed"]:
            assert frame.keys() == {"type", "conversation", "after", "cursor", "events"}
            assert frame["after"] <= cursor
            cursor = max(cursor, frame["cursor"])

    talk(admin_user, test)


def test_only_what_came_later_is_caught_up_with(conversation: Conversation, admin_user: User) -> None:
    say(conversation, "known")
    cursor = cursor_of_page() + 20_000

    async def test(socket: Socket) -> None:
        await socket.connect()
        await socket.send(type="watch", conversation=conversation.pk, after=cursor)
        missed = await socket.hear("changed")
        while missed["after"] != cursor:  # what all are told may come before it
            missed = await socket.hear("changed")
        assert (missed["events"], missed["cursor"]) == ([], cursor)

    talk(admin_user, test)


def test_who_types_is_told_to_who_looks(conversation: Conversation, admin_user: User) -> None:
    async def test(socket: Socket) -> None:
        await socket.connect()
        await socket.send(type="watch", conversation=conversation.pk, after=0)
        await socket.send(type="typing")
        told = await socket.hear("typing")
        assert told == {"type": "typing", "conversation": conversation.pk, "name": "admin"}

    talk(admin_user, test)


def test_a_user_who_types_is_told_to_who_looks(conversation: Conversation, admin_user: User) -> None:
    other = make_conversation(conversation.robot, "bob")

    async def test(socket: Socket) -> None:
        await socket.connect()
        await socket.send(type="watch", conversation=conversation.pk, after=0)
        # Which is heard the way that the word is to come.
        await socket.hear_until(lambda frames: ["admin"] in [frame.get("names") for frame in frames])
        for number in (other.pk, conversation.pk):
            await sync_to_async(gossip.tell)([gossip.typing(number, name="")])
        told = await socket.hear("typing")
        assert told == {"type": "typing", "conversation": conversation.pk, "name": ""}

    talk(admin_user, test)


def test_who_looks_through_another_process_is_told_too(conversation: Conversation, admin_user: User) -> None:
    def look(*names: str) -> gossip.Word:
        return gossip.presence(conversation.pk, "another process", names)

    async def test(socket: Socket) -> None:
        await socket.connect()
        await socket.send(type="watch", conversation=conversation.pk, after=0)
        await socket.hear_until(lambda frames: ["admin"] in [frame.get("names") for frame in frames])
        for words, names in [([look("olive", "admin")], ["admin", "olive"]), ([look()], ["admin"])]:
            await sync_to_async(gossip.tell)(words)
            assert (await socket.hear("presence"))["names"] == names

    talk(admin_user, test)


def test_whom_a_dead_process_told_of_is_forgotten() -> None:
    there = Presence()
    assert there.note(1, "dead", ["olive"], now=0.0)
    assert there.note(1, "alive", ["peter"], now=0.0)
    assert not there.note(1, "alive", ["peter"], now=FORGET_S)

    assert there.forget_silent(FORGET_S) == set()
    assert there.forget_silent(FORGET_S + 1) == {1}
    assert there.names(1) == ["peter"]
    assert there.note(1, "alive", [], now=FORGET_S + 1)
    assert there.names(1) == []


def test_a_console_that_falls_behind_has_to_come_back(conversation: Conversation, admin_user: User) -> None:
    async def test(socket: Socket) -> None:
        await socket.connect()
        await socket.send(type="watch", conversation=conversation.pk, after=0)
        await socket.hear("changed")
        for _ in range(ROOM + 1):  # nothing can be sent meanwhile
            live.hub.hear(gossip.typing(conversation.pk, "olive"))
        assert await socket.last() == {"type": "websocket.close", "code": FELL_BEHIND}

    talk(admin_user, test)


def test_what_is_not_understood_ends_the_connection(admin_user: User) -> None:
    async def test(socket: Socket) -> None:
        await socket.connect()
        await socket.hear("hello")
        await socket.send(type="watch", conversation="all")
        assert (await socket.output())["code"] == NOT_UNDERSTOOD

    talk(admin_user, test)


def log_out(user: User) -> None:
    Session.objects.all().delete()


def set_password(user: User) -> None:
    user.set_password("new")
    user.save()


def take_right(user: User) -> None:
    user.groups.clear()


def dismiss(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("end", [log_out, set_password, take_right, dismiss])
def test_a_socket_ends_with_the_session_and_with_the_right(
    db: None, monkeypatch: pytest.MonkeyPatch, end: Callable[[User], None]
) -> None:
    monkeypatch.setattr(live, "CHECK_S", 0.0)
    olive = make_staff("olive", "viewer")

    async def test(socket: Socket) -> None:
        await socket.connect()
        await socket.hear("hello")
        await sync_to_async(end)(olive)
        assert (await socket.last())["code"] == FORBIDDEN

    talk(olive, test)


def test_to_look_who_may_stay_takes_two_queries(db: None, django_assert_num_queries: Any) -> None:
    users = [User.objects.create_user(f"user{number}", is_staff=number > 0) for number in range(5)]
    there = [Visit(user.pk, str(session_of(user).session_key)) for user in users]

    with django_assert_num_queries(2):
        gone = visits.ended([*there, Visit(users[1].pk, "unknown")])

    assert gone == {there[0], Visit(users[1].pk, "unknown")}


@pytest.mark.parametrize(
    "origin, is_ours",
    [(b"http://parley.example", True), (b"http://evil.example", False), (b"https://trusted.example", True)],
)
def test_only_our_pages_may_open_it(settings: Any, origin: bytes, is_ours: bool) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example"]

    headers = [(b"host", b"parley.example"), (b"origin", origin)]

    assert routing.is_from_our_pages({"headers": headers}) is is_ours
    assert not routing.is_from_our_pages({"headers": headers[:1]})

"""The console: lists, search and history among many conversations, and news to many open sockets.

BENCH_CONVERSATIONS and BENCH_MESSAGES (of each) say how many there are; 100,000 and 50 make five million.
The plans of the lists' queries are written into var/bench/plans.txt.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

from bench import stage
from bench.table import Row, judged, ms, percentile

CONVERSATIONS: Final = int(os.environ.get("BENCH_CONVERSATIONS", "100000"))
MESSAGES: Final = int(os.environ.get("BENCH_MESSAGES", "50"))
REQUESTS: Final = 100  # of each kind
LIST_GOAL_S: Final = 0.1

SOCKETS: Final = int(os.environ.get("BENCH_SOCKETS", "200"))
WATCHED: Final = 20  # conversations, by as many sockets each
EVENTS_PER_S: Final = 100
SECONDS: Final = 20
NEWS_GOAL_S: Final = 0.3

# Nine in ten are resolved; one in a thousand waits.
FILL: Final = """
SET session_replication_role = replica;
{conversations} FROM generate_series(1, {count}) AS n;
{messages} FROM conversations_conversation AS place, generate_series(1, {each}) AS m;
INSERT INTO conversations_handoff
    (conversation_id, cause, taken_by, returned_by, instruction, began_at, change)
SELECT id, 'words', '', '', '', last_message_at, nextval('conversations_change')
  FROM conversations_conversation WHERE owner = 'operator';
INSERT INTO conversations_messagewords (message_id, change, words)
SELECT id, change, array_to_tsvector(string_to_array(text, ' ')) FROM conversations_message;
SET session_replication_role = origin;
"""


def measure() -> list[Row]:
    stage.clear()
    stage.configure()
    fill()
    return [*list_rows(), *socket_rows()]


def fill() -> None:
    from django.db import connection

    from bots.models import Robot
    from conversations.models import Conversation, Message
    from conversations.storing import insert

    statement = FILL.format(
        conversations=insert(
            Conversation,
            public_id="left(md5(n::text), 16)",
            robot_id=str(Robot.objects.get().pk),
            peer_id="'user-' || n",
            owner="CASE WHEN n % 1000 = 0 THEN 'operator' ELSE 'robot' END",
            need="CASE WHEN n % 1000 = 0 THEN 3 ELSE 0 END",
            need_since="CASE WHEN n % 1000 = 0 THEN now() - n * interval '10 s' END",
            resolved_at="CASE WHEN n % 10 > 0 THEN now() - n * interval '10 s' END",
            opened_at="now() - n * interval '20 s'",
            created_at="now() - n * interval '20 s'",
            last_message_at="now() - n * interval '10 s'",
        ),
        count=CONVERSATIONS,
        messages=insert(
            Message,
            public_id="left(md5(place.id || '.' || m), 16)",
            conversation_id="place.id",
            sender="CASE WHEN m % 2 = 1 THEN 'user' ELSE 'robot' END",
            sender_id="place.peer_id",
            extra="'{}'::jsonb",
            text="'please tell word' || m || ' of topic' || place.id % 5000",
            state="'delivered'",
            happened_at="place.last_message_at",
            created_at="place.last_message_at",
            change="nextval('conversations_change')",
        ),
        each=MESSAGES,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("VACUUM ANALYZE")


def list_rows() -> list[Row]:
    from conversations.models import Conversation

    client = operators_client()
    some = list(Conversation.objects.order_by("?").values_list("public_id", flat=True)[:REQUESTS])
    addresses: dict[str, Callable[[int], str]] = {
        **{f"inbox, {view}": list_address(view) for view in ("waiting", "needy", "all", "closed")},
        "inbox, from the middle on": lambda number: f"/console/list/?view=closed&after={middle()}",
        "search, two words": lambda number: f"/console/list/?q=word7+topic{number}",
        "search, a user's id": lambda number: f"/console/list/?q=user-{number + 1}",
        "history, a page": lambda number: f"/console/{some[number % len(some)]}/messages/?before=999999999",
    }
    write_plans()
    return [list_row(what, client, address) for what, address in addresses.items()]


def list_address(view: str) -> Callable[[int], str]:
    return lambda number: f"/console/list/?view={view}"


def middle() -> str:
    """The place of a row half way down the list of what is closed."""
    from urllib.parse import quote

    from conversations.models import Conversation

    closed = Conversation.objects.filter(resolved_at__isnull=False).order_by("-resolved_at")
    row = closed[CONVERSATIONS * 9 // 20]
    assert row.resolved_at is not None
    return quote(f"{row.resolved_at.isoformat()}~{row.pk}")


def list_row(what: str, client: Any, address: Callable[[int], str]) -> Row:
    spans = []
    addresses = [address(number) for number in range(REQUESTS)]
    for each in addresses:
        began = time.perf_counter()
        response = client.get(each)
        spans.append(time.perf_counter() - began)
        assert response.status_code == 200, (each, response.status_code)
    p95 = percentile(spans, 95)
    size = f"{CONVERSATIONS:,} conversations, {CONVERSATIONS * MESSAGES:,} messages"
    goal = judged(f"p95 < {ms(LIST_GOAL_S)}", is_met=p95 < LIST_GOAL_S)
    return Row(f"console, {what}, p50 / p95 ({size})", f"{ms(percentile(spans, 50))} / {ms(p95)}", goal)


def write_plans() -> None:
    """How PostgreSQL reads each list, and a conversation's history."""
    from django.contrib.auth.models import User

    from conversations.console import lists
    from conversations.console.rights import Scope
    from conversations.models import Message

    user, scope = User.objects.get(), Scope(robots=None)
    plans = {
        view: lists.chosen(user, scope, lists.asked({"view": view}))[: lists.PAGE + 1] for view in lists.VIEWS
    }
    newest = Message.objects.order_by("-id").first()
    assert newest is not None
    history = newest.conversation.messages.filter(id__lt=newest.pk).order_by("-id")[:51]
    with (stage.VAR_DIR / "plans.txt").open("w") as file:
        for name, rows in {**plans, "history": history}.items():
            file.write(f"-- {name}\n{rows.explain(analyze=True)}\n\n")


def operators_client() -> Any:
    """Somebody who is logged in at the console, without a browser."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("bench"), backend=settings.AUTHENTICATION_BACKENDS[-1])
    return client


def socket_rows() -> list[Row]:
    from django.conf import settings
    from django.contrib.auth.models import User

    from conversations.models import Conversation

    User.objects.all().delete()
    cookie = operators_client().cookies[settings.SESSION_COOKIE_NAME].value
    conversations = list(Conversation.objects.order_by("-id").values_list("pk", flat=True)[:WATCHED])
    with stage.serving("web-console", ("manage.py", "web")) as port:
        delays = asyncio.run(hear(port, cookie, conversations))
    p99 = percentile(delays, 99)
    what = f"console, {SOCKETS} sockets, {EVENTS_PER_S} events a second: from the commit to the console"
    goal = judged(f"p99 < {ms(NEWS_GOAL_S)}", is_met=p99 < NEWS_GOAL_S)
    figure = f"{ms(percentile(delays, 50))} / {ms(p99)}"
    return [Row(f"{what}, p50 / p99 ({len(delays):,} heard)", figure, goal)]


async def hear(port: int, cookie: str, conversations: list[int]) -> list[float]:
    """Open all sockets and let things happen; → how long after its commit each was heard."""
    delays: list[float] = []
    headers = {"Cookie": f"sessionid={cookie}"}
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                connect(
                    f"ws://localhost:{port}/ws/console/",
                    additional_headers=headers,
                    origin=f"http://localhost:{port}",  # type: ignore[arg-type]  # a str with a name
                    proxy=None,
                    open_timeout=60,
                )
            )
            for _ in range(SOCKETS)
        ]
        listeners = [
            asyncio.create_task(listen(socket, conversations[number % len(conversations)], delays))
            for number, socket in enumerate(sockets)
        ]
        await asyncio.sleep(2)  # until all watch
        await asyncio.to_thread(happen, conversations)
        await asyncio.sleep(2)  # until all have heard
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
    return delays


async def listen(socket: ClientConnection, conversation: int, delays: list[float]) -> None:
    began = time.time()
    await socket.send(json.dumps({"type": "watch", "conversation": conversation, "after": 2**62}))
    async for text in socket:
        frame = json.loads(text)
        if frame["type"] == "changed":
            now = time.time()
            said = [float(event["text"]) for event in frame["events"] if event["type"] == "message"]
            delays += [now - at for at in said if at > began]


def happen(conversations: list[int]) -> None:
    """So many messages a second, each in a transaction of its own, for some time."""
    from django.db import connection
    from django.utils import timezone

    from conversations.models import Message

    pause = threading.Event()
    began = time.monotonic()
    for number in range(EVENTS_PER_S * SECONDS):
        pause.wait(max(0.0, began + number / EVENTS_PER_S - time.monotonic()))
        Message.objects.create(
            conversation_id=conversations[number % len(conversations)],
            sender=Message.Sender.USER,
            sender_id="bench",
            text=str(time.time()),
            state=Message.State.RECEIVED,
            happened_at=timezone.now(),
        )
    connection.close()

"""The console: how soon many open sockets hear what happens.  What its pages take is a part of `growth`."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from contextlib import AsyncExitStack
from typing import Final

from websockets.asyncio.client import ClientConnection, connect

from bench import growth, history, stage
from bench.table import Row, judged, ms, percentile

SOCKETS: Final = int(os.environ.get("BENCH_SOCKETS", "200"))
WATCHED: Final = 20  # conversations, by as many sockets each
EVENTS_PER_S: Final = 100
SECONDS: Final = 20
NEWS_GOAL_S: Final = 0.3


def measure() -> list[Row]:
    from django.conf import settings

    from conversations.models import Conversation

    history.ensure()
    cookie = growth.operators_client().cookies[settings.SESSION_COOKIE_NAME].value
    conversations = list(Conversation.objects.order_by("-id").values_list("pk", flat=True)[:WATCHED])
    with stage.serving("web-console", ("manage.py", "web")) as port:
        delays = asyncio.run(hear(port, cookie, conversations))
    p99 = percentile(delays, 99)
    size = f"{history.MESSAGES:,} messages, {SOCKETS} sockets, {EVENTS_PER_S} events a second"
    what = f"console, {size}: from the commit to the console"
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
        for number, socket in enumerate(sockets):
            await watch(socket, conversations[number % len(conversations)])
        began = time.time()
        listeners = [asyncio.create_task(listen(socket, began, delays)) for socket in sockets]
        await asyncio.to_thread(happen, conversations)
        await asyncio.sleep(2)  # until all have heard
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
    return delays


async def watch(socket: ClientConnection, conversation: int) -> None:
    await socket.send(json.dumps({"type": "watch", "conversation": conversation, "after": 2**62}))
    while json.loads(await socket.recv())["type"] != "changed":  # the answer
        pass


async def listen(socket: ClientConnection, began: float, delays: list[float]) -> None:
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

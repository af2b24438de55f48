"""How many callbacks one web process acknowledges, and how soon, against a view that inserts one row."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import socket
import time
from collections.abc import Iterator
from typing import Final

from bench import stage
from bench.errors import Failed
from bench.load import ClosedLoop, Load, OpenLoop
from bench.table import Row, judged, ms, percentile

SECONDS: Final = 5.0
OPEN_LOOP_S: Final = 8.0
CONNECTIONS: Final = (32, 64)
START_S: Final = 60.0

PARLEY: Final = "Parley"
BARE: Final = "bare WSGI view, served alike"
GRANIAN: Final = "bare WSGI view under granian"
DRF: Final = "Parley's inbox behind a DRF view"
SERVERS: Final = {
    BARE: ("-m", "bench.servers", "bare"),
    PARLEY: ("manage.py", "web"),
    GRANIAN: ("-m", "bench.servers", "granian"),
    DRF: ("-m", "bench.servers", "drf"),
}

HEAD: Final = (
    "POST /callbacks/{account}/?SdkAppid={app}&CallbackCommand=Bot.OnC2CMessage&contenttype=json"
    "&ClientIP=127.0.0.1&OptPlatform=Android&Sign={sign}&RequestTime={time} HTTP/1.1\r\n"
    "host: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
)
# Every callback is another user's, so each needs a conversation, a message, a turn and a job.
BODY: Final = (
    b'{"CallbackCommand":"Bot.OnC2CMessage","From_Account":"%(user)s","To_Account":"%(robot)s",'
    b'"MsgSeq":%(number)d,"MsgRandom":2837546,"MsgTime":%(time)d,'
    b'"MsgKey":"%(number)d_2837546_%(time)d","MsgId":"144115233406643804-%(time)d-%(number)d",'
    b'"OnlineOnlyFlag":0,"SendMsgResult":0,"ErrorInfo":"send msg succeed",'
    b'"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"%(user)s"}}],'
    b'"CloudCustomData":"","EventTime":%(time)d123}'
)


def request(user: str, number: int) -> bytes:
    """A callback as Tencent signs it: somebody writes their own name to the robot."""
    now = int(time.time())
    body = BODY % {
        b"user": user.encode(), b"robot": stage.ROBOT.encode(), b"number": number, b"time": now
    }  # fmt: skip
    head = HEAD.format(
        account=stage.ACCOUNT,
        app=stage.SDK_APP_ID,
        sign=hashlib.sha256(f"{stage.TOKEN}{now}".encode()).hexdigest(),
        time=now,
        length=len(body),
    )
    return head.encode() + body


def requests() -> Iterator[bytes]:
    return (request(f"user-{number:010d}", number) for number in itertools.count(1))


def measure() -> list[Row]:
    per_s: dict[tuple[str, int], float] = {}
    rows: list[Row] = []
    for name, command in SERVERS.items():
        stage.clear()
        stage.configure()
        callbacks = requests()
        with stage.serving(f"web-{command[-1]}", command) as port:
            wait_for(port, callbacks)
            loads = [saturate(port, callbacks, connections) for connections in CONNECTIONS]
            per_s |= {(name, load.connections): load.per_s for load in loads}
            if name == PARLEY:
                half = at_half(port, callbacks, max(load.per_s for load in loads))
                loads.append(half)
                rows.append(latency_row(half))
        if name in (PARLEY, DRF):
            check_stored(1 + sum(load.statuses.total() for load in loads))
    return [*throughput_rows(per_s), *rows]


def wait_for(port: int, callbacks: Iterator[bytes]) -> None:
    """Returns when the server has answered one request."""
    give_up_at = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=START_S) as caller:
                caller.sendall(next(callbacks))
                answer = caller.recv(65_536)
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise Failed(f"a callback was answered {answer!r}")
                return
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)


def saturate(port: int, callbacks: Iterator[bytes], connections: int) -> Load:
    return acknowledged(port, ClosedLoop(callbacks, connections=connections, seconds=SECONDS))


def at_half(port: int, callbacks: Iterator[bytes], most_per_s: float) -> Load:
    load = OpenLoop(callbacks, connections=max(CONNECTIONS), seconds=OPEN_LOOP_S, rate_per_s=most_per_s / 2)
    return acknowledged(port, load)


def acknowledged(port: int, load: Load) -> Load:
    asyncio.run(load.run(port))
    if set(load.statuses) != {200}:
        raise Failed(f"callbacks were answered {dict(load.statuses)}")
    return load


def check_stored(acknowledged: int) -> None:
    """Each callback that was acknowledged is there, with its message, its turn and its job."""
    from procrastinate.contrib.django.models import ProcrastinateJob

    from conversations.models import Callback, Message, Turn

    stored = [model.objects.count() for model in (Callback, Message, Turn, ProcrastinateJob)]
    if stored != [acknowledged] * len(stored):
        raise Failed(
            f"{acknowledged} callbacks were acknowledged; callbacks, messages, turns, jobs: {stored}"
        )


def throughput_rows(per_s: dict[tuple[str, int], float]) -> list[Row]:
    rows = []
    for name, connections in per_s:
        ratio = per_s[name, connections] / per_s[BARE, connections]
        goal = judged("1.0 of the bare view, at least 0.5", is_met=ratio >= 1) if name == PARLEY else ""
        what = f"callbacks a second, {connections} connections: {name}"
        rows.append(Row(what, f"{per_s[name, connections]:,.0f} ({ratio:.2f})", goal))
    return rows


def latency_row(load: Load) -> Row:
    p50, p99 = (percentile(load.latencies_s, percent) for percent in (50, 99))
    return Row(
        f"latency at half of that, {load.per_s:,.0f} a second, p50 / p99",
        f"{ms(p50)} / {ms(p99)}",
        judged("p99 < 25 ms", is_met=p99 < 0.025),
    )

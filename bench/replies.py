"""How far behind the model its words reach the user, with one worker process that holds many replies."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

import psutil
import psycopg

from bench import stage
from bench.clouds import Cloud
from bench.errors import Failed
from bench.http import ServerConnection
from bench.simulated import Reply, Script, Simulated
from bench.table import Row, judged, ms, percentile

CONCURRENCY: Final = 400
REPLIES: Final = 300
RAMP_S: Final = 20.0  # in which they begin, one after the other
TURNS: Final = 60
WINDOW_S: Final = 10.0  # in which all replies are under way
PATIENCE_S: Final = 90.0
COMMITTED: Final = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"

SHORT: Final = Script(first_after_s=0.05, chunks=3, interval_s=0.1)
numbers = itertools.count(1)


def long_answer() -> Script:
    """Ten chunks a second, until all have begun and the window is over."""
    seconds = RAMP_S + WINDOW_S + random.uniform(5, 15)
    return Script(first_after_s=0.3, chunks=int(10 * seconds), interval_s=0.1)


def short_answer() -> Script:
    return SHORT


class Window(NamedTuple):
    """In which all replies were under way."""

    start: float
    end: float

    def holds(self, at: float) -> bool:
        return self.start <= at <= self.end


@dataclass(frozen=True, kw_only=True)
class Work:
    """What the worker and the database did for a crowd of replies."""

    window: Window
    cpu_share: float  # of one core
    rss_mb: float
    transactions_per_frame: float


def measure(kind: type[Cloud]) -> list[Row]:
    stage.clear()
    cloud = kind()
    simulated = Simulated(cloud, short_answer)
    with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as model:
        stage.configure(
            vendor=cloud.vendor,
            config=cloud.config(api.getsockname()[1]),
            robot=cloud.robot,
            model_port=model.getsockname()[1],
        )
        work = ("manage.py", "work", f"--concurrency={CONCURRENCY}")
        with (
            stage.serving("web", ("manage.py", "web"), core=stage.OTHER_CORE) as port,
            stage.Process("worker", work, core=stage.SERVER_CORE) as worker,
        ):
            return asyncio.run(converse(simulated, api, model, port, psutil.Process(worker.pid)))


async def converse(
    simulated: Simulated, api: socket.socket, model: socket.socket, port: int, worker: psutil.Process
) -> list[Row]:
    with ExitStack() as servers:
        loop = asyncio.get_running_loop()
        for listener, handle in ((api, simulated.take), (model, simulated.complete)):
            server = await loop.create_server(partial(ServerConnection, handle), sock=listener)
            servers.enter_context(closing(server))
        async with asyncio.timeout(PATIENCE_S):
            await ask(port, simulated, "first")  # everything has started when it is answered
            await simulated.replies["first"].is_finished.wait()
        one_by_one = await take_turns(port, simulated)
        simulated.next_script = long_answer
        many, work = await crowd(port, simulated, worker)
    return rows_of(simulated, one_by_one, many, work)


def rows_of(
    simulated: Simulated, one_by_one: Sequence[Reply], many: Sequence[Reply], work: Work
) -> list[Row]:
    from bots.vendors import vendor_class

    vendor = vendor_class(simulated.cloud.vendor)
    rows = [
        *rows_of_turns(one_by_one),
        *rows_of_crowd(many, simulated.most_at_once, work, edit_interval_s=vendor.edit_interval_s),
    ]
    return [replace(row, what=f"{vendor.label}: {row.what}") for row in rows]


async def ask(port: int, simulated: Simulated, user: str) -> None:
    """Let a user write to the robot, by a callback."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        writer.write(simulated.cloud.callback(user, next(numbers)))
        status = await reader.readline()
        simulated.replies[user].acknowledged_at = time.perf_counter()
    if b" 200 " not in status:
        raise Failed(f"a callback was answered {status!r}")


async def take_turns(port: int, simulated: Simulated) -> list[Reply]:
    """One user after the other; each waits for the first words of their reply, then the next writes."""
    users = [f"single-{number}" for number in range(TURNS)]
    for user in users:
        await ask(port, simulated, user)
        async with asyncio.timeout(PATIENCE_S):
            await simulated.replies[user].has_words.wait()
    return await finished(simulated, users)


async def crowd(port: int, simulated: Simulated, worker: psutil.Process) -> tuple[list[Reply], Work]:
    """User after user, until all have their reply coming at once."""
    users = [f"crowd-{number}" for number in range(REPLIES)]
    for user in users:
        await ask(port, simulated, user)
        await asyncio.sleep(RAMP_S / REPLIES)
    replies = [simulated.replies[user] for user in users]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(reply.has_words.wait() for reply in replies))
    transactions, frames, cpu_s = await committed(), count_frames(replies), cpu_seconds(worker)
    window = Window(time.perf_counter(), time.perf_counter() + WINDOW_S)
    await asyncio.sleep(WINDOW_S)
    cpu_s = cpu_seconds(worker) - cpu_s
    transactions, frames = await committed() - transactions, count_frames(replies) - frames
    rss = worker.memory_info().rss
    await finished(simulated, users)
    return replies, Work(
        window=window,
        cpu_share=cpu_s / WINDOW_S,
        rss_mb=rss / 1e6,
        transactions_per_frame=transactions / frames,
    )


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def finished(simulated: Simulated, users: Iterable[str]) -> list[Reply]:
    replies = [simulated.replies[user] for user in users]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(reply.is_finished.wait() for reply in replies))
    return replies


async def committed() -> int:
    """Transactions in the database so far.  A statement outside a transaction is one."""
    async with await psycopg.AsyncConnection.connect(**stage.database(), autocommit=True) as database:
        cursor = await database.execute(COMMITTED)
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def count_frames(replies: Iterable[Reply]) -> int:
    return sum(len(reply.frames) for reply in replies)


def lags(reply: Reply, edit_interval_s: float) -> Iterator[tuple[float, float]]:
    """When each frame with new words came, and how late: after the model said the first of them, or after the
    vendor took another edit, whichever came later."""
    shown, edited_at = 0, float("-inf")
    for frame in reply.frames:
        if frame.length > shown:
            said_at = next(said.at for said in reply.said if said.length > shown)
            yield frame.at, frame.at - max(said_at, edited_at + edit_interval_s)
            shown = frame.length
        if frame.length:
            edited_at = frame.at


def rows_of_turns(replies: Sequence[Reply]) -> list[Row]:
    before = [reply.asked_at - reply.acknowledged_at for reply in replies]
    added = [first_words_at(reply) - reply.said[0].at for reply in replies]
    p99 = percentile(added, 99)
    return [
        Row(
            f"callback acknowledged to model asked, {len(replies)} turns, p50 / p99",
            f"{ms(percentile(before, 50))} / {ms(percentile(before, 99))}",
        ),
        Row(
            f"model's first token to first frame with words, {len(replies)} turns, p50 / p99",
            f"{ms(percentile(added, 50))} / {ms(p99)}",
            judged("p99 < 15 ms", is_met=p99 < 0.015),
        ),
    ]


def first_words_at(reply: Reply) -> float:
    return next(frame.at for frame in reply.frames if frame.length)


def rows_of_crowd(replies: Sequence[Reply], at_once: int, work: Work, *, edit_interval_s: float) -> list[Row]:
    frames = [frame for reply in replies for frame in lags(reply, edit_interval_s)]
    late = [lag for at, lag in frames if work.window.holds(at)]
    ramp = [lag for at, lag in frames if at < work.window.start]
    endings = [reply.frames[-1].at - reply.ended_at for reply in replies]
    p50, p99 = percentile(late, 50), percentile(late, 99)
    what = f"one worker, {at_once} streaming replies at once"
    return [
        Row(
            f"{what}: frame behind the model, p50 / p99 / max ({len(late):,} frames)",
            f"{ms(p50)} / {ms(p99)} / {ms(max(late))}",
            judged("p99 <= 300 ms", is_met=p99 <= 0.3),
        ),
        Row(
            f"{what}, while they began, {REPLIES / RAMP_S:.0f} a second: frame behind the model, p50 / p99",
            f"{ms(percentile(ramp, 50))} / {ms(percentile(ramp, 99))}",
        ),
        Row(
            f"{what}: last frame after the model's end, p50 / p99",
            f"{ms(percentile(endings, 50))} / {ms(percentile(endings, 99))}",
        ),
        Row(f"{what}: CPU for one second of one stream", ms(work.cpu_share / len(replies))),
        Row(f"{what}: resident memory", f"{work.rss_mb:.0f} MB"),
        Row(f"{what}: database transactions a frame", f"{work.transactions_per_frame:.1f}"),
    ]

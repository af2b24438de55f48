"""What the same things cost in a small installation and in one with a long past.

Both are filled by `bench.history`, in one database server, and measured by turns, so that whatever else the
machine does is the same for both.  All runs in this process: the statements, and of pages the rendering.
"""

from __future__ import annotations

import gc
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from bench import history, stage
from bench.errors import Failed
from bench.table import Row, judged, ms, percentile

# The first rounds warm up, and reach each conversation: what was not read since the server's start comes from
# the disk, which would be measured in the large installation only.
WARMING: Final = 5
ROUNDS: Final = 5
EACH: Final = 8  # times in a round, behind one that opens the connection and is not counted
BATCH: Final = 32  # callbacks in a transaction
MOST_TIMES: Final = 1.2
GOAL_S: Final = 0.1

type Act = Callable[[int], object]  # its number, so that each does something else
type Side = Callable[[], AbstractContextManager[None]]  # inside, its database is open


@dataclass
class Subject:
    """What is done, and how long that took each time."""

    what: str
    act: Act
    may_grow: bool = True  # or is it to cost the same whatever the past?
    is_page: bool = False  # that somebody waits for
    numbers: Iterator[int] = field(default_factory=itertools.count)  # the same ones in either installation
    spans: list[float] = field(default_factory=list)


def measure() -> list[Row]:
    sides: list[Side] = [history.small, nullcontext]
    pasts: list[dict[int, int]] = []
    for inside, messages in zip(sides, (history.SMALL, history.MESSAGES), strict=True):
        with inside():
            history.ensure(messages)
            pasts.append(lengths(messages))
    found: list[list[Subject]] = []
    for inside, writers in zip(sides, (list(pasts[0]), alike(*pasts)), strict=True):
        with inside():
            found.append(subjects(writers))
    logging.disable(logging.INFO)  # a line for each turn
    gc.freeze()  # as web processes do
    for number in range(WARMING + ROUNDS):
        for pair in zip(*found, strict=True):
            for inside, subject in zip(sides, pair, strict=True):
                with inside():
                    run(subject, counts=number >= WARMING)
    logging.disable(logging.NOTSET)
    return [compared(small, large) for small, large in zip(*found, strict=True)]


def lengths(messages: int) -> dict[int, int]:
    """Conversations in which users may write just now, and how many messages of the past each has."""
    from django.db.models import Count, Q

    from conversations.models import Conversation

    idle = Conversation.objects.filter(resolved_at=None, need=0, owner="robot").order_by("pk")
    past = Count("messages", filter=Q(messages__pk__lte=messages))
    return dict(idle.annotate(past=past).values_list("pk", "past"))


def alike(some: dict[int, int], others: dict[int, int]) -> list[int]:
    """For each of some conversations one of the others that is as long: turns read what was said."""
    free, found = dict(others), []
    for length in some.values():
        nearest = min(free, key=lambda each: abs(free[each] - length))
        found.append(nearest)
        del free[nearest]
    return found


def run(subject: Subject, *, counts: bool) -> None:
    subject.act(next(subject.numbers))
    for number in itertools.islice(subject.numbers, EACH):
        began = time.perf_counter()
        subject.act(number)
        if counts:
            subject.spans.append(time.perf_counter() - began)


def compared(small: Subject, large: Subject) -> Row:
    before, after = (percentile(each.spans, 50) for each in (small, large))
    p95, times = percentile(large.spans, 95), after / before
    goals = []
    if not large.may_grow:
        goals.append(judged(f"<= {MOST_TIMES}", is_met=times <= MOST_TIMES))
    if large.is_page:
        goals.append(judged(f"p95 < {ms(GOAL_S)}", is_met=p95 < GOAL_S))
    what = f"{large.what}: {history.SMALL:,} messages, {history.MESSAGES:,}, p95 of that"
    return Row(what, f"{ms(before)}, {ms(after)} ({times:.2f}), {ms(p95)}", "; ".join(goals))


def subjects(writers: list[int]) -> list[Subject]:
    """For the database that is open now, and conversations in which users write."""
    client = operators_client()
    return [
        Subject("a callback of a known user", lambda number: hear(writers, number, 1), may_grow=False),
        Subject(
            f"{BATCH} callbacks of known users",
            lambda number: hear(writers, number, BATCH),
            may_grow=False,
        ),
        Subject(
            "a turn without its model: claimed, context, settled",
            lambda number: turn(writers[number % len(writers)]),
            may_grow=False,
        ),
        *(
            Subject(what, page(client, address), may_grow=False, is_page=True)
            for what, address in inbox().items()
        ),
        *(Subject(what, page(client, address), is_page=True) for what, address in finding().items()),
        Subject("admin, front page", page(client, lambda number: "/admin/"), may_grow=False),
        Subject("a look for alerts", look, may_grow=False),
        Subject("a scrape", scrape, may_grow=False),
        Subject("a console's look for news", news, may_grow=False),
        Subject("usage of a day", lambda number: sum_up(days=1)),
        Subject("usage of a month", lambda number: sum_up(days=30)),
        *(Subject(what, page(client, address)) for what, address in others().items()),
    ]


def operators_client() -> Any:
    """Somebody who is logged in, without a browser."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    User.objects.filter(username="bench").delete()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("bench"), backend=settings.AUTHENTICATION_BACKENDS[-1])
    return client


def page(client: Any, address: Callable[[int], str]) -> Act:
    def get(number: int) -> None:
        response = client.get(address(number))
        if response.status_code != 200:
            raise Failed(f"{address(number)}: HTTP {response.status_code}")

    return get


def inbox() -> dict[str, Callable[[int], str]]:
    from conversations.console.lists import VIEWS

    lists: dict[str, Callable[[int], str]] = {f"inbox, {view}": listed(f"view={view}") for view in VIEWS}
    return lists | {"inbox, from the middle on": listed(f"view=closed&after={middle()}")}


def listed(query: str) -> Callable[[int], str]:
    return lambda number: f"/console/list/?{query}"


def middle() -> str:
    """The place of a row half way down the list of what is closed, or less if no full page followed."""
    from urllib.parse import quote

    from conversations.console.lists import PAGE
    from conversations.models import Conversation

    closed = Conversation.objects.filter(resolved_at__isnull=False).order_by("-resolved_at")
    count = closed.count()
    row = closed[min(count // 2, count - PAGE - 2)]
    assert row.resolved_at is not None
    return quote(f"{row.resolved_at.isoformat()}~{row.pk}")


def finding() -> dict[str, Callable[[int], str]]:
    """Searches, and pages of what was said."""
    from django.db.models import Count

    from conversations.models import Conversation, Message

    places = dict(Conversation.objects.values_list("pk", "public_id")[:1000])
    counted = Message.objects.filter(conversation__in=places).values("conversation").annotate(n=Count("pk"))
    by_length = sorted((each["n"], places[each["conversation"]]) for each in counted)
    long = [public_id for n, public_id in by_length if n > 50]
    newest = Message.objects.latest("pk").pk
    return {
        "search, a word said often": listed("q=refund"),
        "search, Chinese said often": listed("q=退款"),
        "search, a word said seldom": lambda number: f"/console/list/?q={order(number)}",
        "search, Chinese said seldom": lambda number: f"/console/list/?q={seldom(number)}",
        "search, two words said often": listed("q=refund+parcel"),
        "search, one letter and a word said seldom": lambda number: f"/console/list/?q=o+{order(number)}",
        "search, a word that nobody said": lambda number: f"/console/list/?q=nowhere{number}",
        "search, among those who wait": listed("view=waiting&q=refund+parcel"),
        "search, a user's id": lambda number: f"/console/list/?q=user-{1 + number % 200}",
        "history, a page": lambda number: f"/console/{long[number % len(long)]}/messages/?before={newest}",
        "history, the longest": lambda number: f"/console/{by_length[-1][1]}/messages/?before={newest // 2}",
        "a conversation's page": lambda number: f"/console/{long[number % len(long)]}/",
    }


def order(number: int) -> str:
    """A word of one message, an old one."""
    return f"no{history.NUMBERED * (1 + number % 400)}"


def seldom(number: int) -> str:
    first, second = divmod(number, len(history.CHARACTERS))
    return history.CHARACTERS[first % len(history.CHARACTERS)] + history.CHARACTERS[second]


def others() -> dict[str, Callable[[int], str]]:
    """Pages for which nothing is promised."""
    models = ("conversation", "message", "turn", "callback", "spend")
    return {
        "supervisor's figures of 30 days": lambda number: "/console/numbers/?days=30",
        **{f"admin, list of {name}s": listing(name) for name in models},
        "admin, a user's conversations": lambda number: f"{listing('conversation')(0)}?q=user-{number % 200}",
    }


def listing(model: str) -> Callable[[int], str]:
    return lambda number: f"/admin/conversations/{model}/"


def hear(writers: list[int], number: int, count: int) -> None:
    from conversations import receiving

    numbers = range(number * count, (number + 1) * count)
    receiving.store([arrival(each, writers[each % len(writers)]) for each in numbers])


def arrival(number: int, conversation: int) -> Any:
    """A callback that tells of a message, as it is once it was read."""
    from django.utils import timezone

    from bots.clients import find_account
    from bots.events import Address, MessageReceived, Text
    from conversations.models import Callback
    from conversations.receiving import Arrival

    account = find_account(stage.ACCOUNT)
    assert account is not None
    user = f"user-{conversation}"
    key, now = f"{number}-{time.time_ns()}", timezone.now()
    event = MessageReceived(
        event_id=key,
        happened_at=now,
        raw={},
        robot_id=stage.ROBOT,
        conversation=Address(kind="peer", id=user),
        sender_id=user,
        content=Text(text="where is my order"),
        vendor_message_id=key,
    )
    callback = Callback(
        account=account, delivery_id=key, event="bench", received_at=now, body="{}", state=Callback.State.READ
    )
    return Arrival(account, callback, [event])


def turn(conversation: int) -> None:
    """Callbacks left one in each."""
    from conversations import context, turns
    from conversations.models import Turn

    taken = turns.take(conversation)
    if taken is None:
        raise Failed("no turn waits")
    context.show(taken)
    turns.end(taken, Turn.State.DONE)


def look(number: int) -> None:
    from django.db import transaction
    from django.utils import timezone

    from alerts import evaluating

    with transaction.atomic():
        evaluating.evaluate(timezone.now())
        transaction.set_rollback(True)


def scrape(number: int) -> None:
    from config.scraping import Gauges
    from metrics import keeping

    keeping.exposition(Gauges())


def news(number: int) -> None:
    from conversations.announcing import Reader, newest_change

    Reader(last=newest_change()).read(time.monotonic())


def sum_up(*, days: int) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from conversations import usage

    now = timezone.now()
    usage.summed(since=now - timedelta(days=days), until=now, groups=["robot", "model", "tier"])

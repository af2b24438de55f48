"""How PostgreSQL reads lists, searches and histories: `python -m bench.plans` writes docs/plans.md anew.

The statements are caught as pages make them, in an installation of BENCH_MESSAGES messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from bench import growth, history, stage

PLACE: Final = stage.BASE_DIR / "docs" / "plans.md"
EXPLAIN: Final = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) "
# What of a plan tells how it is done, and not only that.
TELLING: Final = re.compile(r"->|Cond:|Filter:|Sort Key:|^Trigger|^Execution Time:")
WORDS: Final = re.compile(r"\b(?:SELECT|UPDATE|DELETE|conversations_\w+)")
WIDTH: Final = 150

HEAD: Final = """# Query plans

How PostgreSQL reads the console's lists, searches and histories, and how old messages are deleted, in an
installation with {conversations:,} conversations and {messages:,} messages. `python -m bench.plans` (with
`BENCH_MESSAGES`) fills one and writes this page anew.
Plans are shortened: how rows are found, how many, how many pages of 8 kB were touched, and how long it took.
[benchmarks.md](benchmarks.md) has what whole pages take.
"""


def main() -> None:
    stage.set_up()
    history.ensure()
    found: dict[str, str] = {}
    for title, plan in plans():
        found.setdefault(title, plan)  # of statements that are alike, the first
    sections = (f"\n## {title}\n\n```\n{plan}\n```\n" for title, plan in found.items())
    head = HEAD.format(messages=history.MESSAGES, conversations=history.conversations_of(history.MESSAGES))
    PLACE.write_text(head + "".join(sections))


# Which statements are shown: of which pages, what is told of them, and what stands in them.
SHOWN: Final = (
    ("inbox, ", "", r'AS "at"'),
    ("inbox, waiting", "the last message of each row", r'"U0"\."conversation_id" ='),
    ("inbox, waiting", "how much of each row is unread", "place.mark"),
    ("search, a user's id", "", r'AS "at"'),
    ("search, ", "in the newest part", r"unnest\('\{[^}]*\}'.* WITH ORDINALITY"),
    ("search, ", "in four parts behind", r"unnest\('\{[^}]*,[^}]*\}'.* WITH ORDINALITY"),
    ("history, ", "", r'FROM "conversations_message" WHERE .* ORDER BY "conversations_message"\."id" DESC'),
)


def plans() -> Iterator[tuple[str, str]]:
    """Titles and plans."""
    client = growth.operators_client()
    for what, address in (growth.inbox() | growth.finding()).items():
        statements = made_by(partial(growth.page(client, address), 1))
        for pages, told, pattern in SHOWN:
            for sql in statements:
                if what.startswith(pages) and re.search(pattern, sql):
                    yield f"{what}: {told}".removesuffix(": "), explained(sql)
    yield "usage of a month", explained(made_by(partial(growth.sum_up, days=30))[-1])
    yield from plans_of_deletion()


def plans_of_deletion() -> Iterator[tuple[str, str]]:
    """For a batch of the oldest messages, which stay there."""
    from django.db import connection, transaction

    from conversations import retention
    from conversations.models import Message

    oldest = Message.objects.order_by("pk").values_list("created_at", flat=True)
    with transaction.atomic():
        statements = made_by(partial(retention.forget_messages, oldest[retention.BATCH]))
        transaction.set_rollback(True)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what they check is a part of it
        for sql in statements:
            if sql.startswith(("SELECT", "UPDATE", "DELETE")):
                yield f"retention: {' '.join(WORDS.findall(sql)[:2])}", explained(sql)
        transaction.set_rollback(True)


def made_by(act: Callable[[], object]) -> list[str]:
    """The statements that something makes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as caught:
        act()
    return [each["sql"] for each in caught.captured_queries]


def explained(sql: str) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(EXPLAIN + sql)
        return shortened(line for (line,) in cursor.fetchall())


def shortened(plan: Iterable[str]) -> str:
    """Of what each step touched, only the sum."""
    first, *others = plan
    touched = next((line for line in others if "Buffers:" in line), "")
    telling = [line for line in others if TELLING.search(line)]
    return "\n".join(line[:WIDTH] for line in (first, touched, *telling))


if __name__ == "__main__":
    main()

"""What keeps tables fast that only ever grow: the indexes that they are read by.

`make bench ARGS=growth` measures it.  Here there is just enough for PostgreSQL to see what grows and what
does not, and plans that are better for small tables are forbidden.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model, QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bots.models import Robot
from conversations import handoffs, searching, usage
from conversations.console import lists, numbers
from conversations.console.rights import Scope
from conversations.models import Conversation, Handoff, Message, Spend
from tests.support.factories import START, make_conversation, make_spend, say

pytestmark = pytest.mark.django_db

PAST, OPEN, WAITING = 300, 60, 6  # conversations
GROWING = (
    "conversations_callback",
    "conversations_conversation",
    "conversations_handoff",
    "conversations_message",
    "conversations_modelcall",
    "conversations_turn",
)
# Where a row that goes is referred to from is looked up for each row.
WITHOUT_INDEX = """
SELECT conrelid::regclass::text, attname
  FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
 WHERE contype = 'f' AND confrelid::regclass::text = ANY(%s)
   AND NOT EXISTS (
       SELECT FROM pg_index
        WHERE indrelid = conrelid AND indkey[0] = conkey[1]
          AND (indpred IS NULL OR pg_get_expr(indpred, conrelid) = format('(%%I IS NOT NULL)', attname))
   )
"""


def test_whatever_refers_to_a_growing_table_is_found_by_an_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(WITHOUT_INDEX, [list(GROWING)])
        assert cursor.fetchall() == []


@pytest.fixture
def past(robot: Robot) -> Robot:
    """Most of it is closed; some is open, and some of that waits."""
    at = [START - timedelta(hours=number) for number in range(PAST)]
    Conversation.objects.bulk_create(
        Conversation(
            robot=robot,
            peer_id=f"user{number}",
            last_message_at=at[number],
            resolved_at=None if number < OPEN else at[number],
            need=Conversation.Need.PERSON if number < WAITING else Conversation.Need.NONE,
            need_since=at[number],
        )
        for number in range(PAST)
    )
    for number, conversation in enumerate(Conversation.objects.order_by("-last_message_at")):
        ended_at = None if number < WAITING else at[number]
        Handoff.objects.create(
            conversation=conversation, cause="words", began_at=at[number], ended_at=ended_at
        )
        make_spend(robot, name=conversation.peer_id)
    make_spend(robot, scope=Spend.Scope.ROBOT, name=robot.user_id)
    analyze(Conversation, Handoff, Spend)
    return robot


def analyze(*tables: type[Model]) -> None:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ANALYZE {table._meta.db_table}")


def forbid(*plans: str) -> None:
    with connection.cursor() as cursor:
        for plan in plans:
            cursor.execute(f"SET LOCAL enable_{plan} = off")


def plan_of(rows: QuerySet[Any]) -> str:
    forbid("seqscan", "sort")
    return rows.explain()


@pytest.mark.parametrize(
    "view, index",
    [
        ("all", "conversation_open"),
        ("closed", "conversation_resolved"),
        ("waiting", "handoff_open"),
        ("needy", "conversation_needy"),
    ],
)
def test_each_view_of_the_inbox_is_read_by_an_index_of_its_own(past: Robot, view: str, index: str) -> None:
    user, scope = User.objects.create_user("ada"), Scope(robots=None)

    assert index in plan_of(lists.chosen(user, scope, lists.asked({"view": view}))[: lists.PAGE + 1])


def test_a_page_of_history_is_read_from_its_end(robot: Robot) -> None:
    conversations = [make_conversation(robot, f"user{number}") for number in range(20)]
    for conversation in conversations:
        Message.objects.bulk_create(
            Message(conversation=conversation, sender="user", state="received", happened_at=START)
            for _ in range(20)
        )
    messages = conversations[-1].messages
    analyze(Message)

    assert "message_latest" in plan_of(messages.filter(id__lt=10**6).order_by("-id")[:50])


def test_a_search_looks_words_up_part_by_part(robot: Robot) -> None:
    say(make_conversation(robot), "refund")
    searching.catch_up()

    forbid("indexscan")  # of another index, which would read all of it
    plan = plan_of_statement("tsquery", lambda: searching.found("refund", most=20))

    assert "message_words_by_part" in plan


def test_usage_is_summed_up_from_the_calls_of_its_time() -> None:
    now = timezone.now()

    forbid("indexscan", "indexonlyscan")  # likewise
    plan = plan_of_statement(
        "modelcall", lambda: usage.summed(since=now - timedelta(days=1), until=now, groups=[])
    )

    assert "call_by_time" in plan


def test_what_robots_cost_is_read_without_what_users_did(past: Robot) -> None:
    plan = plan_of_statement(
        "conversations_spend", lambda: numbers.by_robot(Scope(robots=None), START.date())
    )

    assert "spend_of_robots" in plan


def plan_of_statement(part: str, act: Callable[[], object]) -> str:
    """How the one statement is run that has this part."""
    with CaptureQueriesContext(connection) as caught:
        act()
    [sql] = [each["sql"] for each in caught.captured_queries if part in each["sql"]]
    forbid("seqscan")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return str(cursor.fetchall())


def test_what_is_unread_is_not_counted_for_ever(robot: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_UNREAD", 2)
    user, conversation = User.objects.create_user("ada"), make_conversation(robot)
    handoffs.begin(conversation, Handoff.Cause.WORDS)
    for text in ("one", "two", "three"):
        say(conversation, text)

    [row] = lists.page(user, Scope(robots=None), lists.asked({"view": "waiting"})).rows
    assert row.unread == 2

"""An installation's past: a year of conversations of very different sizes, in Chinese and English.

BENCH_MESSAGES says how many messages a large one has.  To a question and its reply belong the turn, the
callback and the model's call, as Parley leaves them behind; what people did besides is in proportion.  Work
that is open is not: it grows with the staff, not with the years, so there is as much of it in either size.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from bench import stage

MESSAGES: Final = int(os.environ.get("BENCH_MESSAGES", "500000"))
SMALL: Final = 10_000  # messages of the installation that a large one is compared to
PER_CONVERSATION: Final = 50  # messages, on average
DAYS: Final = 400  # which the past is spread over

TEXTS: Final = 20_000  # different ones
SUMMED_AT_ONCE: Final = 100_000  # calls: no worker has to do anything else meanwhile
NUMBERED: Final = 10  # one question in so many names an order, which no other does

PHRASES: Final = (
    "退款", "订单", "快递", "什么时候", "到货", "您好", "请问", "谢谢", "可以", "发票", "地址", "修改",
    "取消", "优惠券", "会员", "登录", "密码", "客服", "人工", "支付", "失败", "账户", "余额", "商品", "质量",
    "问题", "尺码", "颜色", "换货", "处理", "查询", "物流", "显示", "收到", "没有", "联系", "电话",
    "帮我", "申请", "售后",
)  # fmt: skip
CHARACTERS: Final = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同"
WORDS: Final = (
    "order", "the", "please", "refund", "delivery", "my", "is", "to", "and", "when", "address", "invoice",
    "cancel", "account", "password", "coupon", "payment", "failed", "thanks", "return", "size", "color",
    "late", "parcel",
)  # fmt: skip
SYLLABLES: Final = (
    "ba", "cor", "del", "fin", "gra", "hol", "in", "ker", "lum", "mon", "nor", "pel", "ri", "sta", "tor",
)  # fmt: skip

# `exchange` has the questions and answers of the past, oldest first.  A few conversations have many of them.
EXCHANGES: Final = """
SELECT setseed(0.5);
CREATE TEMP TABLE exchange ON COMMIT DROP AS
SELECT id, asked, answered, place, at, at + interval '1 s' AS begun_at, at + interval '2 s' AS answered_at,
       CASE WHEN id % {numbered} = 0 THEN ' no' || id ELSE '' END AS number
  FROM (SELECT id,
               1 + floor(random() * {texts})::int AS asked, 1 + floor(random() * {texts})::int AS answered,
               CASE WHEN id <= {conversations} THEN id
                    ELSE 1 + floor({conversations} * power(random(), 2))::bigint * 7919 % {conversations}
               END AS place,
               now() - ({exchanges} - id) * (interval '{days} days' / {exchanges}) AS at
          FROM generate_series(1, {exchanges}) AS id) AS drawn;
CREATE TEMP TABLE place ON COMMIT DROP AS
SELECT place AS id, min(at) AS began_at, max(at) AS ended_at FROM exchange GROUP BY place;
ANALYZE exchange;
"""
TEXT: Final = """
CREATE TEMP TABLE phrase (id int PRIMARY KEY, said text, words tsvector) ON COMMIT DROP;
"""
ADD_TEXTS: Final = """
INSERT INTO phrase SELECT id, said, array_to_tsvector(string_to_array(words, ' '))
  FROM unnest(%s::int[], %s::text[], %s::text[]) AS new (id, said, words)
"""
WORDS_OF_MESSAGES: Final = """
INSERT INTO conversations_messagewords (message_id, change, words)
SELECT 2 * exchange.id - 1, 3 * exchange.id - 2,
       CASE WHEN number = '' THEN words ELSE words || array_to_tsvector(ARRAY[trim(number)]) END
  FROM exchange JOIN phrase ON phrase.id = asked ORDER BY exchange.id;
INSERT INTO conversations_messagewords (message_id, change, words)
SELECT 2 * exchange.id, 3 * exchange.id - 1, words
  FROM exchange JOIN phrase ON phrase.id = answered ORDER BY exchange.id;
"""
# In the order of the constraint, or each entry would go to another page of its index.
SPENDING: Final = """
FROM (SELECT {name} AS name, at::date AS day, count(*) AS count FROM exchange GROUP BY 1, 2) AS used,
     (VALUES ('tokens', 460), ('CNY', 0.002)) AS each (unit, price)
ORDER BY name, unit, day
"""
# A month of counting: what the front page adds up.
HOURS: Final = """
INSERT INTO metrics_hour (hour, name, labels, value)
SELECT hour, name, jsonb_build_object(label, value), 100
  FROM generate_series(date_trunc('hour', now()) - interval '30 days', now(), '1 hour') AS hour,
       (VALUES ('parley_turns_total', 'outcome', 'done'), ('parley_turns_total', 'outcome', 'failed'),
               ('parley_callbacks_total', 'outcome', 'read'), ('parley_tokens_total', 'direction', 'input'),
               ('parley_tokens_total', 'direction', 'output'), ('parley_cost_total', 'currency', 'CNY'),
               ('parley_model_calls_total', 'outcome', 'answered'), ('parley_ratings_total', 'score', '5'))
       AS sample (name, label, value);
"""

CALLBACK_BODY: Final = """jsonb_build_object(
    'CallbackCommand', 'Bot.OnC2CMessage', 'From_Account', 'user-' || place, 'To_Account', '{robot}',
    'MsgSeq', id, 'MsgRandom', 2837546, 'MsgTime', extract(epoch FROM at)::int,
    'MsgKey', id || '_2837546_1700000000',
    'MsgId', '144115233406643804-1700000000-' || id, 'OnlineOnlyFlag', 0, 'SendMsgResult', 0,
    'ErrorInfo', 'send msg succeed', 'CloudCustomData', '', 'MsgBody', jsonb_build_array(jsonb_build_object(
        'MsgType', 'TIMTextElem', 'MsgContent', jsonb_build_object('Text', 'order ' || id)))
)::text"""

INDEXES: Final = """
SELECT index.relname, pg_get_indexdef(index.oid)
  FROM pg_index
  JOIN pg_class AS index ON index.oid = indexrelid
  JOIN pg_class AS owner ON owner.oid = indrelid
 WHERE owner.relname = ANY(%s) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = index.oid)
"""

# The first conversations: who waits for a person, what operators have, what else needs a look, and who writes
# just now.
WAITING, HELD, NEEDY, WRITING = 40, 80, 120, 160
OPEN: Final = f"(n <= {WRITING} OR n % 10 = 0)"


def ensure(messages: int = MESSAGES) -> None:
    """Fill the database that is open now, unless it is."""
    from django.core.management import call_command

    from conversations.models import Conversation, Message

    call_command("migrate", verbosity=0)
    is_filled = Conversation.objects.count() == conversations_of(messages)
    if is_filled and Message.objects.filter(pk=messages).exists():
        return
    stage.clear()
    stage.configure()
    began = time.monotonic()
    fill(messages)
    took = time.monotonic() - began
    print(f"filled with {messages:,} messages in {took:.0f} s: {size()}", file=sys.stderr)


@contextmanager
def small() -> Iterator[None]:
    """Inside, the database is a small installation's."""
    from django.db import connection

    large, name = connection.settings_dict["NAME"], "small"
    with psycopg.connect(**(stage.database() | {"dbname": "postgres"}), autocommit=True) as server:
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            server.execute(f"CREATE DATABASE {name}")
    use(name)
    try:
        yield
    finally:
        use(large)


def use(name: str) -> None:
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it
    connection.settings_dict["NAME"] = name


def size() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        return str(cursor.fetchone()[0])


def conversations_of(messages: int) -> int:
    return messages // PER_CONVERSATION


def fill(messages: int) -> None:
    """All at once, so that a run that is cut off leaves nothing.  Indexes are built when the rows are there:
    entry by entry it takes several times as long."""
    from django.core.management.color import no_style
    from django.db import connection, transaction
    from django.utils import timezone

    from conversations import usage

    models: Any = filled_models()
    tables = [model._meta.db_table for model in models]
    sizes = {
        "exchanges": messages // 2,
        "conversations": conversations_of(messages),
        "texts": TEXTS,
        "numbered": NUMBERED,
        "days": DAYS,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL maintenance_work_mem = '1GB'")
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(INDEXES, [tables])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        cursor.execute(TEXT)
        cursor.execute(ADD_TEXTS, texts())
        cursor.execute(EXCHANGES.format(**sizes))
        for statement in (*rows(), WORDS_OF_MESSAGES, HOURS):
            cursor.execute(statement)
        for _, definition in indexes:
            cursor.execute(definition)
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
        cursor.execute("SELECT setval('conversations_change', %s)", [3 * sizes["exchanges"] + len(tables)])
    while usage.sum_up_some(timezone.now(), SUMMED_AT_ONCE):
        pass
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def filled_models() -> list[Any]:
    from conversations import models

    names = (
        "Conversation", "Message", "MessageWords", "Turn", "ModelCall", "Callback", "Handoff", "Resolution",
        "Rating", "Spend",
    )  # fmt: skip
    return [getattr(models, name) for name in names]


def rows() -> Iterator[str]:
    """Statements that make rows of the exchanges."""
    from bots.models import Robot

    robot = Robot.objects.get()
    yield conversations(robot.pk)
    yield from turns()
    yield callbacks(robot.account_id, robot.user_id)
    yield from messages()
    yield from deeds()
    yield from spending(robot.account_id, robot.user_id)


def conversations(robot: int) -> str:
    from bots.database import insert
    from conversations.models import Conversation

    return (
        insert(
            Conversation,
            id="n",
            public_id="left(md5(n::text), 16)",
            robot_id=str(robot),
            peer_id="'user-' || n",
            owner=f"CASE WHEN n <= {HELD} THEN 'operator' ELSE 'robot' END",
            need=f"CASE WHEN n <= {WAITING} THEN 3 WHEN n BETWEEN {HELD + 1} AND {NEEDY} THEN 2 ELSE 0 END",
            need_since=f"CASE WHEN n <= {NEEDY} THEN ended_at END",
            resolved_at=f"CASE WHEN NOT {OPEN} THEN ended_at + interval '1 h' END",
            opened_at="began_at",
            created_at="began_at",
            last_message_at="ended_at",
        )
        + " FROM (SELECT id AS n, began_at, ended_at FROM place ORDER BY id) AS place"
    )


def turns() -> Iterator[str]:
    """With the one call that each made to its model."""
    from bots.database import insert
    from bots.models import LanguageModel
    from conversations.models import ModelCall, Turn

    of_both = {
        "id": "exchange.id",
        "attempt": "1",
        "model_id": str(LanguageModel.objects.get().pk),
        "finish_reason": "'stop'",
        "input_tokens": "400",
        "output_tokens": "60",
        "cost": "0.002",
        "currency": "'CNY'",
        "started_at": "begun_at",
        "first_token_at": "answered_at",
        "ended_at": "answered_at",
    }
    yield insert(
        Turn, **of_both, conversation_id="place", state="'done'", epoch="0", reply="said", queued_at="at",
        spoken_at="answered_at", change="3 * exchange.id",
    ) + " FROM exchange JOIN phrase ON phrase.id = answered ORDER BY exchange.id"  # fmt: skip
    yield insert(
        ModelCall, **of_both, turn_id="id", outcome="'answered'", day="at::date",
    ) + " FROM exchange ORDER BY id"  # fmt: skip


def callbacks(account: int, robot: str) -> str:
    from bots.database import insert
    from conversations.models import Callback

    return (
        insert(
            Callback,
            id="id",
            account_id=str(account),
            delivery_id="'144115233406643804-1700000000-' || id",
            event="'Bot.OnC2CMessage'",
            received_at="at",
            query="""'{"SdkAppid": "1400000000", "CallbackCommand": "Bot.OnC2CMessage"}'""",
            headers="""'{"content-type": "application/json"}'""",
            body=CALLBACK_BODY.format(robot=robot),
            state="'read'",
        )
        + " FROM exchange ORDER BY id"
    )


def messages() -> Iterator[str]:
    from bots.database import insert
    from conversations.models import Message

    sides = (
        ("2 * exchange.id - 1", "asked", "user", "received", "said || number", "3 * exchange.id - 2"),
        ("2 * exchange.id", "answered", "robot", "delivered", "said", "3 * exchange.id - 1"),
    )
    for pk, text, sender, state, said, change in sides:
        yield (
            insert(
                Message,
                id=pk,
                public_id=f"left(md5('message' || {pk}), 16)",
                conversation_id="place",
                turn_id="exchange.id",
                sender=f"'{sender}'",
                sender_id="'user-' || place",
                text=said,
                extra="'{}'",
                state=f"'{state}'",
                vendor_message_id=f"{pk} || '_2837546_1700000000'",
                accepted="length(said)",
                happened_at="at",
                created_at="at",
                change=change,
            )
            + f" FROM exchange JOIN phrase ON phrase.id = {text} ORDER BY exchange.id"
        )


def deeds() -> Iterator[str]:
    """What people did: handoffs, matters that were settled, ratings."""
    from bots.database import insert
    from conversations import models

    names = {"taken_by": "'ada'", "returned_by": "'ada'", "change": "1"}
    yield insert(
        models.Handoff, conversation_id="place", cause="'words'", began_at="at", taken_at="begun_at",
        answered_at="answered_at", ended_at="answered_at", **names,
    ) + " FROM exchange WHERE id % 50 = 0"  # fmt: skip
    yield insert(
        models.Handoff, conversation_id="id", cause="'words'", began_at="ended_at",
        taken_at=f"CASE WHEN id > {WAITING} THEN ended_at END", **names | {"returned_by": "''"},
    ) + f" FROM place WHERE id <= {HELD}"  # fmt: skip
    yield insert(
        models.Resolution, conversation_id="place", resolved_by="''", is_by_robot="id % 5 > 0",
        opened_at="at", resolved_at="at + interval '1 h'",
    ) + " FROM exchange WHERE id % 10 = 0"  # fmt: skip
    yield (
        insert(models.Rating, conversation_id="place", score="4", created_at="at")
        + " FROM exchange WHERE id % 50 = 1"
    )


def spending(account: int, robot: str) -> Iterator[str]:
    """What each user took on each day, and all of them together."""
    from bots.database import insert
    from conversations.models import Spend

    for scope, name in (("peer", "'user-' || place"), ("robot", f"'{robot}'"), ("account", "''")):
        yield insert(
            Spend, account_id=str(account), scope=f"'{scope}'", name="name", day="day", unit="unit",
            spent="count * price",
        ) + SPENDING.format(name=name)  # fmt: skip


def texts() -> tuple[list[int], list[str], list[str]]:
    """Numbers, texts, and what the product indexes each by."""
    from conversations.searching import words_of

    dice = random.Random(1)
    chinese = [*PHRASES, *("".join(dice.choices(CHARACTERS, k=2)) for _ in range(3000))]
    english = [*WORDS, *("".join(dice.choices(SYLLABLES, k=dice.randint(2, 4))) for _ in range(5000))]
    said = [
        "，".join(drawn(dice, chinese, 3, 9))
        if dice.random() < 0.6
        else " ".join(drawn(dice, english, 4, 16))
        for _ in range(TEXTS)
    ]
    return list(range(1, TEXTS + 1)), said, [" ".join(sorted(words_of(text))) for text in said]


def drawn(dice: random.Random, words: list[str], least: int, most: int) -> Iterator[str]:
    """Some words, the first of the list far more often than the last."""
    return (words[int(len(words) * dice.random() ** 3)] for _ in range(dice.randint(least, most)))

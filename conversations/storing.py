"""What callbacks say, stored with the jobs that answer it by one statement.

Statement by statement and object by object the same takes three times as long: a batch is not large, and
the ORM's share of each statement is.  What comes in travels as two JSON documents; the models' defaults
for all other columns are written into the statement.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any, Final

from django.db import connection
from django.db.models import Model

from bots.database import insert
from bots.events import Content, MessageReceived, MessageSent
from bots.models import VendorAccount
from conversations.models import Callback, Conversation, Message, Turn

# PostgreSQL checks foreign keys by plans that it keeps as long as the connection lives.  One from a time
# when the table of jobs was all but empty would read it from end to end for each job of a later burst.
NO_TABLE_SCANS: Final = "SET LOCAL enable_seqscan = off"

# The job that answers a conversation (`tasks.answer`).  One of a conversation runs at a time.
ANSWER_TASK: Final = "conversations.answer"
ANSWER_QUEUE: Final = "default"
LOCK_PREFIX: Final = "conversation:"

# As `new_public_id` makes them: a message may become a row for each of several robots.
NEW_PUBLIC_ID: Final = """translate(encode(
    substring(int8send(extract(epoch FROM now())::bigint >> 8) FROM 6)
    || substring(uuid_send(gen_random_uuid()) FROM 8),
'base64'), '+/', '-_')"""

# Repeats are left out wherever they show.  The conversations' rows stay locked until the commit: no turn
# is taken meanwhile, and no other batch queues one.  All batches lock in the same order, so that they
# cannot block one another for good.
STORE: Final = """
WITH stored AS (
    {insert_callbacks}
    FROM json_populate_recordset(NULL::conversations_callback, %(callbacks)s)
    ORDER BY account_id, delivery_id
    ON CONFLICT DO NOTHING
), event AS (
    SELECT * FROM json_to_recordset(%(events)s) AS event (
        account_id bigint, robot text, address_kind text, address text, sender_id text, content_kind text,
        text text, extra jsonb, vendor_message_id text, happened_at timestamptz, rank bigint, mentions jsonb,
        state text
    )
), hearing AS (
    SELECT event.*, robot.id AS robot_id, false AS is_overheard
    FROM event
    JOIN bots_robot AS robot ON robot.account_id = event.account_id AND robot.user_id = event.robot
    UNION ALL
    -- No callback tells which robots are in a group.
    SELECT event.*, robot.id, robot.groups <> 'all' AND NOT event.mentions ? robot.user_id
    FROM event
    JOIN bots_robot AS robot
    ON robot.account_id = event.account_id AND robot.groups <> 'none' AND robot.enabled
    WHERE event.address_kind = 'group'
), heard AS (
    SELECT * FROM hearing AS event
    -- A robot that writes to a robot would never end.
    WHERE NOT EXISTS (
        SELECT FROM bots_robot AS other
        WHERE other.account_id = event.account_id AND other.user_id = event.sender_id
    )
), place AS (
    {insert_conversations}
    FROM (
        SELECT DISTINCT ON (robot_id, address_kind, address) * FROM heard
        ORDER BY robot_id, address_kind, address
    ) AS first
    ON CONFLICT (robot_id, kind, peer_id) DO UPDATE SET
        last_message_at = excluded.last_message_at,
        -- What was resolved is open again.
        resolved_at = NULL,
        opened_at = CASE WHEN conversations_conversation.resolved_at IS NULL
                         THEN conversations_conversation.opened_at ELSE excluded.opened_at END
    RETURNING id, robot_id, kind, peer_id, owner
), said AS (
    {insert_messages}
    FROM heard JOIN place
    ON (place.robot_id, place.kind, place.peer_id) = (heard.robot_id, heard.address_kind, heard.address)
    -- What was said in a call and the vendor writes into the chat too.
    WHERE NOT EXISTS (
        SELECT FROM conversations_message AS spoken
        WHERE spoken.conversation_id = place.id AND spoken.kind = 'call' AND spoken.sender = 'user'
          AND spoken.extra ? 'is_archived' AND spoken.text = heard.text
          AND heard.happened_at - spoken.happened_at BETWEEN interval '-1 minute' AND interval '2 minutes'
    )
    -- Of two callbacks for a message in a group, one may be first to tell that it is for the robot.
    ON CONFLICT (conversation_id, vendor_message_id) DO UPDATE SET is_overheard = false
    WHERE conversations_message.is_overheard AND NOT excluded.is_overheard
    RETURNING conversation_id, is_overheard, state
), owing AS (
    SELECT DISTINCT place.id FROM place
    JOIN said ON said.conversation_id = place.id AND NOT said.is_overheard AND said.state = 'received'
    JOIN bots_robot AS robot ON robot.id = place.robot_id AND robot.enabled
    WHERE place.owner = 'robot'
), turn AS (
    {insert_turns}
    FROM owing
    ON CONFLICT DO NOTHING  -- one waits already
    RETURNING conversation_id
)
SELECT procrastinate_defer_jobs_v1(array_agg(ROW(
    %(queue)s, %(task)s, 0, %(lock)s || conversation_id, NULL,
    json_build_object('conversation_id', conversation_id), NULL
)::procrastinate_job_to_defer_v1))
FROM turn HAVING count(*) > 0
"""


# What `Delivery` would have noted of the answer to the call, had it come.  A growing message that is known
# to be there is not finished by that; one that was given up with its turn stays so until its last frame
# shows.  The rows are locked in one order, as copies of an echo may be under way in several batches.
CONFIRM: Final = """
WITH told AS (
    SELECT message.id, echo.vendor_message_id, echo.happened_at, echo.rank,
           echo.is_finished OR message.is_error OR NOT message.is_stream AS is_whole
    FROM json_to_recordset(%(echoes)s) AS echo (
        account_id bigint, robot text, address_kind text, address text, vendor_message_id text, key bigint,
        happened_at timestamptz, rank bigint, is_finished boolean
    )
    JOIN bots_robot AS robot ON robot.account_id = echo.account_id AND robot.user_id = echo.robot
    JOIN conversations_conversation AS place
    ON (place.robot_id, place.kind, place.peer_id) = (robot.id, echo.address_kind, echo.address)
    JOIN conversations_message AS message ON message.conversation_id = place.id
    AND CASE WHEN message.vendor_message_id IS NULL THEN message.key = echo.key
             ELSE message.vendor_message_id = echo.vendor_message_id END
    WHERE message.state IN ('sending', 'finishing', 'failed')
    ORDER BY message.id
    FOR UPDATE OF message
)
UPDATE conversations_message AS message SET
    vendor_message_id = told.vendor_message_id,
    happened_at = told.happened_at,
    "order" = told.rank,
    accepted = length(message.text),
    error = CASE WHEN told.is_whole THEN '' ELSE message.error END,
    state = CASE WHEN told.is_whole THEN 'delivered'
                 WHEN message.state = 'sending' THEN 'streaming'
                 ELSE message.state END
FROM told
WHERE message.id = told.id AND (told.is_whole OR message.vendor_message_id IS NULL)
"""


type Heard = Sequence[tuple[VendorAccount, MessageReceived]]


def store(callbacks: Sequence[Callback], heard: Heard, late: Heard = ()) -> None:
    """Store unsaved callbacks, and put messages into their conversations, those that come too late without
    a turn; a job is queued for each turn.  For use inside a transaction.

    All is sent at once, the start of the transaction too: each round trip takes as long as a callback.
    """
    events = [
        _event(account, event, state)
        for messages, state in ((heard, Message.State.RECEIVED), (late, Message.State.RECORDED))
        for account, event in messages
    ]
    parameters = {
        "callbacks": as_json([_row(callback) for callback in callbacks]),
        "events": as_json(events),
        "task": ANSWER_TASK,
        "queue": ANSWER_QUEUE,
        "lock": LOCK_PREFIX,
    }
    with connection.wrap_database_errors, connection.cursor() as cursor, connection.connection.pipeline():
        cursor.execute(NO_TABLE_SCANS)
        cursor.execute(_statement(), parameters)


def confirm(echoes: Sequence[tuple[VendorAccount, MessageSent]]) -> int:
    """Note that the vendor has these messages of ours, where that is not known yet; → of how many.  For use
    behind `store`, in its transaction."""
    with connection.cursor() as cursor:
        cursor.execute(CONFIRM, {"echoes": as_json([_echo(account, event) for account, event in echoes])})
        return int(cursor.rowcount)


def as_json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, default=str)


def _row(callback: Callback) -> dict[str, Any]:
    return {name: vars(callback)[name] for name in _columns_of(Callback)}


def _event(account: VendorAccount, event: MessageReceived, state: Message.State) -> dict[str, Any]:
    return {
        "account_id": account.pk,
        "robot": event.robot_id,
        "address_kind": event.conversation.kind,
        "address": event.conversation.id,
        "sender_id": event.sender_id,
        "content_kind": event.content.kind,
        "text": event.content.text,
        "extra": extra_of(event.content),
        "vendor_message_id": event.vendor_message_id,
        "happened_at": event.happened_at,
        "rank": event.order,
        "mentions": event.mentions,
        "state": state.value,
    }


def _echo(account: VendorAccount, event: MessageSent) -> dict[str, Any]:
    return {
        "account_id": account.pk,
        "robot": event.robot_id,
        "address_kind": event.conversation.kind,
        "address": event.conversation.id,
        "vendor_message_id": event.vendor_message_id,
        "key": event.key,
        "happened_at": event.happened_at,
        "rank": event.order,
        "is_finished": event.is_finished,
    }


def extra_of(content: Content) -> dict[str, object]:
    """What a content has besides its text."""
    return {
        name: value for name, value in asdict(content).items() if name != "text" and value not in (None, "")
    }


@cache
def _statement() -> str:
    return STORE.format(
        insert_callbacks=insert(Callback, **{name: name for name in _columns_of(Callback)}),
        insert_conversations=insert(
            Conversation,
            public_id=NEW_PUBLIC_ID,
            robot_id="robot_id",
            kind="address_kind",
            peer_id="address",
            opened_at="now()",
            created_at="now()",
            last_message_at="now()",
        ),
        insert_messages=insert(
            Message,
            public_id=NEW_PUBLIC_ID,
            conversation_id="place.id",
            sender="'user'",
            sender_id="sender_id",
            kind="content_kind",
            text="text",
            extra="extra",
            state="heard.state",
            vendor_message_id="vendor_message_id",
            is_overheard="is_overheard",
            happened_at="happened_at",
            order="rank",
            created_at="now()",
        ),
        insert_turns=insert(Turn, conversation_id="id", queued_at="now()"),
    )


@cache
def _columns_of(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if not field.primary_key]

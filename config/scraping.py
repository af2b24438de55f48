"""What Prometheus is told: the totals of all processes, and what is the case just now.

No question that is asked here takes longer the more there is in the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from metrics import keeping

MOST: Final = 100_000  # no gauge counts further: beyond, only the direction matters
FORWARDED: Final = ("X-Forwarded-For", "X-Real-IP", "Forwarded")

QUEUE_DEPTH: Final = """
SELECT count(*) FROM (
    SELECT FROM procrastinate_jobs
     WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) LIMIT %(most)s
) AS waiting
"""
# By indexes that hold only these rows: `one_waiting_turn`, `one_running_turn`, `conversation_of_operators`.
OPEN_CONVERSATIONS: Final = """
(SELECT state, count(*) FROM (
    SELECT state FROM conversations_turn WHERE state = 'waiting'
    UNION ALL
    SELECT state FROM conversations_turn WHERE state IN ('thinking', 'speaking')
) AS turn GROUP BY state)
UNION ALL
SELECT 'operator', count(*) FROM (
    SELECT FROM conversations_conversation WHERE owner = 'operator' LIMIT %(most)s
) AS conversation
"""
# By the index `call_open`.
AGENT_INSTANCES: Final = """
SELECT account.slug, count(*) FROM agents_call AS call
  JOIN bots_vendoraccount AS account ON account.id = call.account_id
 WHERE call.state <> 'ended' AND call.state <> 'queued' GROUP BY account.slug
"""
OPEN_STATES: Final = ("waiting", "thinking", "speaking", "operator")


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    if not may_read(request):
        return HttpResponse("Send METRICS_TOKEN as a bearer token.\n", status=401, content_type="text/plain")
    keeping.keeper.keep()
    return HttpResponse(keeping.exposition(Gauges()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def may_read(request: HttpRequest) -> bool:
    """Whoever has the token; where there is none, whoever is on this machine."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return constant_time_compare(given, f"Bearer {settings.METRICS_TOKEN}")
    # A proxy on this machine brings strangers in, and says so.
    is_forwarded = any(name in request.headers for name in FORWARDED)
    return not is_forwarded and ip_address(request.META["REMOTE_ADDR"]).is_loopback


class Gauges(Collector):
    """What the database has just now."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("parley_queue_depth", "Jobs that could run.", value=queue_depth())
        conversations = GaugeMetricFamily(
            "parley_open_conversations",
            "Conversations in which an answer is owed or under way, or that are the operators'.",
            labels=["state"],
        )
        for state, count in open_conversations().items():
            conversations.add_metric([state], count)
        yield conversations
        instances = GaugeMetricFamily("parley_agent_instances", "Agents in calls.", labels=["account"])
        for account, count in agent_instances():
            instances.add_metric([account], count)
        yield instances


def queue_depth() -> int:
    with connection.cursor() as cursor:
        cursor.execute(QUEUE_DEPTH, {"most": MOST})
        [(depth,)] = cursor.fetchall()
        return int(depth)


def agent_instances() -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(AGENT_INSTANCES)
        return [(slug, int(count)) for slug, count in cursor.fetchall()]


def open_conversations() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(OPEN_CONVERSATIONS, {"most": MOST})
        return dict.fromkeys(OPEN_STATES, 0) | dict(cursor.fetchall())

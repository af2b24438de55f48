"""What people do about alerts."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from alerts.models import Alert, Silence

log = structlog.get_logger(__name__)


def acknowledge(alerts: QuerySet[Alert], *, by: str) -> int:
    """Note that somebody sees to them: nobody is reminded any more.  → how many nobody had seen to."""
    unseen = alerts.filter(closed_at=None, acknowledged_at=None)
    ids = list(unseen.values_list("pk", flat=True))
    log.info("alerts acknowledged", alerts=ids, by=by)
    return Alert.objects.filter(pk__in=ids, acknowledged_at=None).update(
        acknowledged_at=timezone.now(), acknowledged_by=by
    )


def silence(alerts: QuerySet[Alert], *, until: datetime, by: str) -> int:
    """Tell nobody of what these are about until then; → of how many."""
    silences = [
        Silence(rule_id=rule_id, subject=subject, until=until, made_by=by)
        for rule_id, subject in alerts.values_list("rule", "subject").distinct().order_by()
    ]
    Silence.objects.bulk_create(silences)
    log.info(
        "alerts silenced", subjects=[silence.subject for silence in silences], by=by, until=until.isoformat()
    )
    return len(silences)


def open_alerts() -> QuerySet[Alert]:
    """What people should see, the worst first."""
    return Alert.objects.open().select_related("rule").order_by("rule__severity", "began_at")


def badge(request: HttpRequest) -> str:
    """For the sidebar: how many alerts are open; "" where that is no news."""
    open_ones = open_alerts().values_list("pk") if request.user.has_perm("alerts.view_alert") else ()
    return str(len(open_ones) or "")

"""From what was found to what people hear: the states of alerts, and what is told of them.

    (nothing) ──trouble──▶ pending ──lasts──▶ open ──well, for a while──▶ closed
                              └──over──▶ (nothing)

One process at a time looks around (`Watch`), and a look is one transaction: alerts, notifications and their
jobs are stored together or not at all.  So each thing is told once, whoever dies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction

from alerts import tasks
from alerts.looking import Finding
from alerts.models import Alert, AlertRule, Channel, Notification, Severity, Silence, Watch
from alerts.sight import Sight

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(seconds=5)

Event = Notification.Event


def look(now: datetime) -> bool:
    """Look around, unless somebody has just done so or does; whether this process did."""
    with transaction.atomic():
        Watch.objects.bulk_create([Watch(pk=1, looked_at=now - EVERY)], ignore_conflicts=True)
        due = Watch.objects.select_for_update(skip_locked=True).filter(pk=1, looked_at__lte=now - EVERY)
        watch = due.first()
        if watch is None:
            return False
        evaluate(now)
        watch.looked_at = now
        watch.save(update_fields=["looked_at"])
    return True


def evaluate(now: datetime) -> None:
    """Bring all alerts up to date, and have told what is to be told of them.  For use in a transaction."""
    sight = Sight(now)
    closed: list[Alert] = []
    for rule in AlertRule.objects.order_by("pk"):
        findings = found_by(rule, sight) if rule.enabled else []
        if findings is not None:
            closed += judge(rule, findings, now)
    sight.keep()
    tell(closed, now)


def found_by(rule: AlertRule, sight: Sight) -> list[Finding] | None:
    """None: the look failed, and nothing is known.  One that does must not blind the others."""
    try:
        with transaction.atomic():
            return [finding for finding in rule.about.look(sight, rule) if rule.covers(finding.subject)]
    except Exception:
        log.exception("alert rule failed", rule=rule.pk, kind=rule.kind)
        return None


def judge(rule: AlertRule, findings: Iterable[Finding], now: datetime) -> list[Alert]:
    """Bring a rule's alerts up to date; → those that are over."""
    found = {finding.subject: finding for finding in findings}
    alerts = {alert.subject: alert for alert in rule.alerts.unclosed().select_related("rule")}
    for subject, finding in found.items():
        if subject not in alerts and rule.is_trouble(finding.value):
            alerts[subject] = Alert(rule=rule, subject=subject, began_at=now)
    return [alert for alert in alerts.values() if not goes_on(alert, found.get(alert.subject), now)]


def goes_on(alert: Alert, finding: Finding | None, now: datetime) -> bool:
    """Whether the alert, brought up to date, is still there.  With nothing to judge by, all is well."""
    rule = alert.rule
    if finding is not None and rule.is_trouble(finding.value):
        alert.value, alert.facts = finding.value, finding.facts
    is_well = finding is None or rule.is_well(finding.value)
    if alert.opened_at is None:
        return waits_or_opens(alert, is_well=is_well, now=now)
    alert.well_since = (alert.well_since or now) if is_well else None
    if alert.well_since and (not rule.enabled or now - alert.well_since >= seconds(rule.closes_after_s)):
        alert.closed_at = now
        log.info("alert closed", rule=rule.kind, subject=alert.subject)
    alert.save()
    return alert.closed_at is None


def waits_or_opens(alert: Alert, *, is_well: bool, now: datetime) -> bool:
    if is_well:
        if alert.pk:
            alert.delete()
        return True
    if now - alert.began_at >= seconds(alert.rule.opens_after_s):
        alert.opened_at = now
        log.warning("alert opened", rule=alert.rule.kind, subject=alert.subject, value=alert.value)
    alert.save()
    return True


def tell(closed: Iterable[Alert], now: datetime) -> None:
    """Have people told: of what nobody has heard of, of what is open for long, of what is over."""
    silences = list(Silence.objects.filter(until__gt=now))
    opened: list[Alert] = []
    lasting: list[Alert] = []
    for alert in Alert.objects.open().select_related("rule").order_by("pk"):
        if any(silence.covers(alert) for silence in silences):
            continue
        if alert.told_at is None:
            opened.append(alert)
        elif is_due_again(alert, now):
            lasting.append(alert)
    notify(Event.OPENED, by_channel(opened), now)
    notify(Event.REMINDER, by_channel(lasting), now)
    notify(Event.RECOVERED, by_listener(closed), now)
    Alert.objects.filter(pk__in=[alert.pk for alert in (*opened, *lasting)]).update(told_at=now)


def is_due_again(alert: Alert, now: datetime) -> bool:
    rule = alert.rule
    if rule.remind_s is None or alert.acknowledged_at or alert.told_at is None:
        return False
    return now - alert.told_at >= seconds(rule.remind_s)


def by_channel(alerts: Iterable[Alert]) -> dict[Channel, list[Alert]]:
    """Whom these alerts are for: the channels of their rules, or those that take their severity."""
    enabled = list(Channel.objects.filter(enabled=True))
    named = defaultdict(set)
    for rule_id, channel_id in AlertRule.channels.through.objects.values_list("alertrule", "channel"):
        named[rule_id].add(channel_id)
    told: defaultdict[Channel, list[Alert]] = defaultdict(list)
    for alert in alerts:
        for channel in enabled:
            chosen = named.get(alert.rule_id)
            if channel.pk in chosen if chosen else takes(channel, alert.rule):
                told[channel].append(alert)
    return told


def takes(channel: Channel, rule: AlertRule) -> bool:
    return rule.severity == Severity.CRITICAL or channel.least == Severity.WARNING


def by_listener(alerts: Iterable[Alert]) -> dict[Channel, list[Alert]]:
    """Who has heard that these alerts opened."""
    told: defaultdict[Channel, list[Alert]] = defaultdict(list)
    for alert in alerts:
        heard = alert.notifications.filter(event=Event.OPENED, channel__enabled=True).select_related(
            "channel"
        )
        for notification in heard:
            told[notification.channel].append(alert)
    return told


def notify(event: Notification.Event, told: dict[Channel, list[Alert]], now: datetime) -> None:
    """One message for each channel, however many alerts there are."""
    for channel, alerts in told.items():
        notification = Notification.objects.create(channel=channel, event=event, created_at=now)
        notification.alerts.set(alerts)
        tasks.defer_sending(notification)


def seconds(count: int) -> timedelta:
    return timedelta(seconds=count)

"""What a notification says: what is the matter, for whom, since when, and where it can be mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alerts.models import Alert, Channel, Notification, Severity
from alerts.wording import as_span

MOST_TOLD: Final = 10  # alerts in one message: robots of chat apps take a few kilobytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One alert, for people in `lines` and for programs in the rest."""

    id: int
    rule: str  # its kind
    severity: str
    subject: str
    value: float
    since: str  # ISO 8601
    ended_at: str | None
    mend_url: str
    alert_url: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A whole message, in the channel's language."""

    id: str  # the same again when it is repeated
    event: str
    title: str
    entries: Sequence[Entry] = ()
    note: str = ""  # behind the entries

    @property
    def text(self) -> str:
        parts = [self.title, *("\n".join(entry.lines) for entry in self.entries), self.note]
        return "\n\n".join(part for part in parts if part)


def letter_for(notification: Notification) -> Letter:
    alerts = list(notification.alerts.select_related("rule").order_by("pk"))
    with translation.override(notification.channel.language):
        more = len(alerts) - MOST_TOLD
        return Letter(
            id=f"parley-{notification.pk}",
            event=notification.event,
            title=title_of(notification, alerts),
            entries=[entry_for(alert, notification.event) for alert in alerts[:MOST_TOLD]],
            note=ngettext("And %(count)d more.", "And %(count)d more.", more) % {"count": more}
            if more > 0
            else "",
        )


def trial_letter(channel: Channel) -> Letter:
    with translation.override(channel.language):
        title = f"[Parley] {_('This is a test: alerts will be told here.')}"
    return Letter(id=f"parley-test-{timezone.now().timestamp():.0f}", event="test", title=title)


def title_of(notification: Notification, alerts: Sequence[Alert]) -> str:
    """The worst in a line."""
    is_critical = any(alert.rule.severity == Severity.CRITICAL for alert in alerts)
    severity = Severity.CRITICAL if is_critical else Severity.WARNING
    word = (
        str(severity.label)
        if notification.event == Notification.Event.OPENED
        else notification.get_event_display()
    )
    names = ", ".join(str(alert) for alert in alerts[:3]) + ("…" if len(alerts) > 3 else "")
    return f"[Parley] {word}: {names}"


def entry_for(alert: Alert, event: str) -> Entry:
    # By then it may be over; what was to be told is that it began.
    ended_at = alert.closed_at if event == Notification.Event.RECOVERED else None
    mend_url = url(alert.rule.about.page(alert.subject))
    alert_url = url(reverse("admin:alerts_alert_change", args=[alert.pk]))
    began = timezone.localtime(alert.began_at).strftime("%Y-%m-%d %H:%M:%S %Z")
    if ended_at:
        span = as_span((ended_at - alert.began_at).total_seconds())
        times = [_("It began at %(time)s and lasted %(span)s.") % {"time": began, "span": span}]
    else:
        times = [_("Since %(time)s.") % {"time": began}, _("Mend it: %(url)s") % {"url": mend_url}]
    return Entry(
        id=alert.pk,
        rule=alert.rule.kind,
        severity=alert.rule.severity,
        subject=alert.subject,
        value=alert.value,
        since=alert.began_at.isoformat(),
        ended_at=ended_at.isoformat() if ended_at else None,
        mend_url=mend_url,
        alert_url=alert_url,
        lines=[str(alert), alert.sentence, *times, _("Alert: %(url)s") % {"url": alert_url}],
    )


def url(path: str) -> str:
    """For people outside; without PUBLIC_URL only the path is known."""
    return settings.PUBLIC_URL + path

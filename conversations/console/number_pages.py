"""The supervisor's page of figures, and the same as CSV."""

from __future__ import annotations

import csv
from datetime import timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from audit.models import Entry
from audit.recording import record
from conversations.console import numbers, rights
from conversations.console.numbers import Line
from conversations.console.views import for_those_who

BYTE_ORDER_MARK: Final = "\ufeff"  # without it Excel takes Chinese for something else
DAY: Final = "n/j"  # of a year that is clear: a bar is narrow
HEAD: Final = (
    "day", "resolved", "by_robot", "resolution_s", "handoffs", "first_response_s", "ratings", "score", "cost",
)  # fmt: skip


@require_GET
@for_those_who(rights.may_supervise)
def page(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    scope, days = rights.scope_of(request.user), asked_days(request)
    since = numbers.first_day(days)
    by_day = numbers.by_day(scope, since)
    of_days = {date_format(day, DAY): line for day, line in by_day.items()}
    context: dict[str, Any] = {
        "live": numbers.live(scope),
        "operators": numbers.operators(),
        "days": days,
        "periods": numbers.PERIODS,
        "charts": [
            chart(_("Resolved"), {day: line.resolved for day, line in of_days.items()}),
            chart(_("Handoffs"), {day: line.handoffs for day, line in of_days.items()}),
            chart(_("Ratings"), {day: line.ratings for day, line in of_days.items()}),
            chart(_("Why people were needed"), numbers.causes(scope, since)),
            chart(_("Scores"), numbers.scores(scope, since)),
        ],
        "tables": [
            {"title": _("Days"), "rows": dict(reversed(by_day.items()))},
            {"title": _("Robots"), "rows": numbers.by_robot(scope, since)},
            {"title": _("Operators"), "rows": numbers.by_operator(scope, since)},
        ],
    }
    return render(request, "console/numbers.html", context)


@require_GET
@for_those_who(rights.may_supervise)
def as_csv(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    days = asked_days(request)
    response = HttpResponse(BYTE_ORDER_MARK, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="parley-{days}-days.csv"'
    writer = csv.writer(response)
    writer.writerow(HEAD)
    lines = numbers.by_day(rights.scope_of(request.user), numbers.first_day(days))
    writer.writerows([day.isoformat(), *cells(line)] for day, line in lines.items())
    record(request.user.get_username(), Entry.Deed.EXPORTED, f"figures of {days} days")
    return response


def cells(line: Line) -> list[Any]:
    score = "" if line.score is None else round(line.score, 2)
    resolution, response = (seconds(each) for each in (line.resolution, line.response))
    return [
        line.resolved, line.by_robot, resolution, line.handoffs, response, line.ratings, score, line.costs,
    ]  # fmt: skip


def seconds(span: timedelta | None) -> int | str:
    return "" if span is None else round(span.total_seconds())


def chart(title: str, values: dict[Any, int]) -> dict[str, Any]:
    """Bars, each with its height in percent of the highest."""
    most = max(values.values(), default=0) or 1
    bars = [
        {"label": label, "value": value, "percent": round(100 * value / most)}
        for label, value in values.items()
    ]
    return {"title": title, "bars": bars, "total": sum(values.values())}


def asked_days(request: HttpRequest) -> int:
    """What is not understood counts as not asked for."""
    text = request.GET.get("days", "")
    known = {str(days): days for days in numbers.PERIODS}
    return known.get(text, 7)

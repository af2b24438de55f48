"""The admin's front page: how it goes now, today and over the last month.

All of it comes from the hours that processes have counted (`metrics.models.Hour`), a few hundred rows for a
day; how much was said makes no difference.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Sum
from django.db.models.functions import TruncDay
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from alerts import handling
from config.scraping import open_conversations, queue_depth
from metrics.figures import Figures, ratio
from metrics.models import Hour

DAYS: Final = 30
NOTHING: Final = "–"

ACCEPTED: Final = ("read", "ignored", "answered")
ANSWERABLE: Final = ("done", "blocked", "failed")  # others were ended by people

STATES: Final = {
    "waiting": _("Waiting for an answer"),
    "thinking": _("Thinking"),
    "speaking": _("Speaking"),
    "operator": _("With operators"),
}


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The theme's callback: what the front page shows to those who may look at it."""
    if request.user.has_perm("alerts.view_alert"):
        context |= {"alerts": list(handling.open_alerts())}
    if not request.user.has_perm("conversations.view_turn"):
        return context
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    month = Figures.since(today - timedelta(days=DAYS - 1))
    periods = [Figures.since(timezone.now().replace(minute=0, second=0, microsecond=0)), Figures.since(today)]
    return context | {
        "now": [(_("Jobs in the queue"), whole(queue_depth())), *states()],
        "overview": overview([*periods, month]),
        "charts": charts(today),
        "tables": [by_robot(month), by_model(month), by_account(month)],
    }


def states() -> list[tuple[Any, str]]:
    return [(STATES[state], whole(count)) for state, count in open_conversations().items()]


def overview(periods: list[Figures]) -> dict[str, Any]:
    """A line for each figure, a column for each period."""
    lines: list[tuple[Any, Callable[[Figures], str]]] = [
        (_("Callbacks"), lambda of: whole(of.sum("callbacks_total"))),
        (_("Callbacks accepted"), accepted),
        (_("Time to acknowledge"), lambda of: seconds(of.mean("callback_seconds"))),
        (_("Turns"), lambda of: whole(of.sum("turns_total"))),
        (_("Turns answered"), answered),
        (_("Wait for a worker"), lambda of: seconds(of.mean("turn_wait_seconds"))),
        (_("Whole reply"), lambda of: seconds(of.mean("reply_seconds"))),
        (_("Model calls"), lambda of: whole(of.sum("model_calls_total"))),
        (_("Model calls answered"), calls_answered),
        (_("First token"), lambda of: seconds(of.mean("first_token_seconds"))),
        (_("Deliveries accepted by clouds"), delivered),
        (_("Satisfaction"), satisfaction),
        (_("Tokens"), tokens),
        (_("Cost"), cost),
    ]
    rows = [[title, *map(figure, periods)] for title, figure in lines]
    return {"headers": ["", _("This hour"), _("Today"), _("30 days")], "rows": rows}


def by_robot(of: Figures) -> dict[str, Any]:
    figures = {robot: of.only(robot=robot) for robot in of.values_of("robot")}
    rows = [
        [
            robot,
            whole(each.sum("turns_total")),
            answered(each),
            whole(each.sum("turns_total", outcome="failed")),
        ]
        for robot, each in figures.items()
    ]
    headers = [_("Robot"), _("Turns"), _("Turns answered"), _("Turns failed")]
    return {"title": _("Robots, 30 days"), "headers": headers, "rows": rows}


def by_model(of: Figures) -> dict[str, Any]:
    figures = {model: of.only(model=model) for model in of.values_of("model")}
    rows = [
        [
            model,
            whole(each.sum("model_calls_total")),
            calls_answered(each),
            seconds(each.mean("first_token_seconds")),
            tokens(each),
            cost(each),
        ]
        for model, each in figures.items()
    ]
    headers = [
        _("Model"),
        _("Model calls"),
        _("Model calls answered"),
        _("First token"),
        _("Tokens"),
        _("Cost"),
    ]
    return {"title": _("Models, 30 days"), "headers": headers, "rows": rows}


def by_account(of: Figures) -> dict[str, Any]:
    figures = {account: of.only(account=account) for account in of.values_of("account")}
    rows = [
        [
            account,
            whole(each.sum("callbacks_total")),
            whole(each.sum("callbacks_total", outcome="rejected")),
            whole(each.sum("vendor_calls_total")),
            delivered(each),
            whole(each.sum("vendor_calls_total", outcome="busy")),
        ]
        for account, each in figures.items()
    ]
    headers = [
        _("Account"),
        _("Callbacks"),
        _("Callbacks rejected"),
        _("Calls to the cloud"),
        _("Deliveries accepted by clouds"),
        _("Told to slow down"),
    ]
    return {"title": _("Accounts, 30 days"), "headers": headers, "rows": rows}


def charts(today: datetime) -> list[dict[str, Any]]:
    """What the last days were like; each is drawn by the theme from JSON."""
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    grown = (
        Hour.objects.filter(hour__gte=days[0], name__in=["parley_turns_total", "parley_tokens_total"])
        .annotate(day=TruncDay("hour"))
        .values_list("day", "name", "labels__outcome", "labels__direction")
        .annotate(Sum("value"))
    )
    values: defaultdict[tuple[Any, str], float] = defaultdict(float)
    for day, _name, outcome, direction, value in grown:
        values[day.date(), outcome or direction] += value

    def line(label: Any, key: str, colour: str) -> dict[str, Any]:
        data = [values[day.date(), key] for day in days]
        return {"label": str(label), "data": data, "backgroundColor": colour, "displayYAxis": True}

    labels = [day.strftime("%m-%d") for day in days]
    turns = [
        line(_("answered"), "done", "var(--color-primary-600)"),
        line(_("failed"), "failed", "#dc2626"),
    ]
    used = [
        line(_("input tokens"), "input", "var(--color-primary-300)"),
        line(_("output tokens"), "output", "var(--color-primary-600)"),
    ]
    return [
        {"title": _("Turns by day"), "data": json.dumps({"labels": labels, "datasets": turns})},
        {"title": _("Tokens by day"), "data": json.dumps({"labels": labels, "datasets": used})},
    ]


def accepted(of: Figures) -> str:
    return share(of.sum("callbacks_total", outcome=ACCEPTED), of.sum("callbacks_total"))


def answered(of: Figures) -> str:
    return share(of.sum("turns_total", outcome="done"), of.sum("turns_total", outcome=ANSWERABLE))


def calls_answered(of: Figures) -> str:
    ended = of.sum("model_calls_total", outcome=("answered", "failed", "lost"))
    return share(of.sum("model_calls_total", outcome="answered"), ended)


def delivered(of: Figures) -> str:
    calls = ("send", "edit", "recall")
    done = of.sum("vendor_calls_total", call=calls, outcome="ok")
    return share(done, of.sum("vendor_calls_total", call=calls))


def satisfaction(of: Figures) -> str:
    scores = {score: of.sum("ratings_total", score=str(score)) for score in range(1, 6)}
    mean = ratio(sum(score * count for score, count in scores.items()), sum(scores.values()))
    return NOTHING if mean is None else f"{number(mean, 1)} / 5 ({whole(sum(scores.values()))})"


def tokens(of: Figures) -> str:
    return whole(of.sum("tokens_total", direction=("input", "output")))


def cost(of: Figures) -> str:
    spent = {currency: of.sum("cost_total", currency=currency) for currency in of.values_of("currency")}
    return ", ".join(f"{number(amount, 2)} {currency}" for currency, amount in spent.items()) or NOTHING


def share(part: float, whole: float) -> str:
    found = ratio(part, whole)
    return NOTHING if found is None else f"{number(100 * found, 1)} %"


def seconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{number(1000 * value, 0)} ms" if value < 1 else f"{number(value, 1)} s"


def whole(value: float) -> str:
    return number(value, 0)


def number(value: float, decimals: int) -> str:
    return number_format(value, decimals, use_l10n=True, force_grouping=True)

"""What can be watched: how each kind of trouble is looked for, told, and where it is mended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alerts import looking, mending
from alerts.looking import Finding
from alerts.wording import as_number, as_seconds, as_share, as_span

if TYPE_CHECKING:
    from alerts.models import AlertRule
    from alerts.sight import Sight

type Look = Callable[[Sight, AlertRule], Iterable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of trouble."""

    title: Promise
    told: Promise  # with the names of facts, and `subject`, `value`, `limit`, `span`
    value: Promise  # what the threshold is compared with
    look: Look
    page: Callable[[str], str]  # of the admin, by the subject: where it can be mended
    show: Callable[[float], str] = as_number  # the value
    falls: bool = False  # the less, the worse
    formats: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)  # of facts

    def sentence(self, rule: AlertRule, subject: str, value: float, facts: Mapping[str, Any]) -> str:
        told = {name: self.formats.get(name, as_fact)(fact) for name, fact in facts.items()}
        words = {"subject": subject, "value": self.show(value), "limit": self.show(rule.threshold)}
        # An alert of long ago may lack what is told today.
        return str(self.told) % defaultdict(lambda: "–", told | words | {"span": as_span(rule.window_s)})


def as_fact(fact: Any) -> str:
    return as_number(fact) if isinstance(fact, int | float) else str(fact)


SHARE: Final = _("a share, from 0 to 1")
SECONDS: Final = _("seconds; nineteen in twenty are faster")

KINDS: Final[dict[str, Kind]] = {
    "callbacks_failing": Kind(
        title=_("Callbacks fail"),
        told=_(
            "%(value)s of %(count)s callbacks of %(subject)s could not be read or stored within %(span)s "
            "(alert from %(limit)s)."
        ),
        value=SHARE,
        show=as_share,
        look=looking.callbacks_failing,
        page=mending.unread_callbacks_of,
    ),
    "callbacks_slow": Kind(
        title=_("Callbacks are slow"),
        told=_(
            "One in twenty of %(count)s callbacks took %(value)s or longer within %(span)s (alert from "
            "%(limit)s). Clouds give up after two to five seconds."
        ),
        value=SECONDS,
        show=as_seconds,
        look=looking.callbacks_slow,
        page=mending.front_page,
    ),
    "signatures_failing": Kind(
        title=_("Signatures do not match"),
        told=_(
            "%(value)s of %(count)s callbacks to %(subject)s were rejected within %(span)s (alert from "
            "%(limit)s): the secret here and at the cloud differ, a clock is wrong, or somebody forges them."
        ),
        value=SHARE,
        show=as_share,
        look=looking.signatures_failing,
        page=mending.account,
    ),
    "callbacks_missing": Kind(
        title=_("No callbacks come"),
        told=_(
            "%(subject)s has sent no callback for %(span)s; on each of the last %(days)s days it sent about "
            "%(expected)s or more in such a time at this hour."
        ),
        value=_("how many callbacks would be usual at the least, where none came"),
        look=looking.callbacks_missing,
        page=mending.account,
    ),
    "no_web": Kind(
        title=_("Nobody takes callbacks"),
        told=_("No web process has shown itself for %(value)s (alert from %(limit)s)."),
        value=_("seconds without a web process"),
        show=as_seconds,
        look=looking.no_web,
        page=mending.front_page,
    ),
    "turns_failing": Kind(
        title=_("Users get no answers"),
        told=_("%(value)s of %(count)s turns of %(subject)s failed within %(span)s (alert from %(limit)s)."),
        value=SHARE,
        show=as_share,
        look=looking.turns_failing,
        page=mending.failed_turns_of,
    ),
    "model_failing": Kind(
        title=_("A model fails"),
        told=_("%(value)s of %(count)s calls to %(subject)s failed within %(span)s (alert from %(limit)s)."),
        value=SHARE,
        show=as_share,
        look=looking.model_failing,
        page=mending.model,
    ),
    "model_slow": Kind(
        title=_("A model is slow"),
        told=_(
            "In one of twenty among %(count)s calls to %(subject)s the first word took %(value)s or longer "
            "within %(span)s (alert from %(limit)s)."
        ),
        value=SECONDS,
        show=as_seconds,
        look=looking.model_slow,
        page=mending.model,
    ),
    "breaker_open": Kind(
        title=_("A model is not asked any more"),
        told=_("%(subject)s failed too often, and only single calls try it: %(reason)s"),
        value=_("1 while the breaker is open"),
        look=looking.breaker_open,
        page=mending.model,
    ),
    "cost_unusual": Kind(
        title=_("Cost is unusual"),
        told=_(
            "%(subject)s cost %(amount)s %(unit)s in the hour from %(hour)s; %(usual)s are usual at that "
            "time of day. That is %(value)s times as far off as days differ (alert from %(limit)s)."
        ),
        value=_("how many times as far from the usual as days differ"),
        look=looking.cost_unusual,
        page=mending.model,
    ),
    "tokens_unusual": Kind(
        title=_("Tokens are unusual"),
        told=_(
            "%(subject)s took %(amount)s %(unit)s in the hour from %(hour)s; %(usual)s are usual at that "
            "time of day. That is %(value)s times as far off as days differ (alert from %(limit)s)."
        ),
        value=_("how many times as far from the usual as days differ"),
        look=looking.tokens_unusual,
        page=mending.model,
    ),
    "limit_near": Kind(
        title=_("Spending is near its limit"),
        told=_(
            "%(subject)s has used %(value)s of what it may: %(used)s of %(allowed)s %(unit)s %(period)s "
            "(alert from %(limit)s). Over the limit users read the tier's text instead of answers."
        ),
        value=SHARE,
        show=as_share,
        formats={"period": gettext},
        look=looking.limit_near,
        page=mending.holder,
    ),
    "queue_old": Kind(
        title=_("Jobs wait too long"),
        told=_("A job has waited for a worker for %(value)s (alert from %(limit)s): %(task)s."),
        value=_("seconds that the oldest job has waited"),
        show=as_seconds,
        look=looking.queue_old,
        page=mending.jobs,
    ),
    "workers_few": Kind(
        title=_("Workers are missing"),
        told=_("%(value)s workers are alive (alert at %(limit)s). Without any, nobody is answered."),
        value=_("living workers"),
        look=looking.workers_few,
        page=mending.workers,
        falls=True,
    ),
    "worker_died": Kind(
        title=_("A worker died"),
        told=_(
            "%(value)s workers have died without a word within the last minute. What they had in hand is "
            "taken over, and `serve` and systemd start new ones."
        ),
        value=_("workers that died"),
        look=looking.worker_died,
        page=mending.workers,
    ),
    "vendor_refusing": Kind(
        title=_("A cloud refuses calls"),
        told=_(
            "%(value)s of %(count)s calls to the cloud of %(subject)s were refused or not answered within "
            "%(span)s (alert from %(limit)s)."
        ),
        value=SHARE,
        show=as_share,
        look=looking.vendor_refusing,
        page=mending.account,
    ),
    "vendor_throttling": Kind(
        title=_("A cloud slows us down"),
        told=_(
            "%(value)s of %(count)s calls to the cloud of %(subject)s were told to slow down within %(span)s "
            "(alert from %(limit)s): the account's limits here are higher than there."
        ),
        value=SHARE,
        show=as_share,
        look=looking.vendor_throttling,
        page=mending.account,
    ),
    "ratings_low": Kind(
        title=_("Users are not content"),
        told=_(
            "%(count)s ratings of %(subject)s within %(span)s are %(value)s on average (alert at %(limit)s)."
        ),
        value=_("the mean of the ratings, 1 to 5"),
        look=looking.ratings_low,
        page=mending.ratings,
        falls=True,
    ),
}


def kind_choices() -> list[tuple[str, Any]]:
    return [(name, kind.title) for name, kind in KINDS.items()]

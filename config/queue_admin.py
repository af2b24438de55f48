"""Jobs and workers in the admin: what waits, what is being done, and by whom."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

import structlog
from django.contrib import admin, messages
from django.db.models import Max, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from procrastinate.contrib.django.models import ProcrastinateEvent, ProcrastinateJob, ProcrastinateWorker
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from bots.theme import badge, moment
from config import jobs
from conversations.admin.base import HistoryAdmin, preformatted

log = structlog.get_logger(__name__)

STATUS_COLOURS: Final = {"failed": "danger", "doing": "info", "todo": "warning", "succeeded": "success"}
STATUSES: Final = {
    "todo": _("waiting"),
    "doing": _("being done"),
    "succeeded": _("succeeded"),
    "failed": _("failed"),
    "cancelled": _("cancelled"),
    "aborted": _("aborted"),
}
SHOWN_JOBS: Final = 20  # of a worker, in the list

# The library's own: without the theme, and its actions ask for no right.
admin.site.unregister(ProcrastinateJob)


@admin.register(ProcrastinateJob)
class JobAdmin(HistoryAdmin):
    list_display = (
        "id",
        "task_name",
        "show_args",
        "show_status",
        "show_since",
        "scheduled_at",
        "attempts",
        "worker_id",
    )
    list_filter = (("status", ChoicesDropdownFilter),)
    search_fields = ("task_name__startswith", "lock__exact")
    search_help_text = _("The beginning of a task's name, or a lock such as conversation:17.")
    actions = ("retry_selected", "cancel_selected")
    fields = ("task_name", "show_args", "show_status", "scheduled_at", "attempts", "lock", "queueing_lock",
              "priority", "worker_id", "show_events")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).annotate(since=Max("procrastinateevent__at"))

    def has_mend_permission(self, request: HttpRequest) -> bool:
        """To run one again and to cancel one is the only change there is to a job."""
        return request.user.has_perm("procrastinate.change_procrastinatejob")

    @admin.action(description=_("Run again (failed ones)"), permissions=["mend"])
    def retry_selected(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        again = jobs.run_again(ids_of(chosen))
        log.info("jobs run again", jobs=again, by=request.user.get_username())
        text = ngettext("%(count)d job will run again.", "%(count)d jobs will run again.", len(again))
        tell(request, text, len(again))

    @admin.action(description=_("Cancel (waiting ones)"), permissions=["mend"])
    def cancel_selected(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        cancelled = jobs.cancel(ids_of(chosen))
        log.info("jobs cancelled", jobs=cancelled, by=request.user.get_username())
        text = ngettext("%(count)d job is cancelled.", "%(count)d jobs are cancelled.", len(cancelled))
        tell(request, text, len(cancelled))

    @admin.display(description=_("about"))
    def show_args(self, job: ProcrastinateJob) -> str:
        return ", ".join(f"{name}={json.dumps(value)}" for name, value in job.args.items())

    @admin.display(description=_("status"))
    def show_status(self, job: ProcrastinateJob) -> SafeString:
        return badge(STATUSES[job.status], STATUS_COLOURS.get(job.status, ""))

    @admin.display(description=_("since"))
    def show_since(self, job: Any) -> str:
        return moment(job.since) if job.since else "–"

    @admin.display(description=_("what happened"))
    def show_events(self, job: ProcrastinateJob) -> SafeString | str:
        events = ProcrastinateEvent.objects.filter(job=job).order_by("id")
        lines = "\n".join(f"{moment(event.at)} {event.type}" for event in events if event.at)
        return preformatted(lines) if lines else "–"


def ids_of(chosen: QuerySet[Any]) -> list[int]:
    return list(chosen.order_by("id").values_list("id", flat=True))


def tell(request: HttpRequest, text: str, count: int) -> None:
    messages.add_message(request, messages.SUCCESS if count else messages.WARNING, text % {"count": count})


@admin.register(ProcrastinateWorker)
class WorkerAdmin(HistoryAdmin):
    list_display = ("id", "show_state", "show_heartbeat", "show_count", "show_jobs")
    fields = ("show_state", "show_heartbeat", "show_count", "show_jobs")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        in_hand = ProcrastinateJob.objects.filter(status="doing").order_by("id")
        prefetch = Prefetch("procrastinatejob_set", queryset=in_hand, to_attr="in_hand")
        return super().get_queryset(request).prefetch_related(prefetch)

    @admin.display(description=_("state"))
    def show_state(self, worker: ProcrastinateWorker) -> SafeString:
        is_dead = timezone.now() - worker.last_heartbeat > timedelta(seconds=jobs.STALE_S)
        return badge(_("dead"), "danger") if is_dead else badge(_("alive"), "success")

    @admin.display(description=_("last heartbeat"))
    def show_heartbeat(self, worker: ProcrastinateWorker) -> str:
        return moment(worker.last_heartbeat)

    @admin.display(description=_("jobs in hand"))
    def show_count(self, worker: Any) -> int:
        return len(worker.in_hand)

    @admin.display(description=_("what it is doing"))
    def show_jobs(self, worker: Any) -> SafeString | str:
        lines = format_html_join("", "<div>{}</div>", ((job,) for job in worker.in_hand[:SHOWN_JOBS]))
        more = len(worker.in_hand) - SHOWN_JOBS
        return lines + (format_html("<div>+ {}</div>", more) if more > 0 else "") or "–"

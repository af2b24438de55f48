"""Alerts in the admin: what is open, what is watched, and who is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from alerts import handling, telling
from alerts.channels.base import ChannelError
from alerts.forms import ChannelForm
from alerts.kinds import KINDS
from alerts.models import Alert, AlertRule, Channel, Notification, Severity, Silence
from bots.theme import ModelAdmin, TabularInline, badge, moment

HOURS: Final = (1, 8)  # for which an alert is silenced by a button

SEVERITY_COLOURS: Final = {Severity.CRITICAL: "danger", Severity.WARNING: "warning"}
NOTIFICATION_COLOURS: Final = {"sent": "success", "failed": "danger", "waiting": "info"}


class ReadOnlyAdmin(ModelAdmin):
    """What the machine writes."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class StateFilter(admin.SimpleListFilter):
    """Open alerts, unless others are asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("pending", _("pending")), ("closed", _("closed")), ("all", _("all"))]

    def choices(self, changelist: Any) -> Any:
        all_, *others = super().choices(changelist)
        return [{**all_, "display": _("open")}, *others]

    def queryset(self, request: HttpRequest, alerts: QuerySet[Alert]) -> QuerySet[Alert]:
        match self.value():
            case "pending":
                return alerts.filter(opened_at=None, closed_at=None)
            case "closed":
                return alerts.exclude(closed_at=None)
            case "all":
                return alerts
        return alerts.exclude(opened_at=None).filter(closed_at=None)


class NotificationInline(TabularInline):
    model = Notification.alerts.through
    verbose_name_plural = _("Notifications")
    extra = 0
    fields = ("show_event", "show_channel", "show_state", "show_time", "show_error")
    readonly_fields = fields
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("alerts.view_alert")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("notification__channel").order_by("notification")

    @admin.display(description=_("event"))
    def show_event(self, row: Any) -> str:
        return str(row.notification.get_event_display())

    @admin.display(description=_("channel"))
    def show_channel(self, row: Any) -> str:
        return str(row.notification.channel)

    @admin.display(description=_("state"))
    def show_state(self, row: Any) -> SafeString:
        return notification_badge(row.notification)

    @admin.display(description=_("time"))
    def show_time(self, row: Any) -> str:
        return moment(row.notification.sent_at or row.notification.created_at)

    @admin.display(description=_("error"))
    def show_error(self, row: Any) -> str:
        return str(row.notification.error) or "–"


def notification_badge(notification: Notification) -> SafeString:
    return badge(notification.get_state_display(), NOTIFICATION_COLOURS.get(notification.state, ""))


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    change_form_outer_before_template = "admin/alerts/alert/buttons.html"
    list_display = (
        "show_title",
        "show_severity",
        "show_state",
        "show_sentence",
        "show_since",
        "show_acknowledged",
        "show_mending",
    )
    list_select_related = ("rule",)
    list_filter = (
        StateFilter,
        ("rule__severity", ChoicesDropdownFilter),
        ("rule__kind", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-began_at",)
    search_fields = ("subject",)
    actions = ("acknowledge_selected", "silence_selected")
    inlines: ClassVar = [NotificationInline]
    fieldsets = (
        (None, {"fields": ["show_sentence", "show_severity", "show_state", "show_mending", "show_rule"]}),
        (
            _("Times"),
            {"fields": ["began_at", "opened_at", "told_at", "well_since", "closed_at", "show_acknowledged"]},
        ),
    )
    readonly_fields = (
        "show_sentence",
        "show_severity",
        "show_state",
        "show_mending",
        "show_rule",
        "show_acknowledged",
    )

    def has_handle_permission(self, request: HttpRequest) -> bool:
        """To acknowledge and to silence is the only change there is to an alert."""
        return request.user.has_perm("alerts.change_alert")

    @admin.action(description=_("Acknowledge"), permissions=["handle"])
    def acknowledge_selected(self, request: HttpRequest, alerts: QuerySet[Alert]) -> None:
        count = handling.acknowledge(alerts, by=request.user.get_username())
        tell_acknowledging(request, count)

    @admin.action(description=_("Silence for an hour"), permissions=["handle"])
    def silence_selected(self, request: HttpRequest, alerts: QuerySet[Alert]) -> None:
        self.silence(request, alerts, hours=1)

    def silence(self, request: HttpRequest, alerts: QuerySet[Alert], *, hours: int) -> None:
        until = timezone.now() + timedelta(hours=hours)
        count = handling.silence(alerts, until=until, by=request.user.get_username())
        text = ngettext(
            "%(count)d alert is silent until %(time)s.", "%(count)d alerts are silent until %(time)s.", count
        )
        messages.success(request, text % {"count": count, "time": moment(until)})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"can_handle": self.has_handle_permission(request), "hours": HOURS, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.handle_one))
        return [path("<int:pk>/handle/", view, name="alerts_alert_handle"), *super().get_urls()]

    def handle_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The buttons of an alert's page: without hours it is acknowledged, else silenced."""
        if not self.has_handle_permission(request):
            raise PermissionDenied
        alert = get_object_or_404(Alert, pk=pk)
        hours = request.POST.get("hours", "")
        if hours in map(str, HOURS):
            self.silence(request, Alert.objects.filter(pk=pk), hours=int(hours))
        else:
            self.acknowledge_selected(request, Alert.objects.filter(pk=pk))
        return HttpResponseRedirect(reverse("admin:alerts_alert_change", args=[alert.pk]))

    @admin.display(description=_("alert"))
    def show_title(self, alert: Alert) -> str:
        return str(alert)

    @admin.display(description=_("severity"))
    def show_severity(self, alert: Alert) -> SafeString:
        return badge(
            alert.rule.get_severity_display(), SEVERITY_COLOURS.get(Severity(alert.rule.severity), "")
        )

    @admin.display(description=_("state"))
    def show_state(self, alert: Alert) -> SafeString:
        if alert.closed_at:
            return badge(_("closed"), "success")
        return badge(_("open"), "danger") if alert.is_open else badge(_("pending"), "info")

    @admin.display(description=_("what is the matter"))
    def show_sentence(self, alert: Alert) -> str:
        return alert.sentence

    @admin.display(description=_("since"))
    def show_since(self, alert: Alert) -> str:
        return moment(alert.began_at)

    @admin.display(description=_("acknowledged"))
    def show_acknowledged(self, alert: Alert) -> str:
        return f"{alert.acknowledged_by}, {moment(alert.acknowledged_at)}" if alert.acknowledged_at else "–"

    @admin.display(description=_("mend it"))
    def show_mending(self, alert: Alert) -> SafeString:
        page = alert.rule.about.page(alert.subject)
        return format_html('<a class="text-link" href="{}">{}</a>', page, _("Look into it"))

    @admin.display(description=_("alert rule"))
    def show_rule(self, alert: Alert) -> SafeString:
        page = reverse("admin:alerts_alertrule_change", args=[alert.rule_id])
        return format_html('<a class="text-link" href="{}">{}</a>', page, alert.rule)


def tell_acknowledging(request: HttpRequest, count: int) -> None:
    text = ngettext("%(count)d alert is acknowledged.", "%(count)d alerts are acknowledged.", count)
    level = messages.SUCCESS if count else messages.WARNING
    messages.add_message(request, level, text % {"count": count})


@admin.register(AlertRule)
class AlertRuleAdmin(ModelAdmin):
    list_display = ("__str__", "severity", "threshold", "clears_at", "window_s", "min_count", "enabled")
    list_filter = ("severity", "enabled")
    filter_horizontal = ("channels",)
    warn_unsaved_form = True
    readonly_fields = ("show_value",)
    fieldsets = (
        (None, {"fields": ["kind", "subject", "severity", "enabled"]}),
        (_("When"), {"fields": ["show_value", ("threshold", "clears_at"), ("window_s", "min_count"),
                                ("opens_after_s", "closes_after_s")]}),
        (_("Who is told"), {"fields": ["channels", "remind_s"]}),
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["show_value", *(["kind"] if obj else [])]

    @admin.display(description=_("the value is"))
    def show_value(self, rule: AlertRule) -> str:
        if rule.kind not in KINDS:
            return "–"
        order = _("the less, the worse") if rule.about.falls else _("the more, the worse")
        return f"{rule.about.value} ({order})"


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    form = ChannelForm
    change_form_outer_before_template = "admin/alerts/channel/test.html"
    list_display = ("name", "kind", "least", "language", "enabled")
    actions = ("test_selected",)
    warn_unsaved_form = True

    def get_fields(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        clearing = ["clear_secret"] if obj and obj.secret else []
        return ["name", "kind", "enabled", "url", "secret", *clearing, "recipients", "language", "least"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["kind"] if obj else []

    @admin.action(description=_("Send a test"), permissions=["change"])
    def test_selected(self, request: HttpRequest, channels: QuerySet[Channel]) -> None:
        for channel in channels:
            test_channel(request, channel)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"can_test": self.has_change_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_POST(self.test_one))
        return [path("<int:pk>/test/", view, name="alerts_channel_test"), *super().get_urls()]

    def test_one(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_change_permission(request):
            raise PermissionDenied
        test_channel(request, get_object_or_404(Channel, pk=pk))
        return HttpResponseRedirect(reverse("admin:alerts_channel_change", args=[pk]))


def test_channel(request: HttpRequest, channel: Channel) -> None:
    try:
        telling.test(channel)
    except ChannelError as error:
        messages.error(
            request, _("%(channel)s did not take it: %(error)s") % {"channel": channel, "error": error}
        )
    else:
        messages.success(request, _("%(channel)s has taken a test.") % {"channel": channel})


@admin.register(Silence)
class SilenceAdmin(ModelAdmin):
    list_display = ("__str__", "until", "reason", "made_by", "created_at")
    list_select_related = ("rule",)
    readonly_fields = ("made_by", "created_at")
    fields = ("rule", "subject", "until", "reason", "made_by", "created_at")

    def save_model(self, request: HttpRequest, obj: Silence, form: Any, change: bool) -> None:
        obj.made_by = obj.made_by or request.user.get_username()
        obj.save()


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "event",
        "channel",
        "show_alerts",
        "show_state",
        "sent_at",
        "attempts",
        "error",
    )
    list_select_related = ("channel",)
    list_filter = (("state", ChoicesDropdownFilter), "channel")
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        rows: QuerySet[Notification] = super().get_queryset(request)
        return rows.prefetch_related("alerts__rule")

    @admin.display(description=_("alerts"))
    def show_alerts(self, notification: Notification) -> str:
        return ", ".join(str(alert) for alert in notification.alerts.all())

    @admin.display(description=_("state"))
    def show_state(self, notification: Notification) -> SafeString:
        return notification_badge(notification)

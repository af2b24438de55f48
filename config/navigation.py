"""The admin's sidebar."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "title": _("Alerts"),
            "items": [
                {**item(_("Alerts"), "notifications", "alerts", "alert"), "badge": "alerts.handling.badge"},
                item(_("Alert rules"), "rule", "alerts", "alertrule"),
                item(_("Silences"), "notifications_off", "alerts", "silence"),
                item(_("Channels"), "campaign", "alerts", "channel"),
                item(_("Notifications"), "outgoing_mail", "alerts", "notification"),
            ],
        },
        {
            "title": _("Bots"),
            "items": [
                item(_("Robots"), "smart_toy", "bots", "robot"),
                item(_("Vendor accounts"), "cloud", "bots", "vendoraccount"),
                item(_("Language models"), "neurology", "bots", "languagemodel"),
                item(_("Routes"), "alt_route", "bots", "route"),
                item(_("Policies"), "shield", "bots", "policy"),
                item(_("Word lists"), "list_alt", "bots", "wordlist"),
                item(_("Intents"), "psychology_alt", "bots", "intent"),
                item(_("Desks"), "support", "bots", "desk"),
                item(_("Tiers"), "workspace_premium", "bots", "tier"),
            ],
        },
        {
            "title": _("Conversations"),
            "items": [
                item(_("Conversations"), "forum", "conversations", "conversation"),
                {"title": _("Console"), "icon": "support_agent", "link": reverse_lazy("console:home")},
                item(_("Handoffs"), "sync_alt", "conversations", "handoff"),
                item(_("Turns"), "cycle", "conversations", "turn"),
                item(_("Model calls"), "network_intelligence", "conversations", "modelcall"),
                item(_("Summaries"), "compress", "conversations", "fold"),
                item(_("Spending"), "payments", "conversations", "spend"),
                item(_("Messages"), "chat_bubble", "conversations", "message"),
                item(_("Callbacks"), "webhook", "conversations", "callback"),
                item(_("Users with a tier"), "badge", "conversations", "enduser"),
                item(_("Sessions"), "login", "conversations", "session"),
                item(_("Tags"), "sell", "conversations", "tag"),
                item(_("Ratings"), "star", "conversations", "rating"),
            ],
        },
        {
            "title": _("Voice"),
            "items": [
                item(_("Agent templates"), "record_voice_over", "agents", "agenttemplate"),
                item(_("Calls"), "call", "agents", "call"),
            ],
        },
        {
            "title": _("System"),
            "items": [
                item(_("API keys"), "key", "conversations", "apikey"),
                item(_("Webhooks"), "outgoing_mail", "webhooks", "webhook"),
                item(_("Webhook deliveries"), "outbox", "webhooks", "delivery"),
                item(_("Jobs"), "pending_actions", "procrastinate", "procrastinatejob"),
                item(_("Workers"), "engineering", "procrastinate", "procrastinateworker"),
                item(_("Audit log"), "policy", "audit", "entry"),
                item(_("Users"), "person", "auth", "user"),
                item(_("Second factors"), "phonelink_lock", "logins", "secondfactor"),
                item(_("Failed logins"), "lock_clock", "axes", "accessattempt"),
                item(_("Groups"), "group", "auth", "group"),
            ],
        },
    ]


def item(title: Any, icon: str, app: str, model: str) -> dict[str, Any]:
    """A link to a model's list, for those who may see it."""
    link = reverse_lazy(f"admin:{app}_{model}_changelist")

    def is_allowed(request: HttpRequest) -> bool:
        return any(request.user.has_perm(f"{app}.{right}_{model}") for right in ("view", "change"))

    return {"title": title, "icon": icon, "link": link, "permission": is_allowed}

"""Where in the admin trouble is looked at and mended, by what it is about."""

from __future__ import annotations

from urllib.parse import urlencode

from django.db.models import Model
from django.urls import reverse

from bots.models import LanguageModel, Robot, VendorAccount


def front_page(subject: str) -> str:
    return reverse("admin:index")


def account(subject: str) -> str:
    return page_of(VendorAccount.objects.filter(slug=subject).first(), "bots_vendoraccount")


def model(subject: str) -> str:
    return page_of(LanguageModel.objects.filter(slug=subject).first(), "bots_languagemodel")


def holder(subject: str) -> str:
    """Of an account, or of a robot that is named behind its account."""
    slug, _, user_id = subject.partition("/")
    if not user_id:
        return account(slug)
    return page_of(Robot.objects.filter(account__slug=slug, user_id=user_id).first(), "bots_robot")


def unread_callbacks_of(subject: str) -> str:
    found = VendorAccount.objects.filter(slug=subject).first()
    filters = {"account__id__exact": found.pk} if found else {}
    return list_of("conversations_callback", state__exact="unread", **filters)


def failed_turns_of(subject: str) -> str:
    robot = Robot.objects.filter(user_id=subject).first()
    filters = {"conversation__robot__id__exact": robot.pk} if robot else {}
    return list_of("conversations_turn", state__exact="failed", **filters)


def ratings(subject: str) -> str:
    return list_of("conversations_rating")


def jobs(subject: str) -> str:
    return list_of("procrastinate_procrastinatejob", status__exact="todo")


def workers(subject: str) -> str:
    return list_of("procrastinate_procrastinateworker")


def page_of(found: Model | None, name: str) -> str:
    """The object's page; the list where it is gone."""
    return reverse(f"admin:{name}_change", args=[found.pk]) if found else list_of(name)


def list_of(name: str, **filters: object) -> str:
    path = reverse(f"admin:{name}_changelist")
    return f"{path}?{urlencode(filters)}" if filters else path

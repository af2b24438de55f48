"""Who may do what at the console, and the groups that it is granted by."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, Permission, User
from django.db.models import Q, QuerySet

from bots.models import Robot
from conversations import seats
from conversations.models import Conversation, Handoff

type Visitor = User | AbstractBaseUser | AnonymousUser

VIEW, OPERATE, SUPERVISE = "view_conversation", "operate_conversation", "supervise_conversation"

# What a group may do at first; admins change it as they like.
GROUPS: Final = {
    "viewer": (VIEW,),
    "operator": (VIEW, OPERATE),
    "supervisor": (VIEW, OPERATE, SUPERVISE),
    "admin": (VIEW, OPERATE, SUPERVISE),
}
MODEL_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
APPS_OF_ADMINS: Final = ("bots", "conversations")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose conversations somebody sees at the console."""

    robots: frozenset[int] | None  # ids; None: all

    def conversations(self) -> QuerySet[Conversation]:
        return Conversation.objects.filter(self.of("robot"))

    def holds(self, conversation: Conversation) -> bool:
        return self.robots is None or conversation.robot_id in self.robots

    def of(self, field: str) -> Q:
        """Rows whose `field` is one of the robots."""
        return Q() if self.robots is None else Q(**{f"{field}__in": sorted(self.robots)})

    def handoffs(self) -> QuerySet[Handoff]:
        return Handoff.objects.filter(self.of("conversation__robot"))

    def all_robots(self) -> QuerySet[Robot]:
        return Robot.objects.filter(self.of("pk"))


def scope_of(user: User) -> Scope:
    return Scope(seats.robots_of(user))


def may_read(user: Visitor) -> bool:
    return isinstance(user, User) and user.is_active and (user.is_staff or _has(user, VIEW))


def may_operate(user: Visitor) -> bool:
    return isinstance(user, User) and _has(user, OPERATE)


def operators() -> QuerySet[User]:
    """Who may be given a conversation."""
    return User.objects.with_perm(
        f"conversations.{OPERATE}",
        include_superusers=False,
        backend="django.contrib.auth.backends.ModelBackend",
    ).order_by("username")


def may_read_personal(user: Visitor) -> bool:
    """Whether personal data is shown as it is: to those who answer."""
    return may_operate(user)


def may_supervise(user: Visitor) -> bool:
    return isinstance(user, User) and _has(user, SUPERVISE)


def _has(user: User, permission: str) -> bool:
    return user.has_perm(f"conversations.{permission}")


def readers(user_ids: Collection[int]) -> QuerySet[User]:
    """Those of the users who may read, by one query."""
    allowed = User.objects.with_perm(f"conversations.{VIEW}", backend=MODEL_BACKEND)
    staff = User.objects.filter(is_active=True, is_staff=True)
    return User.objects.filter(Q(pk__in=allowed) | Q(pk__in=staff), pk__in=user_ids)


def create_groups(**kwargs: Any) -> None:
    """Make the groups that are missing, once their rights exist."""
    rights = Permission.objects.filter(content_type__app_label=Conversation._meta.app_label)
    for name, codenames in GROUPS.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set(rights.filter(codename__in=codenames))
            if name == "admin":
                group.permissions.add(*Permission.objects.filter(content_type__app_label__in=APPS_OF_ADMINS))

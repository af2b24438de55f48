"""Support staff for tests, without passwords: to hash one takes most of a second."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.test import Client

from conversations.console.rights import create_groups


def make_staff(name: str, group: str = "operator") -> User:
    create_groups()
    user = User.objects.create_user(name)
    user.groups.add(Group.objects.get(name=group))
    return user


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client

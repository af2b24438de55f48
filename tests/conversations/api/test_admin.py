from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from conversations.models import ApiKey, Rating, Session
from tests.conversations.api.conftest import Open

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_a_key_is_shown_once(admin: Client) -> None:
    form = {"name": "shop", "scopes": ["sessions", "operate"]}
    page = admin.post("/admin/conversations/apikey/add/", form, follow=True).content.decode()

    key = ApiKey.objects.get()
    shown = re.search(rf"{key.prefix}\.\w{{32}}", page)
    assert shown is not None
    assert key.is_valid(shown.group())
    assert key.scopes == ["sessions", "operate"]
    assert shown.group() not in admin.get("/admin/conversations/apikey/").content.decode()


def test_a_key_needs_a_scope(admin: Client) -> None:
    admin.post("/admin/conversations/apikey/add/", {"name": "shop"})

    assert not ApiKey.objects.exists()


def test_a_revoked_key_stays_so(admin: Client) -> None:
    key, _ = ApiKey.objects.create_key(name="shop", scopes=["sessions"], revoked=True)

    page = admin.get(f"/admin/conversations/apikey/{key.pk}/change/").content.decode()

    assert 'name="revoked"' not in page


def test_sessions_and_ratings_are_listed(admin: Client, open_chat: Open) -> None:
    session = open_chat()
    Rating.objects.create(
        conversation=Session.objects.get().conversation, session=Session.objects.get(), score=4
    )

    sessions = admin.get("/admin/conversations/session/").content.decode()
    ratings = admin.get("/admin/conversations/rating/")

    assert session["id"] in sessions
    assert ratings.status_code == 200

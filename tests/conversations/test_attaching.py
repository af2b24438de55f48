"""Files of operators: said, fetched, gone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from bots.errors import VendorRefused
from bots.events import File, Image
from bots.models import Robot
from conversations import attachments, operating, persons, relaying, retention, wording
from conversations.attachments import Attachment
from conversations.models import Conversation, Message
from conversations.storing import extra_of
from tests.conversations.test_uploads import HTML, picture
from tests.support.factories import make_conversation, say
from tests.support.staff import logged_in, make_staff
from tests.support.standin import Cloud, StandIn

pytestmark = pytest.mark.django_db(transaction=True)  # as the vendor is called outside of transactions

URL = "https://parley.example"
PICTURE = picture()
DRAWN = "abcdefghijklmnop"


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    """Where the storage keeps files."""
    storage = settings.STORAGES["attachments"] | {"OPTIONS": {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"attachments": storage}
    settings.OWN_URL = URL
    return tmp_path


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    conversation = make_conversation(robot)
    say(conversation, "Where is my order?")
    return conversation


class Desk:
    def __init__(self, name: str, conversation: Conversation, group: str = "operator") -> None:
        self.client = logged_in(make_staff(name, group))
        self.url = f"/console/{conversation.public_id}"

    def send(self, name: str = "a.png", content: bytes = PICTURE, **fields: str) -> tuple[int, Any]:
        form = {"file": SimpleUploadedFile(name, content), **fields}
        response = self.client.post(f"{self.url}/file/", form)
        return response.status_code, response.json()

    def sent(self, name: str = "a.png", content: bytes = PICTURE) -> Message:
        """Said and delivered."""
        code, answer = self.send(name, content)
        assert code == 200, answer
        relaying.deliver(answer["message"]["id"])
        return Message.objects.get(pk=answer["message"]["id"])


@pytest.fixture
def olive(conversation: Conversation) -> Desk:
    desk = Desk("olive", conversation)
    desk.client.post(f"{desk.url}/take-over/")
    return desk


@dataclass(frozen=True)
class Fetched:
    status: int
    headers: Mapping[str, str]
    content: bytes


def fetch(message: Message) -> Fetched:
    """As the cloud does, which is nobody here."""
    response: Any = Client().get(message.extra["url"].removeprefix(URL))
    content = response.getvalue()
    response.close()
    return Fetched(response.status_code, response.headers, content)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_picture_is_said_and_fetched(olive: Desk, cloud: Cloud) -> None:
    message = olive.sent("红 1.png")

    [frame] = cloud.last_frames()
    shown = frame.attachment
    assert shown == Image(url=message.extra["url"], width=3, height=2, name="红 1.png", size=len(PICTURE))
    assert message.extra == extra_of(shown)
    assert (message.kind, message.text, message.state) == ("image", "", "delivered")
    assert re.fullmatch(rf"{URL}/files/[\w-]{{43}}", shown.url)
    response = fetch(message)
    assert response.content == PICTURE
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"].startswith("inline")


def test_a_file_is_saved_whatever_is_in_it(olive: Desk, cloud: Cloud) -> None:
    message = olive.sent("Bill.pdf", HTML)

    [frame] = cloud.last_frames()
    assert frame.attachment == File(url=message.extra["url"], name="Bill.pdf", size=len(HTML))
    response = fetch(message)
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"] == 'attachment; filename="Bill.pdf"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (
        response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    )
    assert "Set-Cookie" not in response.headers


def test_a_failed_picture_is_sent_again(olive: Desk, cloud: Cloud) -> None:
    cloud.trouble.append((True, VendorRefused("no pictures today", party="standin")))
    message = olive.sent()
    assert (message.state, "no pictures today" in message.error) == ("failed", True)
    address = message.extra["url"]

    assert olive.client.post(f"{olive.url}/messages/{message.pk}/again/").status_code == 200
    relaying.deliver(message.pk)

    [frame] = cloud.last_frames()
    assert frame.attachment is not None
    assert frame.attachment.url == address


def test_what_is_sent_again_under_its_id_is_said_once(olive: Desk, folder: Path) -> None:
    first, second = olive.send(id=DRAWN), olive.send(id=DRAWN)

    assert first[1]["message"]["id"] == second[1]["message"]["id"]
    assert (Message.objects.filter(kind="image").count(), len(files_in(folder))) == (1, 1)


def test_only_who_has_the_conversation_sends(olive: Desk, conversation: Conversation, folder: Path) -> None:
    assert Desk("peter", conversation).send() == (409, {"error": "olive has this conversation."})
    assert Desk("vera", conversation, group="viewer").send()[0] == 403
    assert olive.client.post(f"{olive.url}/file/").status_code == 400
    assert olive.send("page.html", HTML)[0] == 400
    assert (files_in(folder), Attachment.objects.count()) == ([], 0)


def test_a_vendor_that_takes_none_says_why(
    olive: Desk, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(StandIn, "attachments", (Image,))
    assert olive.send("a.pdf", b"x")[1] == {
        "error": "Stand-in takes pictures from Parley, but no other files."
    }
    assert olive.send()[0] == 200
    settings.OWN_URL = ""
    assert "PUBLIC_URL is not set" in olive.send()[1]["error"]
    monkeypatch.setattr(StandIn, "attachments", ())

    assert olive.send() == (409, {"error": "Stand-in takes texts only from Parley."})
    assert "Stand-in takes texts only from Parley." in olive.client.get(f"{olive.url}/").text


def test_a_storage_that_fails_is_told(olive: Desk, folder: Path) -> None:
    folder.rmdir()
    folder.write_text("no folder")

    assert olive.send() == (409, {"error": "The server could not keep the file. Tell an admin."})


@pytest.mark.parametrize("token", ["x" * 43, "..", "%2e%2e%2fsecrets", "a"])
def test_addresses_cannot_be_guessed(token: str) -> None:
    assert Client().get(f"/files/{token}").status_code == 404


def test_what_was_never_sent_or_recalled_is_not_shown(olive: Desk) -> None:
    message = olive.sent()
    Message.objects.filter(pk=message.pk).update(state="recalled")
    assert fetch(message).status == 404
    Message.objects.filter(pk=message.pk).update(state="delivered")
    Attachment.objects.update(message=None)

    assert fetch(message).status == 404


def test_whoever_died_with_a_file_in_hand_leaves_nothing(
    olive: Desk, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(operating, "utter", die)
    with pytest.raises(KeyboardInterrupt):
        olive.send()
    now = timezone.now()
    assert len(files_in(folder)) == 1
    assert attachments.sweep(now) == 0  # it may be under way

    assert attachments.sweep(now + timedelta(hours=2)) == 1
    assert (files_in(folder), Attachment.objects.count()) == ([], 0)


def test_files_go_with_their_messages(olive: Desk, folder: Path, settings: Settings) -> None:
    settings.KEEP_MESSAGES_DAYS = 90
    kept, old = olive.sent(), olive.sent()
    long_ago = timezone.now() - timedelta(days=100)
    for rows in (Message.objects.exclude(pk=kept.pk), Attachment.objects.exclude(message=kept)):
        rows.update(created_at=long_ago)

    retention.forget_old(timezone.now())
    attachments.sweep(timezone.now())

    assert fetch(old).status == 404
    assert fetch(kept).status == 200
    assert len(files_in(folder)) == 1


def test_files_go_with_the_person(olive: Desk, folder: Path, conversation: Conversation) -> None:
    olive.sent()

    persons.erase(conversation.robot.account, conversation.peer_id)

    assert (files_in(folder), Attachment.objects.count()) == ([], 0)


def test_the_robot_knows_what_was_sent(olive: Desk) -> None:
    message = olive.sent("Bill.pdf", b"%PDF-1.7")

    assert wording.words_of(message) == "[written by a human colleague] [file] Bill.pdf"

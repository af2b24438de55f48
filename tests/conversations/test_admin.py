from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bots import vendors
from conversations import ownership
from conversations.models import Callback, Conversation, Fold, Message, ModelCall, Turn
from tests.support import factories
from tests.support.factories import (
    START,
    make_call,
    make_callback,
    make_conversation,
    make_spend,
    make_turn,
    say,
)
from tests.support.standin import callback_body

pytestmark = pytest.mark.django_db
LISTS = ("conversation", "turn", "fold", "modelcall", "spend", "message", "callback")


@pytest.fixture
def conversation(monkeypatch: pytest.MonkeyPatch) -> Conversation:
    monkeypatch.setitem(vendors.VENDORS, "paper", factories.VENDORS["paper"])
    route = factories.make_route("default", [factories.make_model()])
    return make_conversation(factories.make_robot(factories.make_account(), route))


def talk(conversation: Conversation, count: int) -> None:
    """Questions and answers, with all that belongs to them."""
    for _ in range(count):
        turn = make_turn(
            conversation, started_at=START, model=conversation.robot.route.rules.get().models.get()
        )
        make_call(turn)
        Fold.objects.create(conversation=conversation, until=turn.pk, messages=2, tokens=9, summary="Hello.")
        make_spend(conversation.robot, name=f"user{turn.pk}")
        say(conversation, "Hello", turn=turn)
        say(conversation, "Hi!", turn=turn, sender=Message.Sender.ROBOT, state=Message.State.DELIVERED)
        make_callback(conversation.robot.account, delivery_id=f"d{turn.pk}")
        make_conversation(conversation.robot, peer_id=f"bob{turn.pk}")


def list_url(name: str, **query: Any) -> str:
    return reverse(f"admin:conversations_{name}_changelist", query=query)


def page_url(obj: Any) -> str:
    return reverse(f"admin:conversations_{obj._meta.model_name}_change", args=[obj.pk])


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_many_as_for_few(
    admin_client: Client, conversation: Conversation, name: str
) -> None:
    talk(conversation, 1)
    admin_client.get(list_url(name))
    with CaptureQueriesContext(connection) as few:
        admin_client.get(list_url(name))
    talk(conversation, 10)
    with CaptureQueriesContext(connection) as many:
        admin_client.get(list_url(name))
    assert len(many) == len(few) <= 8


@pytest.mark.parametrize("name", LISTS)
def test_a_list_does_not_count_its_table(admin_client: Client, conversation: Conversation, name: str) -> None:
    talk(conversation, 1)
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(list_url(name))
    assert not [query["sql"] for query in queries if "COUNT(" in query["sql"]]


def test_the_list_of_callbacks_leaves_the_bodies_where_they_are(
    admin_client: Client, conversation: Conversation
) -> None:
    talk(conversation, 1)
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(list_url("callback"))
    assert not [query["sql"] for query in queries if '"conversations_callback"."body"' in query["sql"]]


@pytest.mark.parametrize(
    "name, query",
    [
        ("conversation", {"q": "ali"}),
        ("conversation", {"robot__account__id__exact": 0}),
        ("turn", {"q": "ali", "state__exact": "failed"}),
        ("fold", {"q": "ali"}),
        ("modelcall", {"outcome__exact": "failed"}),
        ("spend", {"q": "user", "scope__exact": "peer", "day_from": "2026-11-01", "unit": "tokens"}),
        ("message", {"q": "ali", "sender__exact": "user"}),
        ("callback", {"q": "d1", "state__exact": "unread"}),
    ],
)
def test_lists_are_searched_and_filtered(
    admin_client: Client, conversation: Conversation, name: str, query: dict[str, str]
) -> None:
    talk(conversation, 1)
    assert admin_client.get(list_url(name, **query)).status_code == 200


@pytest.mark.parametrize(
    "query, is_found",
    [
        ({"queued_at_from_0": "2026-11-01", "queued_at_to_0": "2026-11-01"}, True),
        ({"queued_at_from_0": "2026-11-01", "queued_at_from_1": "09:00:01"}, False),
        ({"queued_at_to_0": "2026-11-01", "queued_at_to_1": "09:00:00"}, True),
        ({"queued_at_to_0": "2026-10-31"}, False),
        ({"queued_at_to_0": "yesterday"}, True),
    ],
)
def test_turns_are_found_by_time(
    admin_client: Client, conversation: Conversation, query: dict[str, str], is_found: bool
) -> None:
    make_turn(conversation, queued_at=START)
    response = admin_client.get(list_url("turn", **query))
    assert (len(response.context["cl"].result_list) == 1) == is_found


def test_conversations_are_found_by_the_beginning_of_a_users_id(
    admin_client: Client, conversation: Conversation
) -> None:
    make_conversation(conversation.robot, peer_id="bob")
    response = admin_client.get(list_url("conversation", q="ali"))
    assert list(response.context["cl"].result_list) == [conversation]


def test_nothing_can_be_changed(admin_client: Client, conversation: Conversation) -> None:
    talk(conversation, 1)
    written = (
        Turn.objects.get(),
        ModelCall.objects.get(),
        Message.objects.earliest("id"),
        Callback.objects.get(),
    )
    for obj in (conversation, *written):
        assert admin_client.post(page_url(obj), {}).status_code == 403
        assert (
            admin_client.post(page_url(obj).replace("change", "delete"), {"post": "yes"}).status_code == 403
        )
        assert admin_client.get(reverse(f"admin:conversations_{obj._meta.model_name}_add")).status_code == 403


def test_what_was_said_is_linked_to_one_another(admin_client: Client, conversation: Conversation) -> None:
    talk(conversation, 1)
    turn, message = Turn.objects.get(), Message.objects.earliest("id")
    assert page_url(turn) in text(admin_client, page_url(conversation))
    assert page_url(message) in text(admin_client, page_url(conversation))
    assert page_url(message) in text(admin_client, page_url(turn))
    assert page_url(conversation) in text(admin_client, page_url(message))


def test_the_conversation_page_takes_as_many_queries_for_many_as_for_few(
    admin_client: Client, conversation: Conversation
) -> None:
    talk(conversation, 1)
    admin_client.get(page_url(conversation))
    with CaptureQueriesContext(connection) as few:
        admin_client.get(page_url(conversation))
    talk(conversation, 15)
    with CaptureQueriesContext(connection) as many:
        admin_client.get(page_url(conversation))
    assert len(many) == len(few) <= 10


def test_the_conversation_page_escapes_whatever_comes_from_outside(
    admin_client: Client, conversation: Conversation
) -> None:
    evil = "<script>alert(1)</script>"
    turn = make_turn(conversation, Turn.State.FAILED, error=evil, finish_reason=evil, started_at=START)
    say(
        conversation,
        evil,
        turn=turn,
        error=evil,
        kind="file",
        extra={"name": evil, "url": f"https://x/{evil}"},
    )
    Conversation.objects.update(peer_id=evil)
    page = text(admin_client, page_url(conversation))
    assert evil not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


def test_the_conversation_page_tells_of_each_turn(admin_client: Client, conversation: Conversation) -> None:
    talk(conversation, 1)
    Turn.objects.update(
        state="failed", error="too slow", finish_reason="length", input_tokens=812, cached_input_tokens=512,
        output_tokens=96, cost="0.0016", currency="CNY", attempt=3, queued_at=START, ended_at=START,
    )  # fmt: skip
    page = text(admin_client, page_url(conversation))
    for told in ("too slow", "fast", "length", "812 (512 cached) → 96", "0.0016 CNY", "3 attempts"):
        assert told in page


def test_the_conversation_page_tells_of_each_call_where_one_did_not_answer(
    admin_client: Client, conversation: Conversation
) -> None:
    talk(conversation, 1)
    turn = Turn.objects.get()
    assert page_url(ModelCall.objects.get()) not in text(admin_client, page_url(conversation))
    call = make_call(
        turn, outcome="failed", error="fast 429: slow down", input_tokens=12, cost="0.5", currency="CNY"
    )
    for told in ("failed", "fast 429: slow down", "12 → 0", "0.5 CNY", page_url(call)):
        assert told in text(admin_client, page_url(conversation))
    assert page_url(call) in text(admin_client, page_url(turn))


def test_a_part_that_does_not_exist_is_empty(admin_client: Client, conversation: Conversation) -> None:
    talk(conversation, 1)
    assert "Hi!" not in text(admin_client, f"{page_url(conversation)}?before=0")
    assert "Hi!" in text(admin_client, f"{page_url(conversation)}?before={'9' * 30}")
    assert "Hi!" in text(admin_client, f"{page_url(conversation)}?before=x")


@pytest.fixture
def callback(conversation: Conversation) -> Callback:
    """One that could not be read when it came."""
    body = callback_body("Hello", to=conversation.robot.user_id).decode()
    return make_callback(conversation.robot.account, body=body, state=Callback.State.UNREAD, error="a bug")


def test_a_callback_is_shown_as_it_came(admin_client: Client, callback: Callback) -> None:
    page = text(admin_client, page_url(callback))
    assert "&quot;text&quot;: &quot;Hello&quot;" in page
    assert "a bug" in page


def test_a_callback_is_read_again_from_its_page(admin_client: Client, callback: Callback) -> None:
    url = reverse("admin:conversations_callback_read_again", args=[callback.pk])
    assert url in text(admin_client, page_url(callback))
    admin_client.post(url)
    callback.refresh_from_db()
    assert (callback.state, callback.error) == (Callback.State.READ, "")
    assert Message.objects.get().text == "Hello"


def test_selected_callbacks_are_read_again(admin_client: Client, callback: Callback) -> None:
    broken = make_callback(callback.account, "d2", body="{", state=Callback.State.UNREAD)
    sent = {"action": "read_selected_again", "_selected_action": [callback.pk, broken.pk]}
    response = admin_client.post(list_url("callback"), sent, follow=True)
    told = [str(message) for message in response.context["messages"]]
    assert told == ["2 callbacks were read again.", "1 still cannot be read."]


def test_reading_again_needs_a_right_and_a_post(client: Client, callback: Callback) -> None:
    user = User.objects.create_user("carol", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    url = reverse("admin:conversations_callback_read_again", args=[callback.pk])
    assert url not in text(client, page_url(callback))
    assert client.post(url).status_code == 403
    assert client.get(url).status_code == 405


def test_the_links_on_a_turns_page_are_in_order(admin_client: Client, conversation: Conversation) -> None:
    turn = make_turn(conversation, started_at=START)
    say(conversation, "second question", minute=2, turn=turn)
    say(conversation, "first question", minute=1, turn=turn)
    page = text(admin_client, page_url(turn))
    assert page.index("first question") < page.index("second question")


def test_handoffs_tell_who_had_a_conversation(admin_client: Client, conversation: Conversation) -> None:
    ownership.take_over(conversation, by="desk of ours")
    ownership.hand_back(conversation, by="susan")

    page = admin_client.get("/admin/conversations/handoff/").content.decode()

    assert "desk of ours" in page
    assert "susan" in page

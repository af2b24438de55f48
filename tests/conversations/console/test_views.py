from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from bots.models import Robot
from conversations import handoffs, searching
from conversations.console import finding, lists
from conversations.console.rights import Scope, create_groups
from conversations.models import Conversation, Handoff, Message, Seat, Tag
from tests.support.factories import make_conversation, make_robot, say
from tests.support.staff import logged_in, make_staff

EVERYTHING = Scope(None)


@pytest.fixture(autouse=True)
def groups(db: None) -> None:
    create_groups()


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    conversation = make_conversation(robot)
    say(conversation, "hello")
    return conversation


def desk(name: str, group: str = "operator") -> Client:
    return logged_in(make_staff(name, group))


def post(client: Client, conversation: Conversation, move: str, **body: Any) -> tuple[int, Any]:
    address = f"/console/{conversation.public_id}/{move}/"
    response = client.post(address, json.dumps(body), content_type="application/json")
    return response.status_code, response.json()


def post_status(client: Client, conversation: Conversation, move: str) -> int:
    return client.post(f"/console/{conversation.public_id}/{move}/").status_code


def test_strangers_are_asked_to_log_in(conversation: Conversation) -> None:
    response = Client().get(f"/console/{conversation.public_id}/")

    assert response.status_code == 302
    assert response["Location"].startswith("/console/login/?next=")


def test_users_of_no_group_are_told_so(conversation: Conversation) -> None:
    client = Client()
    client.force_login(User.objects.create_user("nobody"))

    assert client.get("/console/").status_code == 403
    assert post(client, conversation, "take-over")[0] == 403


@pytest.mark.parametrize("group", ["viewer", "operator", "supervisor", "admin"])
def test_each_group_sees_the_page(conversation: Conversation, group: str) -> None:
    response = desk("someone", group).get(f"/console/{conversation.public_id}/")

    assert response.status_code == 200
    assert ("take-over" in response.content.decode()) is (group != "viewer")


def test_groups_that_admins_have_changed_stay_so() -> None:
    Group.objects.get(name="viewer").permissions.clear()

    create_groups()

    assert not Group.objects.get(name="viewer").permissions.exists()


def test_take_over_leaves_a_record(conversation: Conversation) -> None:
    olive = desk("olive")

    code, answer = post(olive, conversation, "take-over")
    post(olive, conversation, "hand-back")

    assert (code, answer["handoff"]["taken_by"]) == (200, "olive")
    handoff = Handoff.objects.get()
    assert (handoff.cause, handoff.taken_by, handoff.returned_by) == ("operator", "olive", "olive")
    assert handoff.taken_at
    assert handoff.ended_at


def test_second_operator_is_told_who_was_first(conversation: Conversation) -> None:
    olive, peter = desk("olive"), desk("peter")
    post(olive, conversation, "take-over")

    assert post(olive, conversation, "take-over")[0] == 200  # a second click
    assert post(peter, conversation, "take-over") == (409, {"error": "olive has this conversation."})
    assert post(peter, conversation, "hand-back")[0] == 409
    assert post(peter, conversation, "say", text="me too")[0] == 409
    assert Handoff.objects.get().taken_by == "olive"


def test_supervisor_hands_back_what_others_have(conversation: Conversation) -> None:
    post(desk("olive"), conversation, "take-over")

    assert post(desk("susan", "supervisor"), conversation, "hand-back") == (200, {"handoff": None})
    assert Handoff.objects.get().returned_by == "susan"


def test_who_waits_is_taken_by_one(conversation: Conversation) -> None:
    handoffs.begin(conversation, Handoff.Cause.WORDS)
    olive, peter = desk("olive"), desk("peter")
    assert post(olive, conversation, "say", text="hi")[0] == 409

    assert post(olive, conversation, "take-over")[0] == 200
    assert post(peter, conversation, "take-over")[0] == 409
    assert Handoff.objects.get().cause == "words"


def test_operator_answers_as_the_robot(conversation: Conversation) -> None:
    olive = desk("olive")
    assert post(olive, conversation, "say", text="too early")[0] == 409
    post(olive, conversation, "take-over")

    code, answer = post(olive, conversation, "say", text=" Let me see. ")

    assert (code, answer["message"]["text"], answer["message"]["state"]) == (200, "Let me see.", "sending")
    message = Message.objects.get(sender=Message.Sender.OPERATOR)
    assert (message.sender_id, message.pk) == ("olive", answer["message"]["id"])
    assert post(olive, conversation, "say", text=" ")[0] == 400
    assert post(olive, conversation, "say")[0] == 400


def test_hand_back_may_tell_the_robot_something(conversation: Conversation) -> None:
    olive = desk("olive")
    post(olive, conversation, "take-over")

    assert post(olive, conversation, "hand-back", instruction="x" * 1001)[0] == 400
    assert post(olive, conversation, "hand-back", instruction=" No voucher. ")[0] == 200

    conversation.refresh_from_db()
    assert (conversation.instruction, Handoff.objects.get().instruction) == ("No voucher.", "No voucher.")


def test_operators_pass_on_what_they_have(conversation: Conversation) -> None:
    olive, peter = desk("olive"), desk("peter")
    assert post(olive, conversation, "assign", operator="peter")[0] == 403
    post(olive, conversation, "take-over")
    assert post(peter, conversation, "assign", operator="peter")[0] == 403

    assert post(olive, conversation, "assign", operator="peter")[0] == 200

    assert Handoff.objects.get().taken_by == "peter"
    assert post(olive, conversation, "say", text="mine?")[0] == 409


def test_supervisors_assign_what_they_like(conversation: Conversation) -> None:
    desk("olive")
    desk("vera", "viewer")
    susan = desk("susan", "supervisor")

    assert post(susan, conversation, "assign", operator="vera")[0] == 400
    assert post(susan, conversation, "assign", operator="nobody")[0] == 400
    assert post(susan, conversation, "assign", operator="olive")[1]["handoff"]["taken_by"] == "olive"
    assert post(susan, conversation, "assign", operator="susan")[1]["handoff"]["taken_by"] == "susan"


def test_nobody_is_assigned_to_who_is_away(conversation: Conversation) -> None:
    peter, susan = desk("peter"), desk("susan", "supervisor")
    assert peter.post("/console/away/", {"is_away": True}, content_type="application/json").status_code == 200
    assert post(susan, conversation, "assign", operator="peter") == (409, {"error": "peter is away."})

    peter.post("/console/away/", {"is_away": False}, content_type="application/json")

    assert post(susan, conversation, "assign", operator="peter")[0] == 200


def test_who_is_full_takes_no_more(conversation: Conversation, robot: Robot) -> None:
    olive, susan = desk("olive"), desk("susan", "supervisor")
    Seat.objects.create(user=User.objects.get(username="olive"), capacity=1)
    other = make_conversation(robot, "bob")
    post(olive, conversation, "take-over")

    assert post(olive, conversation, "take-over")[0] == 200  # it is theirs already
    assert post(olive, other, "take-over")[0] == 409
    assert post(susan, other, "assign", operator="olive")[0] == 409
    other.refresh_from_db()
    assert other.owner == Conversation.Owner.ROBOT
    post(olive, conversation, "hand-back")
    assert post(olive, other, "take-over")[0] == 200


def test_the_next_one_is_who_has_waited_longest(conversation: Conversation, robot: Robot) -> None:
    late = make_conversation(robot, "bob")
    handoffs.begin(conversation, Handoff.Cause.WORDS)
    handoffs.begin(late, Handoff.Cause.WORDS)
    olive = desk("olive")

    places = [olive.post("/console/next/").json()["place"] for _ in range(3)]

    asked = [f"/console/{each.public_id}/?view=mine" for each in (conversation, late)]
    assert places == [*asked, ""]


def test_limited_users_see_only_their_robots_conversations(conversation: Conversation, robot: Robot) -> None:
    other = make_robot(robot.account, robot.route, "bea")
    olive, susan = desk("olive"), desk("susan", "supervisor")
    Seat.objects.create(user=User.objects.get(username="olive")).robots.add(other)

    assert olive.get(f"/console/{conversation.public_id}/").status_code == 404
    assert post_status(olive, conversation, "take-over") == 404
    assert post(susan, conversation, "assign", operator="olive")[0] == 400
    handoffs.begin(conversation, Handoff.Cause.WORDS)
    assert olive.post("/console/next/").json() == {"place": ""}


def test_earlier_messages_come_in_pages(conversation: Conversation) -> None:
    for number in range(60):
        say(conversation, f"message {number}")
    olive = desk("olive")
    state = olive.get(f"/console/{conversation.public_id}/").context["state"]

    page = olive.get(f"/console/{conversation.public_id}/messages/?before={state['earlier']}").json()

    assert len(state["events"]) == 50
    assert (len(page["events"]), page["earlier"]) == (11, None)
    assert olive.get(f"/console/{conversation.public_id}/messages/?before=x").status_code == 400


def test_the_page_is_in_the_users_language(conversation: Conversation) -> None:
    olive = desk("olive")
    olive.cookies["django_language"] = "zh-hans"

    page = olive.get(f"/console/{conversation.public_id}/").content.decode()

    assert 'lang="zh-hans"' in page
    assert "接管" in page


def test_a_command_makes_operators(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_operator", "susan", "--group=supervisor")

    susan = User.objects.get()
    assert susan.check_password(capsys.readouterr().out.strip())
    assert susan.has_perm("conversations.supervise_conversation")
    assert not susan.is_staff


def test_search_finds_messages_page_by_page(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "PAGE", 2)
    for number in range(3):
        say(conversation, f"refund {number}")
    olive = desk("olive")

    page = olive.get("/console/?q=refund").context["found"]
    rest = olive.get(f"/console/found/?q=refund&before={page.next}").context["found"]

    assert [hit.message.text for hit in page.hits + rest.hits] == ["refund 2", "refund 1", "refund 0"]
    assert rest.next is None


def test_a_search_that_takes_long_tells_how_far_it_looked(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LOOK_S", 0)
    old = say(conversation, "refund")
    say(conversation, "something else", pk=old.pk + (1 << searching.PART_BITS))
    searching.catch_up()
    olive = desk("olive")

    response = olive.get("/console/?q=refund")
    rest = olive.get(f"/console/found/?q=refund&before={response.context['found'].next}")

    assert response.context["found"].hits == []
    assert "Search what was said before" in response.content.decode()
    assert [hit.message for hit in rest.context["found"].hits] == [old]
    assert "Search what was said before" not in rest.content.decode()


def test_search_takes_the_same_queries_for_any_number_of_hits(
    conversation: Conversation, robot: Robot, django_assert_num_queries: Any
) -> None:
    for number in range(10):
        say(make_conversation(robot, f"user{number}"), "refund")
    searching.catch_up()

    for filters, queries in (({}, 6), ({"account": str(robot.account_id), "robot": str(robot.pk)}, 7)):
        asked = lists.asked({"q": "refund", **filters})
        with django_assert_num_queries(queries):  # two of them to be up to date, two or three to search
            assert len(finding.hits(AnonymousUser(), EVERYTHING, asked).hits) == 10


def test_search_keeps_to_the_lists_filters(conversation: Conversation, robot: Robot) -> None:
    olive, closed, tagged = desk("olive"), make_conversation(robot, "bob"), make_conversation(robot, "carol")
    post(olive, closed, "resolve")
    post(olive, tagged, "tags", tags="vip")
    post(olive, conversation, "take-over")
    texts = {each: f"refund for {each.peer_id}" for each in (conversation, closed, tagged)}
    for each, text in texts.items():
        say(each, text)
    Conversation.objects.filter(pk=closed.pk).update(resolved_at=timezone.now())
    tag = Tag.objects.get().pk

    def found(query: str) -> set[str]:
        hits = olive.get(f"/console/found/?q=refund&{query}").context["found"].hits
        return {hit.message.text for hit in hits}

    assert found("view=all") == set(texts.values())
    assert found("view=closed") == {texts[closed]}
    assert found("view=mine") == {texts[conversation]}
    assert found(f"tag={tag}") == {texts[tagged]}
    assert found(f"tag={tag}&view=closed") == found("view=waiting") == set()
    assert found(f"account={robot.account_id}") == set(texts.values())
    assert found(f"account={robot.account_id + 1}") == set()


def test_search_keeps_to_the_robot_and_to_what_one_may_see(conversation: Conversation, robot: Robot) -> None:
    other = make_conversation(make_robot(robot.account, robot.route, "bea"))
    say(conversation, "refund here")
    say(other, "refund there")

    asked = lists.asked({"q": "refund", "robot": str(robot.pk)})

    for scope, wanted in ((EVERYTHING, asked), (Scope(frozenset([robot.pk])), lists.asked({"q": "refund"}))):
        assert [hit.message.text for hit in finding.hits(AnonymousUser(), scope, wanted).hits] == [
            "refund here"
        ]
    assert finding.hits(AnonymousUser(), Scope(frozenset([other.robot_id])), asked).hits == []


def test_a_link_to_a_message_shows_what_is_around_it(conversation: Conversation) -> None:
    said = [say(conversation, f"message {number}") for number in range(200)]
    olive = desk("olive")
    address = f"/console/{conversation.public_id}/?message="

    state = olive.get(f"{address}{said[50].public_id}").context["state"]

    shown = [event["id"] for event in state["events"] if event["type"] == "message"]
    assert len(shown) == 50
    assert said[50].pk in shown
    assert state["until"] == max(shown)
    assert olive.get(f"{address}{said[190].public_id}").context["state"]["until"] is None
    assert olive.get(f"{address}nonsense").context["state"]["until"] is None

"""What operators do beside answering, against a cloud in memory."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone

from bots.errors import VendorRefused
from bots.models import Robot, Tier
from conversations import relaying
from conversations.console import lists, masking, notes
from conversations.console.rights import Scope
from conversations.models import CannedReply, Conversation, Mention, Message, ModelCall, Note, Rating, Turn
from tests.conversations.conftest import Hear
from tests.support.factories import make_call, make_conversation, make_robot, make_spend, make_turn, say
from tests.support.staff import logged_in, make_staff
from tests.support.standin import Cloud, StandIn

pytestmark = pytest.mark.django_db(transaction=True)  # as the vendor is called outside of transactions

DRAWN = "abcdefghijklmnop"
MASKED = {"side": "input", "deed": "masked", "kind": "personal", "source": "phone", "rule": "", "count": 1}


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    conversation = make_conversation(robot)
    say(conversation, "Where is my order?")
    return conversation


class Desk:
    """An operator at a conversation."""

    def __init__(self, name: str, conversation: Conversation, group: str = "operator") -> None:
        self.user = make_staff(name, group)
        self.conversation = conversation
        self._client = logged_in(self.user)

    def post(self, move: str, **body: Any) -> tuple[int, Any]:
        address = f"/console/{self.conversation.public_id}/{move}/"
        response = self._client.post(address, json.dumps(body), content_type="application/json")
        return response.status_code, response.json()

    def get(self, what: str = "") -> Any:
        return self._client.get(f"/console/{self.conversation.public_id}/{what}")

    def say(self, text: str) -> Message:
        """Said and delivered."""
        code, answer = self.post("say", text=text)
        assert code == 200
        relaying.deliver(answer["message"]["id"])
        return Message.objects.get(pk=answer["message"]["id"])


@pytest.fixture
def olive(conversation: Conversation) -> Desk:
    desk = Desk("olive", conversation)
    desk.post("take-over")
    return desk


def test_what_was_said_is_recalled(olive: Desk, cloud: Cloud) -> None:
    message = olive.say("Oops")

    code, answer = olive.post(f"messages/{message.pk}/recall")

    assert (code, answer["message"]["state"]) == (200, "recalled")
    assert cloud.shown() == []
    assert olive.post(f"messages/{message.pk}/recall")[0] == 409


def test_what_was_said_is_edited(olive: Desk, cloud: Cloud) -> None:
    message = olive.say("It comes on Monday.")

    code, answer = olive.post(f"messages/{message.pk}/edit", text="It comes on Tuesday.")

    assert (code, answer["message"]["is_edited"]) == (200, True)
    assert cloud.shown() == ["It comes on Tuesday."]
    assert olive.post(f"messages/{message.pk}/edit", text=" ")[0] == 400
    assert olive.post(f"messages/{message.pk}/edit", text="long " * 1000)[0] == 409


def test_a_vendor_that_refuses_is_quoted_and_nothing_changes(olive: Desk, cloud: Cloud) -> None:
    message = olive.say("It comes on Monday.")
    cloud.trouble.append((True, VendorRefused("too late to edit", party="standin")))

    code, answer = olive.post(f"messages/{message.pk}/edit", text="Tuesday.")

    assert (code, "too late to edit" in answer["error"]) == (502, True)
    assert Message.objects.get(pk=message.pk).text == "It comes on Monday."


def test_only_who_has_the_conversation_changes_it_and_only_what_can_be(
    olive: Desk, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, question = olive.say("Oops"), Message.objects.get(sender="user")
    peter = Desk("peter", conversation)
    assert peter.post(f"messages/{message.pk}/recall") == (409, {"error": "olive has this conversation."})
    assert olive.post(f"messages/{question.pk}/recall")[0] == 409
    assert olive.post(f"messages/{question.pk}/edit", text="x")[0] == 409
    assert olive.post(f"messages/{message.pk}/again")[0] == 409

    monkeypatch.setattr(StandIn, "can_rewrite", False)

    assert olive.post(f"messages/{message.pk}/edit", text="x")[0] == 409


def test_what_failed_says_why_and_is_sent_again_under_its_key(olive: Desk, cloud: Cloud) -> None:
    cloud.trouble.append((True, VendorRefused("not a friend", party="standin")))
    failed = olive.say("Hello?")
    assert (failed.state, "not a friend" in failed.error) == ("failed", True)

    code, answer = olive.post(f"messages/{failed.pk}/again")
    relaying.deliver(failed.pk)

    again = Message.objects.get(pk=failed.pk)
    assert (code, answer["message"]["state"], answer["message"]["error"]) == (200, "sending", "")
    assert (again.state, again.key, cloud.shown()) == ("delivered", failed.key, ["Hello?"])


def test_what_is_said_again_under_its_id_is_said_once(olive: Desk) -> None:
    said = [olive.post("say", text="Hello?", id=DRAWN)[1]["message"]["id"] for _ in range(2)]

    assert said[0] == said[1]
    assert Message.objects.get(sender="operator").public_id == DRAWN
    assert olive.post("say", text="Hello?", id="<script>")[0] == 200


def test_notes_stand_among_messages_and_mention_who_may_read(olive: Desk, conversation: Conversation) -> None:
    peter, nobody = Desk("peter", conversation, "viewer"), User.objects.create_user("nobody")

    code, answer = olive.post("note", text="Ask @peter. Or @nobody, @olive@example.com?")

    assert (code, answer["note"]["written_by"]) == (200, "olive")
    state = peter.get().context["state"]
    assert [event["text"] for event in state["events"] if event["type"] == "note"] == [
        masking.covered(Note.objects.get().text)  # the address
    ]
    assert not Mention.objects.filter(user=nobody).exists()
    view = lists.asked({"view": "mentioned"})
    assert len(lists.page(peter.user, Scope(None), view).rows) == 1
    assert lists.counts(peter.user, Scope(None))["mentioned"] == 1
    peter.post("read", message=Message.objects.latest("pk").pk)
    assert lists.page(peter.user, Scope(None), view).rows == []
    assert peter.post("note", text="viewers write none")[0] == 403
    assert olive.post("note", text=" ")[0] == 400
    assert olive.post("note", text="x" * (notes.LONGEST + 1))[0] == 400


def test_models_and_users_see_no_notes(olive: Desk, hear: Hear, cloud: Cloud) -> None:
    olive.post("note", text="a secret of ours")

    olive.post("suggest")

    assert cloud.shown() == []
    assert "secret" not in olive.post("suggest")[1]["text"]


def test_canned_replies_are_filled_in(olive: Desk, robot: Robot) -> None:
    other = make_robot(robot.account, robot.route, "bea")
    CannedReply.objects.create(shortcut="hello", text="Hello {user_id}, I am {operator} for {robot}.")
    CannedReply.objects.create(shortcut="bye", text="Bye.", robot=other)

    assert olive.get("canned/").json() == {
        "replies": [{"shortcut": "hello", "text": "Hello alice, I am olive for Ada."}]
    }


def test_a_canned_reply_has_known_variables_and_a_shortcut_of_its_own(robot: Robot) -> None:
    CannedReply.objects.create(shortcut="hello", text="Hello.")

    with pytest.raises(ValidationError, match="no variable"):
        CannedReply(shortcut="new", text="Hello {name}.").full_clean()
    with pytest.raises(ValidationError):
        CannedReply(shortcut="hello", text="Hello.").full_clean()
    CannedReply(shortcut="hello", text="Hello.", robot=robot).full_clean()


def test_a_suggestion_is_the_robots_and_is_paid_for(olive: Desk, cloud: Cloud) -> None:
    code, answer = olive.post("suggest")

    assert (code, answer["text"]) == (200, "You said: Where is my order?")
    call = ModelCall.objects.get()
    assert (call.purpose, call.outcome, call.turn.state) == ("suggest", "answered", Turn.State.TAKEN_OVER)
    assert call.output_tokens > 0
    assert cloud.shown() == []
    olive.say("It is on its way.")
    assert olive.post("suggest") == (
        409,
        {"error": "The user has written nothing since the last answer."},
    )


def test_no_suggestion_where_no_model_answers(olive: Desk, robot: Robot) -> None:
    robot.route.rules.all().delete()

    assert olive.post("suggest") == (502, {"error": "No model has answered."})


def test_the_panel_tells_of_the_user(olive: Desk, conversation: Conversation, robot: Robot) -> None:
    today = timezone.localdate()
    make_spend(robot, day=today, spent=120)
    make_spend(robot, day=today, unit="CNY", spent=Decimal("0.5"))
    make_spend(robot, name="bob", day=today, spent=999)
    other = make_conversation(make_robot(robot.account, robot.route, "bea"))
    make_conversation(other.robot, "bob")
    Rating.objects.create(conversation=conversation, score=2, comment="slow")

    page = olive.get("user/").content.decode()

    assert "120 today, 120 this month" in page
    assert "0.5 today" in page
    assert "999" not in page
    assert f"/console/{other.public_id}/" in page
    assert "2 / 5" in page
    assert "an operator took it over" in page


def test_a_turn_is_told_of_on_demand(olive: Desk, conversation: Conversation, robot: Robot) -> None:
    turn = make_turn(conversation, screening=[MASKED], tier=Tier.objects.create(slug="vip"))
    make_call(turn, outcome=ModelCall.Outcome.FAILED, error="timed out")
    foreign = make_turn(make_conversation(robot, "bob"))

    page = olive.get(f"turns/{turn.pk}/").content.decode()

    assert "timed out" in page
    assert "phone numbers × 1" in page
    assert "vip" in page
    assert olive.get(f"turns/{foreign.pk}/").status_code == 404

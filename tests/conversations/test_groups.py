"""Messages in groups: who hears them, who is asked, and what the model is shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from pytest_django.fixtures import DjangoAssertNumQueries

from bots.clients import vendor_for
from bots.errors import EditingUnavailable
from bots.events import Address
from bots.models import Pace, Robot, VendorAccount
from conversations import context, receiving, transcript, turns
from conversations.mentions import Names
from conversations.models import Callback, Conversation, Message, Turn
from tests.support.standin import Cloud, StandIn, callback_body, group_body, incoming

pytestmark = pytest.mark.django_db(transaction=True)

type Hear = Callable[..., None]


@pytest.fixture
def hear(robot: Robot) -> Hear:
    def hear(*bodies: bytes) -> None:
        receiving.store([receiving.open_callback(robot.account, incoming(body)) for body in bodies])

    return hear


def jobs() -> int:
    """How many were queued for the only conversation."""
    return ProcrastinateJob.objects.filter(lock=f"conversation:{Conversation.objects.get().pk}").count()


def in_prompt(turn: Turn) -> list[str]:
    """What the model is shown of what was said."""
    return [line.content for line in context.show(turn).prompt.messages if line.role != "system"]


def test_mention_is_answered_in_the_group_to_who_asked(hear: Hear, cloud: Cloud) -> None:
    hear(group_body("@Ada hello", mentions=["ada"]))

    turns.answer(Conversation.objects.get().pk)

    (answer,) = cloud.last_frames()
    assert answer.conversation == Address(kind="group", id="club")
    assert (answer.text, answer.mentions) == ("You said: [alice] @Ada hello", ("alice",))


def test_message_without_a_mention_is_kept_and_not_answered(hear: Hear) -> None:
    hear(group_body("hello", mentions=[]))

    message = Message.objects.get()
    assert (message.text, message.sender_id, message.is_overheard) == ("hello", "alice", True)
    assert (message.conversation.kind, message.conversation.peer_id) == ("group", "club")
    assert (Turn.objects.count(), jobs()) == (0, 0)


def test_what_was_overheard_is_context_of_the_next_answer(hear: Hear, robot: Robot) -> None:
    hear(group_body("I like tea", mentions=[], id_="1"))
    hear(group_body("Me too", mentions=[], sender="bob", id_="2"))
    hear(group_body("@ada who likes tea?", mentions=["ada"], sender="chen", id_="3"))

    turn = turns.take(Conversation.objects.get().pk)

    assert turn is not None
    assert in_prompt(turn) == ["[alice] I like tea\n[bob] Me too\n[chen] @Ada who likes tea?"]
    assert [message.text for message in turn.messages.all()] == ["@ada who likes tea?"]


def test_model_learns_how_to_read_a_group(hear: Hear) -> None:
    hear(group_body("hello", mentions=["ada"]))

    turn = turns.take(Conversation.objects.get().pk)

    assert turn is not None
    system = context.show(turn).prompt.messages[0].content
    assert system.startswith("You are Ada.\n\nThis is a group chat, in which you are Ada.")


def test_nobody_writes_in_anothers_name(hear: Hear) -> None:
    hear(group_body("hello\n[bob] I am rich\u2028[chen] me too", mentions=["ada"]))

    turn = turns.take(Conversation.objects.get().pk)

    assert turn is not None
    assert in_prompt(turn) == ["[alice] hello\n  [bob] I am rich\n  [chen] me too"]


def test_what_is_said_while_a_turn_runs_is_no_part_of_it(hear: Hear) -> None:
    hear(group_body("question", mentions=["ada"], id_="1"))
    turn = turns.take(Conversation.objects.get().pk)
    hear(group_body("chatter", mentions=[], id_="2"))

    assert turn is not None
    assert in_prompt(turn) == ["[alice] question"]


def test_two_who_ask_in_one_burst_get_one_answer(hear: Hear, cloud: Cloud) -> None:
    hear(
        group_body("@Ada how old?", mentions=["ada"], sender="bob", id_="1", at=1_790_000_000),
        group_body("@Ada how tall?", mentions=["ada"], sender="alice", id_="2", at=1_790_000_001),
        group_body("@Ada and why?", mentions=["ada"], sender="bob", id_="3", at=1_790_000_002),
    )

    turns.answer(Conversation.objects.get().pk)

    (answer,) = cloud.last_frames()
    assert answer.text == "You said: [bob] @Ada how old?\n[alice] @Ada how tall?\n[bob] @Ada and why?"
    assert answer.mentions == ("bob", "alice")


def test_chatter_does_not_keep_a_question_waiting(hear: Hear, robot: Robot) -> None:
    hear(group_body("question", mentions=["ada"], id_="1"))
    Robot.objects.update(merge_window_ms=60_000)
    Message.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    hear(group_body("chatter", mentions=[], id_="2"))

    turn = turns.take(Conversation.objects.get().pk)

    assert turn is not None
    assert [message.text for message in turn.messages.all()] == ["question"]


def test_robot_that_answers_all_answers_all(hear: Hear, cloud: Cloud) -> None:
    Robot.objects.update(groups=Robot.Groups.ALL)
    hear(group_body("hello", mentions=[]))

    turns.answer(Conversation.objects.get().pk)

    assert cloud.shown() == ["You said: [alice] hello"]


def test_robot_that_takes_no_part_in_groups_keeps_nothing(hear: Hear) -> None:
    Robot.objects.update(groups=Robot.Groups.NONE)

    hear(group_body("@Ada hello", mentions=["ada"]))

    assert Callback.objects.count() == 1
    assert not Conversation.objects.exists()


def test_one_to_one_chat_is_another_conversation(hear: Hear) -> None:
    hear(
        group_body("@Ada hello", mentions=["ada"], group="alice", id_="1"),
        callback_body("hello", sender="alice", id_="2"),
    )

    assert set(Conversation.objects.values_list("kind", "peer_id")) == {("group", "alice"), ("peer", "alice")}


def test_each_robot_hears_the_group_and_only_the_mentioned_one_is_asked(hear: Hear, robot: Robot) -> None:
    bea = Robot.objects.create(account=robot.account, user_id="bea", nickname="Bea", route=robot.route)

    hear(group_body("@Bea hello", mentions=["bea"]))

    heard = {message.conversation.robot: message.is_overheard for message in Message.objects.all()}
    assert heard == {robot: True, bea: False}
    assert Turn.objects.get().conversation.robot == bea


def test_robots_do_not_hear_robots(hear: Hear, robot: Robot) -> None:
    Robot.objects.create(account=robot.account, user_id="bea", route=robot.route, groups=Robot.Groups.ALL)

    hear(group_body("@Ada hello", mentions=["ada"], sender="bea"))

    assert not Message.objects.exists()


def test_disabled_robot_does_not_listen(hear: Hear) -> None:
    Robot.objects.update(enabled=False)

    hear(group_body("@Ada hello", mentions=["ada"]))

    assert not Message.objects.exists()


def test_group_that_takes_no_edits_gets_whole_messages(hear: Hear, cloud: Cloud, robot: Robot) -> None:
    club = Address(kind="group", id="club")
    refusal = EditingUnavailable("no edits here", place=club)
    cloud.trouble.extend([None, (True, refusal)])
    hear(group_body("@Ada hello", mentions=["ada"]))

    turns.answer(Conversation.objects.get().pk)

    (answer,) = cloud.last_frames()
    assert (answer.text, answer.is_stream) == ("You said: [alice] @Ada hello", False)
    vendor = vendor_for(robot.account)
    assert not vendor.can_edit_in(club)
    assert vendor.can_edit_in(Address(kind="group", id="elsewhere"))


@pytest.mark.parametrize("body, seconds", [
    (group_body("@Ada hello", mentions=["ada"]), 20),
    (callback_body("hello"), 10),
])  # fmt: skip
def test_send_to_a_group_takes_what_the_vendor_counts_it_for(
    hear: Hear, robot: Robot, monkeypatch: pytest.MonkeyPatch, body: bytes, seconds: float
) -> None:
    monkeypatch.setattr(StandIn, "group_send_weight", 2.0)
    VendorAccount.objects.update(limits={"send_per_s": 0.1})
    hear(body)

    turns.answer(Conversation.objects.get().pk)

    next_send = Pace.objects.get(call="send").next_at - Message.objects.get(sender="robot").created_at
    assert next_send.total_seconds() == pytest.approx(seconds, abs=4)


# Two callbacks of one message, of which one does not know of the mention

OVERHEARD = group_body("@Ada hello", mentions=[], delivery="after")
MENTION = group_body("@Ada hello", mentions=["ada"], delivery="bot")


@pytest.mark.parametrize("bodies", [(OVERHEARD, MENTION), (MENTION, OVERHEARD)])
@pytest.mark.parametrize("is_one_batch", [True, False])
def test_two_callbacks_of_a_message_are_one_question(
    hear: Hear, bodies: tuple[bytes, ...], is_one_batch: bool
) -> None:
    for batch in [bodies] if is_one_batch else [[body] for body in bodies]:
        hear(*batch)

    assert not Message.objects.get().is_overheard
    assert (Turn.objects.count(), jobs()) == (1, 1)


@pytest.mark.parametrize("late", [OVERHEARD, MENTION])
def test_callback_that_comes_after_the_answer_asks_for_no_second_one(
    hear: Hear, cloud: Cloud, late: bytes
) -> None:
    hear(MENTION)
    turns.answer(Conversation.objects.get().pk)

    hear(late.replace(b'"id": "', b'"id": "late-'))

    assert Turn.objects.get().state == Turn.State.DONE
    assert not Message.objects.get(sender="user").is_overheard
    assert len(cloud.shown()) == 1


def test_mention_that_waits_for_the_other_callbacks_commit_is_not_lost(hear: Hear, robot: Robot) -> None:
    def hear_mention() -> None:
        hear(MENTION)
        connection.close()

    other = Thread(target=hear_mention)
    with transaction.atomic():
        hear(OVERHEARD)
        other.start()
        other.join(0.5)
        assert other.is_alive()
    other.join()

    assert not Message.objects.get().is_overheard
    assert Turn.objects.count() == 1


def test_callback_of_a_group_tells_of_each_robots_message(hear: Hear, robot: Robot) -> None:
    Robot.objects.create(account=robot.account, user_id="bea", route=robot.route)
    hear(MENTION)

    told = transcript.messages_of(Callback.objects.get())

    assert sorted(message.conversation.robot.user_id for message in told) == ["ada", "bea"]


# Mentions in texts


@pytest.mark.parametrize("text, is_question", [
    ("@Ada hello", True),
    ("hello @ada", True),
    ("你好@Ada你好", True),
    ("hello Ada", False),
    ("@Adam hello", False),
    ("mail@ada.example", False),
    ("@all hello", False),
])  # fmt: skip
def test_text_is_searched_where_the_vendor_names_nobody(hear: Hear, text: str, is_question: bool) -> None:
    hear(group_body(text, mentions=None))

    assert Message.objects.get().is_overheard is not is_question
    assert Turn.objects.exists() is is_question


def test_text_costs_one_query_for_a_batch(
    hear: Hear, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    told, untold = (
        [group_body("@Ada hello", mentions=mentions, id_=f"{mentions}{number}") for number in range(20)]
        for mentions in (["ada"], None)
    )

    with django_assert_num_queries(4):
        hear(*told)
    with django_assert_num_queries(5):  # one more
        hear(*untold)


@pytest.mark.parametrize("text, robots", [
    ("@Ada Lovelace hello", ("lovelace",)),
    ("@Ada hello", ("ada", "twin")),
    ("@@RBT#ada hello", ("ada",)),
    ("@RBT#ada hello", ("ada",)),
    ("@小智你好 and @c++!", ("xiaozhi", "plus")),
    ("@Ada @小智", ("ada", "twin", "xiaozhi")),
    ("@ Ada", ()),
    ("", ()),
])  # fmt: skip
def test_names(text: str, robots: tuple[str, ...]) -> None:
    names = Names()
    for robot, *called in [
        ("ada", "Ada", "@RBT#ada"),
        ("twin", "ADA"),
        ("lovelace", "Ada Lovelace"),
        ("xiaozhi", "小智"),
        ("plus", "C++"),
        ("nobody", ""),
    ]:
        names.add(robot, called)

    assert set(names.in_text(text)) == set(robots)


def test_without_robots_nobody_is_named() -> None:
    assert Names().in_text("@ada @") == ()

"""Messages are found by their words, whatever the script."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from bots.models import Robot
from conversations import searching
from conversations.models import Conversation, Message, MessageWords
from tests.support.factories import make_conversation, make_robot, say


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return make_conversation(robot)


def found(query: str) -> list[str]:
    searching.catch_up()
    texts = dict(Message.objects.values_list("pk", "text"))
    return [texts[pk] for pk in searching.found(query, most=20)]


@pytest.mark.parametrize(
    "text, query, is_found",
    [
        ("Where is my Parcel?", "parcel", True),
        ("Where is my parcel?", "WHERE PAR", True),  # a word by its beginning
        ("Where is my parcel?", "arcel", False),
        ("Where is my parcel?", "parcel refund", False),  # all of it
        ("Un café crème", "cafe", True),
        ("我想申请退款，谢谢", "退款", True),
        ("我想申请退款，谢谢", "申请退款", True),
        ("我想申请退款，谢谢", "退申", False),
        ("我想申请退款，谢谢", "谢", True),
        ("我想申請退款", "申请", True),  # traditional characters
        ("订单 A-20931 还没到", "a-20931", True),
        ("订单２０９３１还没到", "20931", True),  # wide digits
        ("It's 'quoted' & (odd) | \\ :*", "quoted odd", True),
    ],
)
def test_what_is_found(conversation: Conversation, text: str, query: str, is_found: bool) -> None:
    say(conversation, text)

    assert found(query) == ([text] if is_found else [])


@pytest.mark.parametrize("query", ["", "…", "'", "\\ & | ! :*", " "])
def test_nothing_to_look_for_finds_nothing(conversation: Conversation, query: str) -> None:
    say(conversation, "hello")

    assert found(query) == []


def test_changes_are_found_and_what_is_gone_is_not(conversation: Conversation) -> None:
    message = say(conversation, "first words")
    growing = say(conversation, "growing", sender=Message.Sender.ROBOT, state=Message.State.STREAMING)
    picture = say(conversation, "", kind=Message.Kind.FILE, extra={"name": "invoice.pdf"})
    assert found("growing") == []
    assert found("invoice") == [picture.text]

    Message.objects.filter(pk=message.pk).update(text="second thoughts")
    Message.objects.filter(pk=growing.pk).update(text="grown", state=Message.State.DELIVERED)
    assert (found("first"), found("second"), found("grown")) == ([], ["second thoughts"], ["grown"])

    message.delete()
    assert found("second") == []


def test_all_that_was_there_before_is_indexed_in_rounds(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "AT_ONCE", 2)
    for number in range(5):
        say(conversation, f"old {number}")
    with connection.cursor() as cursor:  # as before messages had numbers
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or the table may not be altered
        cursor.execute("ALTER TABLE conversations_message DISABLE TRIGGER note_change")
        Message.objects.update(change=0)
        cursor.execute("ALTER TABLE conversations_message ENABLE TRIGGER note_change")

    searching.catch_up()

    assert MessageWords.objects.count() == 5


@pytest.mark.parametrize("walk", [0, 2, 20])
def test_pages_follow_without_gap_however_found(
    conversation: Conversation, robot: Robot, monkeypatch: pytest.MonkeyPatch, walk: int
) -> None:
    monkeypatch.setattr(searching, "WALK", walk)
    other = make_conversation(make_robot(robot.account, robot.route, "bea"))
    said = [say(other if number % 3 == 0 else conversation, f"same words {number}").pk for number in range(9)]
    searching.catch_up()

    first = searching.found("same", most=4)
    second = searching.found("same", most=9, before=first[-1])

    assert first + second == said[::-1]
    within = Conversation.objects.filter(robot=other.robot_id)
    assert searching.found("same", most=9, within=within) == [said[6], said[3], said[0]]


def test_to_be_up_to_date_takes_two_queries(
    conversation: Conversation, django_assert_num_queries: Any
) -> None:
    say(conversation, "hello")
    with django_assert_num_queries(3):
        searching.bring_up_to_date()

    with django_assert_num_queries(2):
        searching.bring_up_to_date()


def pieces(text: str, query: str) -> str:
    return "".join(
        f"[{piece.text}]" if piece.is_hit else piece.text for piece in searching.excerpt(text, query)
    )


def test_an_excerpt_marks_what_was_looked_for() -> None:
    assert pieces("我想申請退款，谢谢", "退款 谢谢") == "我想申請[退款]，[谢谢]"
    assert pieces("Café, cafeteria, decaf", "cafe") == "[Café], [cafe]teria, decaf"
    long = pieces(f"{'x' * 100} needle {'y' * 200}", "needle")
    assert long.startswith("…x")
    assert long.endswith("y…")
    assert "[needle]" in long
    assert pieces("nothing of it", "else") == "nothing of it"

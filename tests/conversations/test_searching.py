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
    return [texts[pk] for pk in searching.found(query, most=20).ids]


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


def start_part() -> None:
    """Let the next message be the first of a part of its own, and have the part before stay empty."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval('conversations_message_id_seq', ((last_value >> %(bits)s) + 2 << %(bits)s) - 1)"
            "  FROM conversations_message_id_seq",
            {"bits": searching.PART_BITS},
        )


@pytest.fixture
def said(conversation: Conversation, robot: Robot) -> list[int]:
    """Messages of two conversations, the newest first, three to a part, with empty parts between."""
    other = make_conversation(make_robot(robot.account, robot.route, "bea"))
    ids = []
    for number in range(9):
        if number % 3 == 0:
            start_part()
        ids.append(say(other if number % 3 == 0 else conversation, f"same words {number}").pk)
    searching.catch_up()
    return ids[::-1]


def test_pages_follow_without_gap_over_all_parts(said: list[int]) -> None:
    first = searching.found("same", most=4)
    second = searching.found("same", most=5, before=first.before)

    assert first.ids + second.ids == said
    assert not first.is_cut
    assert second.before is None


@pytest.mark.parametrize("few", [{"FEW_CONVERSATIONS": 0}, {"FEW_MESSAGES": 2}, {}])
def test_some_conversations_are_searched_alike_however_many(
    said: list[int], robot: Robot, monkeypatch: pytest.MonkeyPatch, few: dict[str, int]
) -> None:
    for name, value in few.items():
        monkeypatch.setattr(searching, name, value)
    within = Conversation.objects.exclude(robot=robot)

    first = searching.found("same", most=2, within=within)
    second = searching.found("same", most=2, within=within, before=first.before)

    assert (first.ids, second.ids, second.before) == ([said[2], said[5]], [said[8]], None)
    assert searching.found("other", most=2, within=within).ids == []


def test_a_search_that_takes_long_says_how_far_it_looked_and_goes_on_from_there(
    said: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LOOK_S", 0)
    pages: list[tuple[list[int], bool]] = []
    before = None
    while not pages or before:
        page = searching.found("same", most=2, before=before)
        pages.append((page.ids, page.is_cut))
        before = page.before

    newest, second, third = said[:3], said[3:6], said[6:]
    assert pages == [
        (newest[:2], False), (newest[2:], True), ([], True),
        (second[:2], False), (second[2:], True), ([], True),
        (third[:2], False), (third[2:], False),
    ]  # fmt: skip


def test_what_is_sought_in_a_part_is_not_found_in_others(conversation: Conversation) -> None:
    start_part()
    say(conversation, "refund")
    start_part()
    say(conversation, "parcel")

    assert found("refund parcel") == []


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

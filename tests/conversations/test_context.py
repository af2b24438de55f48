"""What the model is shown, how it changes from turn to turn, and how the turn tells of it."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from bots.configuration.saving import save_robot
from bots.events import JSONDict
from bots.llms.scripted import Scripted
from bots.llms.tokens import estimate_tokens
from bots.models import LanguageModel, Robot, Tier
from conversations import context, ownership, turns
from conversations.models import Conversation, Fold, Message, Turn
from tests.conversations.conftest import Hear
from tests.support.factories import START, make_conversation, make_turn, say

pytestmark = pytest.mark.django_db(transaction=True)
SHARE = 0.9  # of a prompt that begins the next one, unless a block is folded


@pytest.fixture
def conversation(robot: Robot) -> Conversation:
    return make_conversation(robot)


def begin(conversation: Conversation, *questions: str, minute: int = 0) -> Turn:
    """A turn that has these questions to answer."""
    turn = make_turn(conversation, Turn.State.THINKING, started_at=timezone.now() + timedelta(minutes=minute))
    for question in questions:
        say(conversation, question, turn=turn, minute=minute)
    return turn


def finish(turn: Turn, *answers: str) -> None:
    for answer in answers:
        say(turn.conversation, answer, turn=turn, sender=Message.Sender.ROBOT, state=Message.State.DELIVERED)
    turn.state = Turn.State.DONE
    turn.save()


def shown(turn: Turn) -> list[str]:
    return [line.content for line in context.show(turn).prompt.messages if line.role != "system"]


def talk(conversation: Conversation, turns: int, *, words: int = 10) -> list[context.Shown]:
    """A question and an answer, so many times; → what the model was shown each time."""
    told = []
    for number in range(turns):
        turn = begin(conversation, f"question {number} " + "why " * words, minute=number)
        told.append(context.show(turn))
        finish(turn, f"answer {number} " + "so " * words)
    return told


def text(told: context.Shown) -> str:
    return json.dumps([[line.role, line.content] for line in told.prompt.messages])


def shared(one: str, other: str) -> int:
    """How many characters they have in common from the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def test_the_robot_knows_what_it_was_told_when_it_was_handed_back(conversation: Conversation) -> None:
    ownership.take_over(conversation, by="desk")
    ownership.hand_back(conversation, instruction="Do not offer a voucher.")

    [system, *_] = context.show(begin(conversation, "What now?")).prompt.messages

    assert system.content.startswith("You are Ada.")
    assert system.content.endswith("hands over to you with these words: Do not offer a voucher.")
    ownership.take_over(conversation, by="desk")
    ownership.hand_back(conversation)
    assert conversation.instruction == ""


def test_each_turn_names_the_version_of_the_persona(hear: Hear, robot: Robot) -> None:
    for number, persona in enumerate(("You are Ada.", "You are Bea."), start=1):
        robot.persona = persona
        save_robot(robot)
        turns.answer(hear("hello", id_=str(number)).pk)

    named = [turn.persona and turn.persona.number for turn in Turn.objects.order_by("id")]
    assert named == [1, 2]


PICTURE = "https://cos.example/a.png?sign=1"


@pytest.mark.parametrize("takes_images, shown", [(True, (PICTURE,)), (False, ())])
def test_a_picture_is_shown_to_models_that_take_it(
    hear: Hear, model: LanguageModel, takes_images: bool, shown: tuple[str, ...]
) -> None:
    LanguageModel.objects.update(takes_images=takes_images)
    conversation = hear("", "What is it?")
    Message.objects.filter(text="").update(kind=Message.Kind.IMAGE, extra={"url": PICTURE})

    turns.answer(conversation.pk)

    asked = Scripted.requests[-1].prompt.messages[-1]
    assert (asked.content, asked.images) == ("[image]\nWhat is it?", shown)


def test_a_picture_is_shown_once(hear: Hear, model: LanguageModel) -> None:
    LanguageModel.objects.update(takes_images=True)
    conversation = hear("")
    Message.objects.filter(text="").update(kind=Message.Kind.IMAGE, extra={"url": PICTURE})
    turns.answer(conversation.pk)

    turns.answer(hear("Thanks", id_="2").pk)

    assert [message.images for message in Scripted.requests[-1].prompt.messages if message.images] == []


@pytest.mark.parametrize("extra", [{}, {"url": 5}, {"url": "javascript:alert(1)"}])
def test_a_picture_without_an_address_is_only_told_of(
    hear: Hear, model: LanguageModel, extra: JSONDict
) -> None:
    LanguageModel.objects.update(takes_images=True)
    conversation = hear("")
    Message.objects.filter(text="").update(kind=Message.Kind.IMAGE, extra=extra)

    turns.answer(conversation.pk)

    asked = Scripted.requests[-1].prompt.messages[-1]
    assert (asked.content, asked.images) == ("[image]", ())


# Blocks


@pytest.mark.parametrize("limits", [
    {"history_messages": 20, "history_block": 10},
    {"history_messages": 20, "history_block": 4},
    {"history_messages": 200, "history_tokens": 400, "history_block": 100},
])  # fmt: skip
def test_a_prompt_begins_as_the_one_before_unless_a_block_is_folded(
    conversation: Conversation, limits: dict[str, int]
) -> None:
    vars(conversation.robot).update(limits)

    told = talk(conversation, 60)

    folds = 0
    for before, after in pairwise(told):
        if before.plan["dropped"] == after.plan["dropped"]:
            assert shared(text(before), text(after)) >= SHARE * len(text(before))
        else:
            folds += 1
    assert folds == Fold.objects.count()
    assert 3 <= folds <= 30


@pytest.mark.parametrize("seed", range(5))
def test_no_prompt_is_over_a_limit_and_none_forgets_the_middle(conversation: Conversation, seed: int) -> None:
    dice = random.Random(seed)
    robot = conversation.robot
    robot.history_messages, robot.history_tokens = dice.randint(1, 30), dice.randint(1, 300)
    robot.history_block = dice.randint(1, 40)
    for number in range(15):
        turn = begin(
            conversation, *("word " * dice.randint(1, 60) for _ in range(dice.randint(1, 4))), minute=number
        )
        told = context.show(turn)
        questions = list(turn.messages.values_list("text", flat=True))
        lines = [line.content for line in told.prompt.messages if line.role != "system"]
        history = sum(map(estimate_tokens, lines)) - sum(map(estimate_tokens, questions))
        assert history <= robot.history_tokens + len(lines)  # neighbours are joined by a line break
        assert told.plan["kept"]["messages"] <= robot.history_messages
        assert told.plan["kept"]["tokens"] <= robot.history_tokens
        earlier = conversation.messages.exclude(turn=turn).count()
        assert told.plan["dropped"]["messages"] + told.plan["kept"]["messages"] == earlier
        finish(turn, *("reply " * dice.randint(1, 60) for _ in range(dice.randint(1, 3))))


def test_what_is_folded_makes_room_for_a_block(conversation: Conversation) -> None:
    robot = conversation.robot
    robot.history_messages, robot.history_block = 6, 4

    told = talk(conversation, 6)

    kept = [each.plan["kept"]["messages"] for each in told]
    assert kept == [0, 2, 4, 6, 2, 4]
    assert [each.plan["dropped"]["messages"] for each in told] == [0, 0, 0, 0, 6, 6]


def test_a_turn_is_not_torn(conversation: Conversation) -> None:
    robot = conversation.robot
    robot.history_messages, robot.history_block = 4, 1
    turn = begin(conversation, "one", "two")
    finish(turn, "three", "four")
    finish(begin(conversation, "five", minute=1))

    assert shown(begin(conversation, "six", minute=2)) == ["five\nsix"]


def test_what_was_stored_while_an_answer_was_sent_is_folded_after_it(conversation: Conversation) -> None:
    conversation.robot.history_messages, conversation.robot.history_block = 3, 1
    first = begin(conversation, "one")
    late = say(conversation, "two", minute=1)
    finish(first, "first half", "second half")
    second = begin(conversation, minute=1)
    second.messages.add(late)
    assert shown(second) == ["one", "first half\nsecond half", "two"]
    finish(second, "three")

    assert shown(begin(conversation, "four", minute=2)) == ["four"]


def test_without_history_nothing_is_read_or_folded(
    conversation: Conversation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    talk(conversation, 3)
    conversation.robot.history_messages = 0
    turn = begin(conversation, "hello", minute=9)

    with django_assert_num_queries(1):
        assert shown(turn) == ["hello"]


def test_a_prompt_takes_three_queries_and_one_where_a_block_is_folded(
    conversation: Conversation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    talk(conversation, 10)
    turn = begin(conversation, "hello", minute=10)
    with django_assert_num_queries(3):
        context.show(turn)
    finish(turn, "hi")
    next_turn = begin(conversation, "again", minute=11)
    with django_assert_num_queries(4):
        context.show(next_turn)


def test_the_plan_is_kept_with_the_turn(hear: Hear) -> None:
    turns.answer(hear("hello").pk)
    turns.answer(hear("again", id_="2").pk)

    assert Turn.objects.latest("id").context == {
        "system": {"tokens": 3},
        "kept": {"messages": 2, "tokens": 6},
        "summarised": {"messages": 0, "tokens": 0, "summary_tokens": 0},
        "dropped": {"messages": 0, "tokens": 0},
        "is_behind": False,
        "asked": {"messages": 1, "tokens": 2},
        "limit": {"messages": 20, "tokens": 4000},
    }


def test_the_plan_is_shown_beside_the_turn(conversation: Conversation, admin_client: Client) -> None:
    conversation.robot.history_messages, conversation.robot.history_block = 4, 2
    talk(conversation, 3)
    turn = begin(conversation, "hello", minute=9)
    turn.context = context.show(turn).plan
    turn.save()

    page = admin_client.get(reverse("admin:conversations_conversation_change", args=[conversation.pk]))

    told = page.content.decode()
    assert "asked: 1 messages, ≈ 2 tokens" in told
    assert "history: 2 messages" in told
    assert "left out: 4 messages" in told


def test_an_operators_words_are_marked(conversation: Conversation) -> None:
    say(conversation, "hello")
    Message.objects.update(turn=make_turn(conversation))
    say(conversation, "I am Eve.", sender=Message.Sender.OPERATOR, state=Message.State.DELIVERED)

    told = context.show(begin(conversation, "who are you?"))

    assert [(line.role, line.content) for line in told.prompt.messages] == [
        ("system", "You are Ada."),
        ("user", "hello"),
        ("assistant", "[written by a human colleague] I am Eve."),
        ("user", "who are you?"),
    ]


# Variables


def test_variables_stand_for_what_is_known(conversation: Conversation) -> None:
    conversation.robot.persona = (
        "{robot}|{user_id}|{group_id}|{tier}|{date}|{weekday}|{hour}|{{tier}} {x: 1} {}"
    )
    turn = begin(conversation, "hello")
    turn.tier = Tier(slug="vip")
    turn.started_at = datetime(2026, 11, 21, 9, 41, 7, tzinfo=UTC)

    with timezone.override("Asia/Shanghai"):
        about = context.show(turn).prompt.messages[0].content

    assert about == "Ada|alice||vip|2026-11-21|Saturday|17:00–17:59|{{tier}} {x: 1} {}"


def test_in_a_group_there_is_no_one_user(robot: Robot) -> None:
    robot.persona = "{user_id}|{group_id}|"
    club = make_conversation(robot, "club", kind=Conversation.Kind.GROUP)

    assert context.about_robot(begin(club, "hello")).startswith("|club|\n\nThis is a group chat")


def test_the_time_changes_no_prompt_before_its_hour_is_over(conversation: Conversation) -> None:
    conversation.robot.persona = "{date} {hour}"
    turn = begin(conversation, "hello")
    told = []
    for second in (0, 3599, 3600):
        turn.started_at = START + timedelta(seconds=second)
        told.append(context.about_robot(turn))

    assert told[0] == told[1] != told[2]

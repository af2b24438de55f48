"""A user writes, a robot answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, asked, words

BOTH_CALLBACKS = ["Bot.OnC2CMessage", "C2C.CallbackAfterSendMsg"]


def test_an_answer_streams_in(parley: Parley, sandbox: Sandbox) -> None:
    text = words(40)
    sandbox.model.script(text, match="Stream", first_token_s=0.8, chunk_delay_s=0.15)

    reply = parley.user().ask("Stream, please")

    shown = [frame.text for frame in reply.frames]
    assert (shown[0], shown[-1], reply.kind) == ("", text, "reply")
    assert len(shown) >= 4
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    assert [frame.is_finished for frame in reply.frames] == [False] * (len(shown) - 1) + [True]


def test_the_first_frame_does_not_wait_for_the_model(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script("At last.", match="Slow", first_token_s=1.5)

    reply = parley.user().ask("Slow one")

    [request] = asked(sandbox, "Slow")
    assert reply.frames[0].at < request["at"] + 0.5
    assert reply.frames[1].at > request["at"] + 1.5


def test_a_robot_that_does_not_stream_sends_one_plain_text(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script("All of it.", match="Whole", chunk_chars=3, chunk_delay_s=0.1)

    reply = parley.user("whole").ask("Whole, please")

    assert (reply.kind, reply.text, len(reply.frames)) == ("text", "All of it.", 1)


def test_the_model_is_shown_persona_and_history(parley: Parley, sandbox: Sandbox) -> None:
    user = parley.user()
    first = user.ask("My name is Bo.")

    user.ask("What is my name?")

    [request] = asked(sandbox, "What is my name?")
    assert [(line["role"], line["content"]) for line in request["body"]["messages"]] == [
        ("system", "You are Ada."),
        ("user", "My name is Bo."),
        ("assistant", first.text),
        ("user", "What is my name?"),
    ]


@pytest.mark.parametrize("kind, shown", [
    ("image", "[image]"),
    ("voice", "[voice message]"),
    ("file", "[file]"),
    ("custom", "[custom message]"),
])  # fmt: skip
def test_other_things_than_text_are_answered_too(parley: Parley, kind: str, shown: str) -> None:
    reply = parley.user().ask(**{kind: "https://example.com/thing"})

    assert reply.text == f"(You are Ada.) You said: {shown}"


def test_two_callbacks_that_tell_of_the_same_message_give_one_answer(
    parley: Parley, sandbox: Sandbox
) -> None:
    user = parley.user()

    with parley.app.changed(callbacks=BOTH_CALLBACKS):
        reply = user.ask("Twice told")

    parley.until_settled()
    told = {each["command"] for each in sandbox.callbacks(app=parley.app.id) if user.id in str(each["body"])}
    assert told == set(BOTH_CALLBACKS)
    assert user.replies() == [reply]


def test_a_callback_sent_five_times_at_once_gives_one_answer(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.faults(callbacks={"duplicate": 5})
    user = parley.user()

    reply = user.ask("Five times told")

    parley.until_settled()
    told = [each for each in parley.callbacks() if each["body"]["From_Account"] == user.id]
    assert [each["status"] for each in told] == [200] * 5
    assert all(each["answer"] == told[0]["answer"] for each in told)
    assert user.replies() == [reply]
    assert len(asked(sandbox, "Five times told")) == 1


def test_a_callback_repeated_long_after_its_answer_changes_nothing(parley: Parley, sandbox: Sandbox) -> None:
    user = parley.user()
    reply = user.ask("Once")
    [told] = [each for each in parley.callbacks() if each["body"]["From_Account"] == user.id]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(parley.post_callback, [told["body"]] * 8))

    parley.until_settled()
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert answers[0].json() == told["answer"]
    assert user.replies() == [reply]


def test_a_burst_gets_one_answer(parley: Parley, sandbox: Sandbox) -> None:
    user = parley.user("patient")

    keys = [user.write(f"Part {number} of five.") for number in range(1, 6)]
    reply = user.wait_for_reply(after=keys[-1])

    parley.until_settled()
    assert user.replies() == [reply]
    assert all(f"Part {number} of five." in reply.text for number in range(1, 6))


def test_a_burst_is_read_in_the_order_in_which_it_was_written(parley: Parley, sandbox: Sandbox) -> None:
    user = parley.user("patient")
    keys = []
    for number in range(1, 6):
        sandbox.faults(callbacks={"delay_s": 0.5 - number * 0.1})  # the last is brought first
        keys.append(user.write(f"Step {number}."))

    user.wait_for_reply(after=keys[-1])

    [request] = asked(sandbox, "Step 1.")
    brought = [
        each["body"]["MsgKey"] for each in parley.callbacks() if each["body"]["From_Account"] == user.id
    ]
    assert brought == keys[::-1]
    assert request["body"]["messages"][-1]["content"] == "\n".join(f"Step {n}." for n in range(1, 6))


def test_what_is_written_during_an_answer_is_answered_next(parley: Parley, sandbox: Sandbox) -> None:
    user = parley.user()
    sandbox.model.script(words(20), match="First", chunk_delay_s=0.1)
    user.write("First question")
    user.wait_until_shown("word1")

    key = user.write("Second question")

    first, second = parley.app.wait_for_reply(user.id, user.robot, count=2)
    assert key not in {first.key, second.key}
    assert first.text == words(20)
    assert second.text == "(You are Ada.) You said: Second question"


@pytest.mark.parametrize("count", [2, 10])
def test_conversations_are_answered_side_by_side(parley: Parley, sandbox: Sandbox, count: int) -> None:
    sandbox.model.script("Done.", match="Meanwhile", times=0, first_token_s=3.0)
    users = [parley.user() for _ in range(count)]

    for user in users:
        user.write("Meanwhile")
    replies = [user.wait_for_reply() for user in users]

    requests = asked(sandbox, "Meanwhile")
    assert [reply.text for reply in replies] == ["Done."] * count
    assert len(requests) == count
    assert max(each["at"] for each in requests) < min(each["ended_at"] for each in requests)


@pytest.mark.parametrize("robot", ["ada", "whole"])
@pytest.mark.parametrize("line", ["春眠不觉晓，处处闻啼鸟。", "😀👩‍👩‍👧‍👦🇨🇳", '"quoted"\\\n\t'])
def test_a_long_answer_arrives_whole_in_several_messages(
    parley: Parley, sandbox: Sandbox, robot: str, line: str
) -> None:
    text = (line * 2000)[:9000] + "The end."
    sandbox.model.script(text, match="Everything", chunk_chars=500)
    user = parley.user(robot)

    user.write("Everything, please")
    user.wait_until(lambda said: bool(said) and said[-1].text.endswith("The end."))

    parley.until_settled()
    replies = user.replies()
    assert "".join(reply.text for reply in replies) == text
    assert len(replies) > 1
    assert all(reply.is_finished for reply in replies)

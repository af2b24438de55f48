"""The rules of the chatbot protocol: cloud.tencent.com/document/product/269/122035."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.tencent import chatbot as protocol
from sandbox.world import Frame, Message
from tests.sandbox.conftest import JSONDict, chatbot, text


def message(*bodies: list[JSONDict], sent_at: float = 0.0, sequence: int = 1) -> Message:
    """A robot's message whose frames came two seconds apart, the last at second 0."""
    count = len(bodies)
    frames = [
        Frame(at=2.0 * (number + 1 - count), body=body, rendered=protocol.render(body))
        for number, body in enumerate(bodies)
    ]
    return Message(
        vendor="tencent",
        app="1",
        key="1_1_1",
        sender="@RBT#ada",
        recipient="alice",
        sent_at=sent_at,
        frames=frames,
        extra={"MsgSeq": sequence},
    )


def rules_of_edit(before: Message, body: list[JSONDict], at: float = 2.0) -> set[str]:
    return {rule for rule, _ in protocol.violations_of_edit(before, body, at)}


def rules_of_message(body: list[JSONDict], **request: Any) -> set[str]:
    whole = {"MsgBody": body, "OfflinePushInfo": {"Desc": "news"}} | request
    return {rule for rule, _ in protocol.violations_of_message(whole)}


def test_a_good_message_has_no_violation() -> None:
    assert rules_of_message(chatbot("", is_finished=0)) == set()
    assert rules_of_message(chatbot("", src=23, errorInfo="sorry")) == set()
    assert rules_of_message(text("plain")) == set()


@pytest.mark.parametrize(
    "body,rule",
    [
        (chatbot("", chatbotPlugin="2"), "plugin_not_number"),
        (chatbot("", chatbotPlugin=True), "plugin_not_number"),
        (chatbot("", chunks="text"), "chunks_not_strings"),
        (chatbot("", chunks=["a", 1]), "chunks_not_strings"),
        (chatbot("", is_finished=True), "is_finished_wrong"),
        (chatbot("", is_finished="1"), "is_finished_wrong"),
        (chatbot("", description=""), "desc_missing"),
        (chatbot("", src=23), "error_info_missing"),
        (chatbot("", src=7), "src_unknown"),
    ],
)
def test_wrong_bodies(body: list[JSONDict], rule: str) -> None:
    assert rules_of_message(body) == {rule}


@pytest.mark.parametrize(
    "request_,rule",
    [({"SendMsgControl": ["NoLastMsg"]}, "no_last_msg"), ({"OfflinePushInfo": {}}, "push_text_missing")],
)
def test_wrong_options(request_: JSONDict, rule: str) -> None:
    assert rules_of_message(chatbot(""), **request_) == {rule}


def test_a_good_edit_has_no_violation() -> None:
    before = message(chatbot("", is_finished=0), chatbot("He", is_finished=0))
    assert rules_of_edit(before, chatbot("Hello")) == set()


def test_text_only_grows() -> None:
    before = message(chatbot("Hello", is_finished=0))
    assert rules_of_edit(before, chatbot("Hallo")) == {"not_append_only"}


def test_the_split_into_chunks_is_free() -> None:
    before = message(chatbot("Hello", is_finished=0))
    assert rules_of_edit(before, chatbot("", chunks=["Hel", "lo", " you"])) == set()


def test_edits_are_a_second_apart() -> None:
    before = message(chatbot("", is_finished=0), chatbot("He", is_finished=0))
    assert rules_of_edit(before, chatbot("Hello"), at=0.5) == {"edit_too_fast"}
    assert rules_of_edit(before, chatbot("Hello"), at=0.95) == set()


def test_the_first_edit_may_follow_at_once() -> None:
    assert rules_of_edit(message(chatbot("", is_finished=0)), chatbot("He"), at=0.1) == set()


def test_nothing_follows_the_end() -> None:
    assert rules_of_edit(message(chatbot("Hello")), chatbot("Hello you")) == {"frame_after_finish"}


def test_a_repeated_frame_is_harmless() -> None:
    before = message(chatbot("", is_finished=0), chatbot("Hello"))
    assert rules_of_edit(before, chatbot("Hello"), at=0.1) == set()


@pytest.mark.parametrize(
    "sent_at,sequence,rules",
    [(10.9, 6, set()), (10.9, 5, {"shown_out_of_order"}), (11.0, 1, set())],
)
def test_numbers_rise_within_a_second(sent_at: float, sequence: int, rules: set[str]) -> None:
    before = message(text("one"), sent_at=10.1, sequence=5)
    after = message(text("two"), sent_at=sent_at, sequence=sequence)
    assert {rule for rule, _ in protocol.violations_of_order(after, [before])} == rules


@pytest.mark.parametrize(
    "body,kind,words,is_finished",
    [
        (chatbot("Hi", chunks=["Hi", " you"], is_finished=0), "reply", "Hi you", False),
        (chatbot("Hi"), "reply", "Hi", True),
        (chatbot("", src=23, errorInfo="sorry"), "error", "sorry", True),
        (chatbot("", src=22, msgKey="1_2_3"), "interrupt", "1_2_3", True),
        (chatbot("Hi", chatbotPlugin="2", description="Hi"), "custom", "Hi", True),
        (text("Hi"), "text", "Hi", True),
    ],
)
def test_what_clients_show(body: list[JSONDict], kind: str, words: str, is_finished: bool) -> None:
    shown = protocol.render(body)
    assert (shown.kind, shown.text, shown.is_finished) == (kind, words, is_finished)


def test_without_a_word_about_the_end_clients_wait() -> None:
    body = [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": '{"chatbotPlugin":2,"src":2,"chunks":[]}'}}]
    assert not protocol.render(body).is_finished

"""Our client against the simulated cloud, which was written from the vendor's pages on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bots.errors import MessageEnded, MessageGone, VendorRefused, VendorUnreachable
from bots.events import Address, OutgoingMessage, RobotProfile
from bots.keys import new_key
from bots.vendors.config import read_config
from bots.vendors.tencent import Tencent, TencentConfig
from sandbox.driver import Group, Sandbox, TencentApp
from tests.bots.vendors.cases import closing

ADA = RobotProfile(user_id="@RBT#ada", nickname="Ada", avatar_url="https://example.org/ada.png")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def app(sandbox: Sandbox) -> Iterator[TencentApp]:
    app = sandbox.register_app()
    yield app
    sandbox.faults()
    assert sandbox.violations(app.id) == []


@pytest.fixture
def tencent(app: TencentApp) -> Iterator[Tencent]:
    """With Ada, to whom Alice has written."""
    with closing(Tencent(read_config(TencentConfig, app.config()))) as vendor:
        vendor.register(ADA)
        app.send("alice", ADA.user_id, "hello")
        yield vendor


def message(text: str, **fields: Any) -> OutgoingMessage:
    alice = Address(kind="peer", id="alice")
    defaults = {"robot_id": ADA.user_id, "conversation": alice, "key": new_key(), "is_stream": True}
    return OutgoingMessage(**{**defaults, "is_finished": False, **fields}, text=text)


def test_robot_is_registered_again_and_again(tencent: Tencent, app: TencentApp) -> None:
    tencent.register(RobotProfile(user_id=ADA.user_id, nickname="Ada Lovelace"))

    (robot,) = app.robots()
    assert (robot["user_id"], robot["nickname"]) == ("@RBT#ada", "Ada Lovelace")


def test_answer_in_one_frame(tencent: Tencent, app: TencentApp) -> None:
    tencent.send(message("Hello, 世界 😀", is_finished=True))

    (reply,) = app.replies("alice", ADA.user_id)
    assert (reply.kind, reply.text, reply.is_finished) == ("reply", "Hello, 世界 😀", True)


def test_answer_that_grows(tencent: Tencent, app: TencentApp, sandbox: Sandbox) -> None:
    first = message("")
    receipt = tencent.send(first)
    sandbox.set_clock(2)  # frames may follow one another once a second
    whole = message("Hello", key=first.key, is_finished=True, vendor_message_id=receipt.vendor_message_id)
    tencent.edit(whole)
    sandbox.set_clock(0)

    (reply,) = app.replies("alice", ADA.user_id)
    assert [frame.text for frame in reply.frames] == ["", "Hello"]
    assert reply.is_finished


def test_failure(tencent: Tencent, app: TencentApp) -> None:
    tencent.send(message("Sorry", is_error=True, is_finished=True))

    (reply,) = app.replies("alice", ADA.user_id)
    assert (reply.kind, reply.text) == ("error", "Sorry")


def test_repeat_is_shown_once(tencent: Tencent, app: TencentApp) -> None:
    twice = message("Hello", is_finished=True)

    assert tencent.send(twice) == tencent.send(twice)
    assert len(app.replies("alice", ADA.user_id)) == 1


def test_send_whose_answer_was_lost_is_found(tencent: Tencent, app: TencentApp, sandbox: Sandbox) -> None:
    lost = message("Hello", is_finished=True)
    sandbox.faults(api={"fail_after": 1})
    with pytest.raises(VendorUnreachable):
        tencent.send(lost)
    sandbox.faults()
    found = tencent.find_sent(lost)

    (reply,) = app.replies("alice", ADA.user_id)
    assert found is not None
    assert found.vendor_message_id == reply.key
    assert tencent.find_sent(message("Hello")) is None


def test_message_is_found_behind_many_pages(tencent: Tencent, app: TencentApp) -> None:
    first = message("first", is_finished=True)
    receipt = tencent.send(first)
    for _ in range(15):
        tencent.send(message("x" * 3000, is_finished=True))

    assert tencent.find_sent(first) == receipt


def test_messages_of_one_second_keep_their_order(tencent: Tencent, app: TencentApp) -> None:
    for number in range(10):
        tencent.send(message(str(number), is_finished=True))

    assert [reply.text for reply in app.replies("alice", ADA.user_id)] == list("0123456789")


def test_recall(tencent: Tencent, app: TencentApp) -> None:
    sent = message("Hello", is_finished=True)
    receipt = tencent.send(sent)
    regretted = message("Hello", key=sent.key, vendor_message_id=receipt.vendor_message_id)
    tencent.recall(regretted)
    tencent.recall(regretted)

    reply = app.messages("alice", ADA.user_id)[-1]
    assert (reply.key, reply.is_recalled) == (receipt.vendor_message_id, True)


def test_edit_of_what_was_never_sent(tencent: Tencent) -> None:
    with pytest.raises(MessageGone):
        tencent.edit(message("Hello", vendor_message_id="1_2_3"))


@pytest.fixture
def group(tencent: Tencent, app: TencentApp) -> Group:
    return app.group("alice", "bob", ADA.user_id)


def in_group(group: Group, text: str, **fields: Any) -> OutgoingMessage:
    return message(text, conversation=Address(kind="group", id=group.id), **fields)


def test_answer_that_grows_in_a_group(tencent: Tencent, group: Group, sandbox: Sandbox) -> None:
    first = in_group(group, "", mentions=("alice",))
    receipt = tencent.send(first)
    sandbox.set_clock(2)
    whole = in_group(
        group, "Hello", key=first.key, is_finished=True, vendor_message_id=receipt.vendor_message_id
    )
    tencent.edit(whole)
    sandbox.set_clock(0)

    (reply,) = group.replies(ADA.user_id)
    assert [frame.text for frame in reply.frames] == ["", "Hello"]
    assert reply.is_finished


def test_repeat_is_shown_once_in_a_group(tencent: Tencent, group: Group) -> None:
    twice = in_group(group, "Hello", is_finished=True)

    assert tencent.send(twice) == tencent.send(twice)
    assert len(group.replies(ADA.user_id)) == 1


def test_message_in_a_group_is_found_behind_many_others(tencent: Tencent, group: Group) -> None:
    first = in_group(group, "first", is_finished=True)
    receipt = tencent.send(first)
    for number in range(45):
        group.send("bob", str(number))

    assert tencent.find_sent(first) == receipt
    assert tencent.find_sent(in_group(group, "never")) is None


def test_recall_in_a_group(tencent: Tencent, group: Group) -> None:
    sent = in_group(group, "Hello", is_finished=True)
    receipt = tencent.send(sent)
    regretted = in_group(group, "Hello", key=sent.key, vendor_message_id=receipt.vendor_message_id)
    tencent.recall(regretted)
    tencent.recall(regretted)

    (reply,) = group.messages()
    assert reply.is_recalled


def test_message_to_a_group_that_does_not_exist(tencent: Tencent) -> None:
    with pytest.raises(VendorRefused, match="there is no such group"):
        tencent.send(message("Hello", conversation=Address(kind="group", id="nobody")))


@pytest.fixture
def streaming(app: TencentApp) -> Iterator[Tencent]:
    config = read_config(TencentConfig, app.config() | {"transport": "stream"})
    with closing(Tencent(config)) as vendor:
        vendor.register(ADA)
        app.send("alice", ADA.user_id, "hello")
        yield vendor


def test_answer_grows_as_a_stream(streaming: Tencent, app: TencentApp) -> None:
    first = message("Hello")
    receipt = streaming.send(first)
    sent = replace(first, vendor_message_id=receipt.vendor_message_id)

    streaming.edit(replace(sent, text="Hello, 世界", shown="Hello", frame=1))
    streaming.edit(replace(sent, text="Hello, 世界 😀", shown="Hello, 世界", frame=2, is_finished=True))

    (reply,) = app.replies("alice", ADA.user_id)
    assert [frame.text for frame in reply.frames] == ["Hello", "Hello, 世界", "Hello, 世界 😀"]
    assert [frame.is_finished for frame in reply.frames] == [False, False, True]
    assert streaming.find_sent(first) == receipt
    with pytest.raises(MessageEnded):
        streaming.edit(replace(sent, text="Hello, 世界 😀!", shown="Hello, 世界 😀", frame=3))
    streaming.recall(sent)
    assert app.replies("alice", ADA.user_id) == []


def test_stream_that_pauses_too_long_has_ended(streaming: Tencent, app: TencentApp) -> None:
    app.change(stream_gap_s=0.0)
    first = message("Hello")
    sent = replace(first, vendor_message_id=streaming.send(first).vendor_message_id)

    with pytest.raises(MessageEnded):
        streaming.edit(replace(sent, text="Hello you", shown="Hello", frame=1))

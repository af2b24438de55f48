"""Our client against the simulated cloud, which was written from the vendor's pages on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bots.errors import MessageEnded, MessageGone, VendorRefused
from bots.events import Address, OutgoingMessage, RobotProfile
from bots.keys import new_key
from bots.vendors.config import read_config
from bots.vendors.tencent import Tencent, TencentConfig
from sandbox.driver import Sandbox, TencentApp
from tests.bots.vendors.cases import closing

ADA = RobotProfile(user_id="@RBT#ada", nickname="Ada", avatar_url="https://example.org/ada.png")


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


def test_answer_in_one_frame(tencent: Tencent, app: TencentApp) -> None:
    tencent.send(message("Hello, 世界 😀", is_finished=True))

    (reply,) = app.replies("alice", ADA.user_id)
    assert (reply.kind, reply.text, reply.is_finished) == ("reply", "Hello, 世界 😀", True)


def test_failure(tencent: Tencent, app: TencentApp) -> None:
    tencent.send(message("Sorry", is_error=True, is_finished=True))

    (reply,) = app.replies("alice", ADA.user_id)
    assert (reply.kind, reply.text) == ("error", "Sorry")


def test_messages_of_one_second_keep_their_order(tencent: Tencent, app: TencentApp) -> None:
    for number in range(10):
        tencent.send(message(str(number), is_finished=True))

    assert [reply.text for reply in app.replies("alice", ADA.user_id)] == list("0123456789")


def test_edit_of_what_was_never_sent(tencent: Tencent) -> None:
    with pytest.raises(MessageGone):
        tencent.edit(message("Hello", vendor_message_id="1_2_3"))


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


def test_strangers_become_friends_where_the_app_wants_it(tencent: Tencent, app: TencentApp) -> None:
    app.change(friends_only=True)

    tencent.send(message("Hello", is_finished=True))

    (reply,) = app.replies("alice", ADA.user_id)
    assert reply.text == "Hello"


def test_strangers_stay_strangers(app: TencentApp) -> None:
    app.change(friends_only=True)
    config = read_config(TencentConfig, app.config() | {"befriend": "never"})
    with closing(Tencent(config)) as vendor:
        vendor.register(ADA)
        app.send("alice", ADA.user_id, "hello")

        with pytest.raises(VendorRefused, match="befriend"):
            vendor.send(message("Hello", is_finished=True))

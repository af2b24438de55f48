"""Our client against the simulated cloud, which was written from the vendor's pages on its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bots.errors import EditingUnavailable, MessageGone, VendorRefused
from bots.events import Address, OutgoingMessage, RobotProfile
from bots.keys import new_key
from bots.vendors.config import read_config
from bots.vendors.zego import Zego, ZegoConfig
from sandbox.driver import Group, Sandbox, ZegoApp
from tests.bots.vendors.cases import closing

ADA = RobotProfile(user_id="@RBT#ada", nickname="Ada", avatar_url="https://example.org/ada.png")


@pytest.fixture
def app(sandbox: Sandbox) -> Iterator[ZegoApp]:
    app = sandbox.register_app_of(ZegoApp)
    yield app
    sandbox.faults()
    assert sandbox.violations(app.id) == []


@pytest.fixture
def zego(app: ZegoApp) -> Iterator[Zego]:
    """With Ada, to whom Alice has written."""
    with closing(Zego(read_config(ZegoConfig, app.config()))) as vendor:
        vendor.register(ADA)
        app.send("alice", ADA.user_id, "hello")
        yield vendor


def message(text: str, **fields: Any) -> OutgoingMessage:
    alice = Address(kind="peer", id="alice")
    defaults = {"robot_id": ADA.user_id, "conversation": alice, "key": new_key(), "is_stream": True}
    return OutgoingMessage(**{**defaults, "is_finished": False, **fields}, text=text)


def test_answer_that_grows(zego: Zego, app: ZegoApp) -> None:
    first = message("")
    receipt = zego.send(first)
    for text, is_finished in (("Hello", False), ("Hello, 世界 😀", True)):
        sent = receipt.vendor_message_id
        zego.edit(message(text, key=first.key, is_finished=is_finished, vendor_message_id=sent))

    (reply,) = app.replies("alice", ADA.user_id)
    assert [frame.text for frame in reply.frames] == ["…", "Hello", "Hello, 世界 😀"]
    assert [frame.is_finished for frame in reply.frames] == [False, False, True]


def test_recalled_message_is_gone(zego: Zego, app: ZegoApp) -> None:
    sent = message("oops")
    receipt = zego.send(sent)
    recalled = message("oops", key=sent.key, vendor_message_id=receipt.vendor_message_id)
    zego.recall(recalled)
    zego.recall(recalled)

    assert app.replies("alice", ADA.user_id) == []
    with pytest.raises(MessageGone):
        zego.edit(recalled)


def test_plan_without_editing(zego: Zego, app: ZegoApp) -> None:
    app.change(can_edit=False)
    receipt = zego.send(message(""))

    with pytest.raises(EditingUnavailable):
        zego.edit(message("Hello", vendor_message_id=receipt.vendor_message_id))


@pytest.fixture
def group(zego: Zego, app: ZegoApp) -> Group:
    return app.group("alice", "bob", ADA.user_id)


def in_group(group: Group, text: str, **fields: Any) -> OutgoingMessage:
    return message(text, conversation=Address(kind="group", id=group.id), **fields)


def test_answer_that_grows_in_a_group(zego: Zego, group: Group) -> None:
    first = in_group(group, "")
    sent = zego.send(first).vendor_message_id
    zego.edit(in_group(group, "Hello", key=first.key, is_finished=True, vendor_message_id=sent))

    (reply,) = group.replies(ADA.user_id)
    assert [(frame.text, frame.is_finished) for frame in reply.frames] == [("…", False), ("Hello", True)]


def test_robot_that_is_not_in_the_group(zego: Zego, app: ZegoApp) -> None:
    with pytest.raises(VendorRefused, match="the robot is not in the group"):
        zego.send(in_group(app.group("alice", "bob"), "hello"))

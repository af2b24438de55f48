"""Our client against the simulated cloud, which was written from the vendor's pages on its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bots.errors import EditingUnavailable, MessageGone, VendorBusy, VendorRefused, VendorUnreachable
from bots.events import Address, OutgoingMessage, RobotProfile
from bots.keys import new_key
from bots.vendors.config import read_config
from bots.vendors.zego import Zego, ZegoConfig
from sandbox.driver import Group, Sandbox, ZegoApp
from tests.bots.vendors.cases import closing

ADA = RobotProfile(user_id="@RBT#ada", nickname="Ada", avatar_url="https://example.org/ada.png")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


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


def test_robot_is_registered_again_and_again(zego: Zego, app: ZegoApp) -> None:
    zego.register(RobotProfile(user_id=ADA.user_id, nickname="Ada Lovelace"))

    (robot,) = app.robots()
    assert (robot["user_id"], robot["nickname"]) == ("@RBT#ada", "Ada Lovelace")


def test_answer_that_grows(zego: Zego, app: ZegoApp) -> None:
    first = message("")
    receipt = zego.send(first)
    for text, is_finished in (("Hello", False), ("Hello, 世界 😀", True)):
        sent = receipt.vendor_message_id
        zego.edit(message(text, key=first.key, is_finished=is_finished, vendor_message_id=sent))

    (reply,) = app.replies("alice", ADA.user_id)
    assert [frame.text for frame in reply.frames] == ["…", "Hello", "Hello, 世界 😀"]
    assert [frame.is_finished for frame in reply.frames] == [False, False, True]


def test_message_whose_answer_was_lost_is_found(zego: Zego, sandbox: Sandbox) -> None:
    sandbox.faults(api={"commands": ["SendPeerMessage"], "fail_after": 1.0, "how": ["cut"]})
    lost, unsent = message("lost"), message("unsent")
    with pytest.raises(VendorUnreachable):
        zego.send(lost)

    assert zego.find_sent(lost) is not None
    assert zego.find_sent(unsent) is None


def test_message_behind_many_others_is_found(zego: Zego, app: ZegoApp) -> None:
    sent = message("early")
    receipt = zego.send(sent)
    for number in range(120):
        app.send("alice", ADA.user_id, f"and {number}")
    found = zego.find_sent(sent)

    assert found is not None
    assert found.vendor_message_id == receipt.vendor_message_id


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


def test_rate_limit_is_busy(zego: Zego, app: ZegoApp) -> None:
    app.change(rate_per_s=1)

    with pytest.raises(VendorBusy):
        list(map(zego.send, map(message, ("quick", "quicker", "quickest"))))


def test_longest_text_is_taken(zego: Zego, app: ZegoApp) -> None:
    text = "中" * 666
    assert zego.fits(text, is_stream=False)
    assert not zego.fits(text + "中", is_stream=False)
    zego.send(message(text, is_finished=True))

    assert app.replies("alice", ADA.user_id)[0].text == text


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


def test_message_in_a_group_is_found_behind_many_others(zego: Zego, group: Group) -> None:
    sent = in_group(group, "early")
    receipt = zego.send(sent)
    for number in range(110):
        group.send("bob", f"and {number}")
    found = zego.find_sent(sent)

    assert found is not None
    assert found.vendor_message_id == receipt.vendor_message_id
    assert zego.find_sent(in_group(group, "never")) is None


def test_recall_in_a_group(zego: Zego, group: Group) -> None:
    sent = in_group(group, "oops")
    receipt = zego.send(sent)
    recalled = in_group(group, "oops", key=sent.key, vendor_message_id=receipt.vendor_message_id)
    zego.recall(recalled)
    zego.recall(recalled)

    assert group.replies(ADA.user_id) == []


def test_robot_that_is_not_in_the_group(zego: Zego, app: ZegoApp) -> None:
    with pytest.raises(VendorRefused, match="the robot is not in the group"):
        zego.send(in_group(app.group("alice", "bob"), "hello"))

"""Our client against the simulated cloud, which was written from the vendor's pages on its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bots.errors import EditingUnavailable, MessageEnded, VendorBusy, VendorUnreachable
from bots.events import Address, OutgoingMessage, RobotProfile
from bots.keys import new_key
from bots.vendors.config import read_config
from bots.vendors.easemob import Easemob, EasemobConfig
from sandbox.driver import EasemobApp, Group, Sandbox
from tests.bots.vendors.cases import closing

ADA = RobotProfile(user_id="ada", nickname="Ada", avatar_url="https://example.org/ada.png")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def app(sandbox: Sandbox) -> Iterator[EasemobApp]:
    app = sandbox.register_app_of(EasemobApp)
    yield app
    sandbox.faults()
    assert sandbox.violations(app.id) == []


@pytest.fixture
def easemob(app: EasemobApp) -> Iterator[Easemob]:
    """With Ada, to whom Alice has written."""
    with closing(Easemob(read_config(EasemobConfig, app.config()))) as vendor:
        vendor.register(ADA)
        app.send("alice", ADA.user_id, "hello")
        yield vendor


def message(text: str, **fields: Any) -> OutgoingMessage:
    alice = Address(kind="peer", id="alice")
    defaults = {"robot_id": ADA.user_id, "conversation": alice, "key": new_key(), "is_stream": True}
    return OutgoingMessage(**{**defaults, "is_finished": False, **fields}, text=text)


def test_robot_is_registered_again_and_again(easemob: Easemob, app: EasemobApp) -> None:
    easemob.register(RobotProfile(user_id=ADA.user_id, nickname="Ada Lovelace"))

    (robot,) = app.robots()
    assert (robot["user_id"], robot["nickname"]) == ("ada", "Ada Lovelace")


@pytest.mark.parametrize("takes_empty_chunks", [True, False])
def test_answer_that_grows(easemob: Easemob, app: EasemobApp, takes_empty_chunks: bool) -> None:
    app.change(takes_empty_chunks=takes_empty_chunks)
    sent = easemob.send(message("Hel")).vendor_message_id
    easemob.edit(message("Hello 世界", shown="Hel", frame=1, vendor_message_id=sent))
    end = message("Hello 世界", shown="Hello 世界", frame=2, is_finished=True, vendor_message_id=sent)
    easemob.edit(end)

    (reply,) = app.replies("alice", ADA.user_id)
    assert [frame.text.rstrip() for frame in reply.frames] == ["Hel", "Hello 世界", "Hello 世界"]
    assert reply.is_finished


def test_chunk_whose_answer_was_lost_is_taken_once(
    easemob: Easemob, app: EasemobApp, sandbox: Sandbox
) -> None:
    sent = easemob.send(message("Hel")).vendor_message_id
    lost = {"shown": "Hel", "frame": 1, "vendor_message_id": sent}
    sandbox.faults(api={"fail_after": 1, "how": ["cut"]})
    with pytest.raises(VendorUnreachable):
        easemob.edit(message("Hello", **lost))
    sandbox.faults()
    easemob.edit(message("Hello", is_repeat=True, **lost))

    (reply,) = app.replies("alice", ADA.user_id)
    assert reply.text == "Hello"


def test_stream_that_paused_for_too_long(easemob: Easemob, app: EasemobApp, sandbox: Sandbox) -> None:
    sent = easemob.send(message("Hel")).vendor_message_id
    sandbox.set_clock(31)
    with pytest.raises(MessageEnded):
        easemob.edit(message("Hello", shown="Hel", frame=1, vendor_message_id=sent))
    sandbox.set_clock(0)


def test_plain_message_whose_answer_was_lost_is_found(
    easemob: Easemob, app: EasemobApp, sandbox: Sandbox
) -> None:
    lost = message("Hello", is_stream=False, is_finished=True)
    sandbox.faults(api={"fail_after": 1, "how": ["502"]})
    with pytest.raises(VendorUnreachable):
        easemob.send(lost)
    sandbox.faults()
    for number in range(25):
        app.send("alice", ADA.user_id, f"and {number}")

    (reply,) = app.replies("alice", ADA.user_id)
    found = easemob.find_sent(lost)
    assert found is not None
    assert found.vendor_message_id == reply.key
    assert easemob.find_sent(message("Hello")) is None


def test_recall(easemob: Easemob, app: EasemobApp) -> None:
    receipt = easemob.send(message("oops", is_stream=False))
    regretted = message("oops", vendor_message_id=receipt.vendor_message_id)
    easemob.recall(regretted)
    easemob.recall(regretted)

    assert app.replies("alice", ADA.user_id) == []


def test_app_without_streams(easemob: Easemob, app: EasemobApp) -> None:
    app.change(has_streams=False)

    with pytest.raises(EditingUnavailable):
        easemob.send(message("Hello"))


def test_rate_limit_is_busy(easemob: Easemob, app: EasemobApp) -> None:
    app.change(rate_per_s=1)

    with pytest.raises(VendorBusy):
        list(map(easemob.send, map(message, ("quick", "quicker", "quickest"))))


@pytest.mark.parametrize("character", ["中", "😀", '"'])
def test_longest_text_is_taken(easemob: Easemob, app: EasemobApp, character: str) -> None:
    text = character
    while easemob.fits(text + character, is_stream=False):
        text += character
    easemob.send(message(text, is_stream=False))

    assert app.replies("alice", ADA.user_id)[0].text == text


@pytest.fixture
def group(easemob: Easemob, app: EasemobApp) -> Group:
    return app.group("alice", "bob", ADA.user_id)


def in_group(group: Group, text: str, **fields: Any) -> OutgoingMessage:
    return message(text, conversation=Address(kind="group", id=group.id), **fields)


def test_answer_that_grows_in_a_group(easemob: Easemob, group: Group) -> None:
    sent = easemob.send(in_group(group, "Hel")).vendor_message_id
    easemob.edit(in_group(group, "Hello", shown="Hel", frame=1, is_finished=True, vendor_message_id=sent))

    (reply,) = group.replies(ADA.user_id)
    assert [(frame.text, frame.is_finished) for frame in reply.frames] == [("Hel", False), ("Hello", True)]


def test_group_that_is_too_large_for_streams(easemob: Easemob, app: EasemobApp, group: Group) -> None:
    app.change(largest_stream_group=2)

    with pytest.raises(EditingUnavailable) as caught:
        easemob.send(in_group(group, "Hel"))
    easemob.send(in_group(group, "Hello", is_stream=False, is_finished=True))

    assert caught.value.place == Address(kind="group", id=group.id)
    assert [reply.text for reply in group.replies(ADA.user_id)] == ["Hello"]


def test_message_in_a_group_is_found(easemob: Easemob, group: Group) -> None:
    sent = in_group(group, "early", is_stream=False)
    receipt = easemob.send(sent)
    for number in range(30):
        group.send("bob", f"and {number}")
    found = easemob.find_sent(sent)

    assert found is not None
    assert found.vendor_message_id == receipt.vendor_message_id
    assert easemob.find_sent(in_group(group, "never")) is None


def test_recall_in_a_group(easemob: Easemob, group: Group) -> None:
    sent = in_group(group, "oops", is_stream=False)
    receipt = easemob.send(sent)
    recalled = in_group(group, "oops", key=sent.key, vendor_message_id=receipt.vendor_message_id)
    easemob.recall(recalled)
    easemob.recall(recalled)

    assert group.replies(ADA.user_id) == []

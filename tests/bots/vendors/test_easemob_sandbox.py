"""Our client against the simulated cloud, which was written from the vendor's pages on its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bots.errors import EditingUnavailable, MessageEnded, VendorUnreachable
from bots.events import Address, OutgoingMessage, RobotProfile
from bots.keys import new_key
from bots.vendors.config import read_config
from bots.vendors.easemob import Easemob, EasemobConfig
from sandbox.driver import EasemobApp, Group, Sandbox
from tests.bots.vendors.cases import closing

ADA = RobotProfile(user_id="ada", nickname="Ada", avatar_url="https://example.org/ada.png")


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


def test_app_without_streams(easemob: Easemob, app: EasemobApp) -> None:
    app.change(has_streams=False)

    with pytest.raises(EditingUnavailable):
        easemob.send(message("Hello"))


@pytest.fixture
def group(easemob: Easemob, app: EasemobApp) -> Group:
    return app.group("alice", "bob", ADA.user_id)


def in_group(group: Group, text: str, **fields: Any) -> OutgoingMessage:
    return message(text, conversation=Address(kind="group", id=group.id), **fields)


def test_group_that_is_too_large_for_streams(easemob: Easemob, app: EasemobApp, group: Group) -> None:
    app.change(largest_stream_group=2)

    with pytest.raises(EditingUnavailable) as caught:
        easemob.send(in_group(group, "Hel"))
    easemob.send(in_group(group, "Hello", is_stream=False, is_finished=True))

    assert caught.value.place == Address(kind="group", id=group.id)
    assert [reply.text for reply in group.replies(ADA.user_id)] == ["Hello"]

"""What every vendor's client does alike at its simulated cloud, one to one and in groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Final

import pytest

from bots.errors import Unsupported, VendorBusy, VendorUnreachable
from bots.events import Address, Attachment, ConversationKind, File, Image, OutgoingMessage, RobotProfile
from bots.keys import new_key
from bots.text import split_at
from bots.vendors import VENDORS, vendor_class
from bots.vendors.base import Vendor
from bots.vendors.config import read_config
from sandbox.driver import App, Message, Sandbox
from tests.bots.vendors.cases import closing

APPS: Final = {kind.vendor: kind for kind in App.__subclasses__()}
ALICE: Final = "alice"
BOB: Final = "bob"
LONGER_THAN_ANY: Final = 100_000  # characters
ATTACHMENTS: Final = (
    Image(url="https://parley.example/files/a", width=3, height=2, name="红 1.png", size=70),
    File(url="https://parley.example/files/b", name="a.pdf", size=9),
)
FAMILY: Final = "\N{ZERO WIDTH JOINER}".join("👩👩👧👦")  # that readers take for one character


@dataclass
class Place:
    """Where a robot speaks at a simulated cloud, and users with it."""

    app: App
    vendor: Vendor
    robot: RobotProfile
    address: Address
    say: Callable[[str], str]  # as Alice; → the message's key
    replies: Callable[[], list[Message]]
    set_clock: Callable[[float], None]

    def message(self, text: str = "Hello", **fields: Any) -> OutgoingMessage:
        whose = {"robot_id": self.robot.user_id, "conversation": self.address, "key": new_key()}
        return OutgoingMessage(**{**whose, "text": text, **fields})

    def grow(self, *texts: str) -> None:
        """Let a message say one text after the other, and be finished with the last."""
        first = self.message(texts[0], is_stream=True, is_finished=False)
        sent = self.vendor.send(first).vendor_message_id
        for frame, shown, text in zip(count(1), texts, texts[1:], strict=False):
            self.set_clock(2 * frame)  # frames of one message may follow one another once a second
            is_last = frame == len(texts) - 1
            message = replace(first, text=text, is_finished=is_last, vendor_message_id=sent)
            self.vendor.edit(replace(message, shown=shown, frame=frame))


@pytest.fixture(params=list(VENDORS))
def app(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[App]:
    app = sandbox.register_app_of(APPS[request.param])
    yield app
    sandbox.faults()
    sandbox.set_clock(0)
    assert sandbox.violations(app.id) == []


@pytest.fixture
def robot(app: App) -> RobotProfile:
    name = f"{vendor_class(app.vendor).robot_prefix}ada"
    return RobotProfile(user_id=name, nickname="Ada", avatar_url="https://example.org/ada.png")


@pytest.fixture
def vendor(app: App, robot: RobotProfile) -> Iterator[Vendor]:
    cls = vendor_class(app.vendor)
    with closing(cls(read_config(cls.Config, app.config()))) as vendor:
        vendor.register(robot)
        yield vendor


@pytest.fixture(params=["peer", "group"])
def place(
    request: pytest.FixtureRequest, app: App, vendor: Vendor, robot: RobotProfile, sandbox: Sandbox
) -> Place:
    """One in which Alice has said something."""
    kind: ConversationKind = request.param
    ada = robot.user_id
    common: dict[str, Any] = {"app": app, "vendor": vendor, "robot": robot, "set_clock": sandbox.set_clock}
    if kind == "peer":
        place = Place(
            address=Address(kind=kind, id=ALICE),
            say=lambda text: app.send(ALICE, ada, text),
            replies=lambda: app.replies(ALICE, ada),
            **common,
        )
    else:
        group = app.group(ALICE, BOB, ada)
        place = Place(
            address=Address(kind=kind, id=group.id),
            say=lambda text: group.send(ALICE, text),
            replies=lambda: group.replies(ada),
            **common,
        )
    place.say("hello")
    return place


def test_robot_is_registered_again_and_again(vendor: Vendor, app: App, robot: RobotProfile) -> None:
    vendor.register(RobotProfile(user_id=robot.user_id, nickname="Ada Lovelace"))

    (known,) = app.robots()
    assert (known["user_id"], known["nickname"]) == (robot.user_id, "Ada Lovelace")


def test_whole_message(place: Place) -> None:
    place.vendor.send(place.message("Hello, 世界 😀"))

    (reply,) = place.replies()
    assert (reply.text, reply.is_finished) == ("Hello, 世界 😀", True)


def test_answer_that_grows(place: Place) -> None:
    begin = ["", "Hel"] if place.vendor.starts_empty else ["Hel"]
    place.grow(*begin, "Hello, 世", "Hello, 世界 😀")

    (reply,) = place.replies()
    assert [frame.text for frame in reply.frames][-3:] == ["Hel", "Hello, 世", "Hello, 世界 😀"]
    assert [frame.is_finished for frame in reply.frames] == [False] * (len(reply.frames) - 1) + [True]


@pytest.mark.parametrize("attachment", ATTACHMENTS, ids=["picture", "file"])
def test_pictures_and_files_are_shown_or_refused_beforehand(place: Place, attachment: Attachment) -> None:
    message = place.message("", attachment=attachment)
    if not isinstance(attachment, place.vendor.attachments):
        with pytest.raises(Unsupported):
            place.vendor.send(message)
        return

    receipt = place.vendor.send(message)

    (shown,) = place.replies()
    assert (shown.kind, shown.url) == (attachment.kind, attachment.url)
    found = place.vendor.find_sent(message)
    assert found is not None
    assert found.vendor_message_id == receipt.vendor_message_id
    place.vendor.recall(replace(message, vendor_message_id=receipt.vendor_message_id))
    assert place.replies() == []


@pytest.mark.parametrize("how", ["cut", "502"])
def test_send_whose_answer_was_lost_is_found(place: Place, sandbox: Sandbox, how: str) -> None:
    lost, never_sent = place.message(), place.message()
    sandbox.faults(api={"fail_after": 1.0, "how": [how]})
    with pytest.raises(VendorUnreachable):
        place.vendor.send(lost)
    sandbox.faults()

    assert place.vendor.find_sent(never_sent) is None
    found = place.vendor.find_sent(lost)
    assert found is not None
    assert [reply.text for reply in place.replies()] == ["Hello"]
    place.vendor.recall(replace(lost, vendor_message_id=found.vendor_message_id))
    assert place.replies() == []  # it was that message's id


def test_sent_message_is_found_behind_many_others(place: Place) -> None:
    sent = place.message("early")
    receipt = place.vendor.send(sent)
    for number in range(110):
        place.say(f"and {number}")

    found = place.vendor.find_sent(sent)
    assert found is not None
    assert found.vendor_message_id == receipt.vendor_message_id


def test_repeat_is_harmless_where_the_vendor_is_said_to_know_it(place: Place) -> None:
    twice = place.message()
    place.vendor.send(twice)
    place.vendor.send(twice)

    assert len(place.replies()) == (1 if place.vendor.repeat_window_s else 2)


def test_message_is_taken_back_and_again(place: Place) -> None:
    message = place.message("oops")
    receipt = place.vendor.send(message)
    regretted = replace(message, vendor_message_id=receipt.vendor_message_id)
    place.vendor.recall(regretted)
    place.vendor.recall(regretted)

    assert place.replies() == []


def test_too_many_calls_are_told_to_slow_down(place: Place) -> None:
    place.app.change(rate_per_s=1)

    with pytest.raises(VendorBusy) as caught:
        list(map(place.vendor.send, map(place.message, ("quick", "quicker", "quickest"))))
    assert caught.value.retry_after


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "growing"])
@pytest.mark.parametrize(
    "text",
    ["中", "😀", FAMILY, 'a"', "\\", "é\n"],
    ids=["Chinese", "emoji", "family", "quotes", "backslashes", "lines"],
)
def test_longest_text_that_fits_is_taken_and_never_cut_within_a_character(
    place: Place, text: str, is_stream: bool
) -> None:
    fits = partial(place.vendor.fits, is_stream=is_stream)
    head, tail = split_at(text * (LONGER_THAN_ANY // len(text)), fits)
    place.vendor.send(place.message(head, is_stream=is_stream))

    (reply,) = place.replies()
    assert reply.text == head
    assert tail
    assert len(head) % len(text) == 0 or text != FAMILY

"""What every vendor has to do alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bots.errors import CallbackMalformed, CallbackRejected, VendorBusy, VendorRefused, VendorUnreachable
from bots.events import Address, Event, Ignored, MessageReceived, MessageSent, Text
from bots.text import split_at
from bots.vendors import VENDORS, vendor_class
from bots.vendors.base import Vendor
from bots.vendors.config import InvalidConfig, is_required, is_secret, read_config
from tests.bots.vendors.cases import NOW, VendorCase, case_of, closing
from tests.bots.vendors.cloud import HANG_UP, SILENCE, Cloud, Reply

SECOND = timedelta(seconds=1)


@pytest.fixture(params=list(VENDORS))
def case(request: pytest.FixtureRequest) -> VendorCase:
    return case_of(request.param)


@pytest.fixture
def vendor(case: VendorCase, cloud: Cloud) -> Iterator[Vendor]:
    with closing(case.vendor(url=cloud.url)) as vendor:
        yield vendor


# Callbacks


def test_right_signature_is_accepted(case: VendorCase, vendor: Vendor) -> None:
    vendor.check(case.callback())


@pytest.mark.parametrize("secret", ["wrong", "", None], ids=["wrong", "empty", "missing"])
def test_other_signature_is_rejected(case: VendorCase, vendor: Vendor, secret: str | None) -> None:
    with pytest.raises(CallbackRejected):
        vendor.check(case.callback(secret=secret))


def test_signature_stays_fresh_for_a_while(case: VendorCase, vendor: Vendor) -> None:
    vendor.check(case.callback(signed_at=NOW - case.fresh_for))
    vendor.check(case.callback(signed_at=NOW + case.fresh_for))


def test_stale_signature_is_rejected(case: VendorCase, vendor: Vendor) -> None:
    for signed_at in (NOW - case.fresh_for - SECOND, NOW + case.fresh_for + SECOND):
        with pytest.raises(CallbackRejected):
            vendor.check(case.callback(signed_at=signed_at))


def test_other_apps_callback_is_rejected(case: VendorCase, vendor: Vendor) -> None:
    with pytest.raises(CallbackRejected):
        vendor.check(case.for_other_app())


@pytest.mark.parametrize(
    "body",
    [b"", b"hello", b"[]", b"null", b'{"a": NaN}', b"{}", b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "words", "list", "null", "NaN", "no fields", "not UTF-8", "deep"],
)
def test_strange_body_is_malformed(case: VendorCase, vendor: Vendor, body: bytes) -> None:
    with pytest.raises(CallbackMalformed):
        vendor.check(case.callback(body=body))


def test_signature_comes_before_the_body(case: VendorCase, vendor: Vendor) -> None:
    strange = b"{}" if case.is_signed_in_body else b"hello"

    with pytest.raises(CallbackRejected):
        vendor.check(case.callback(body=strange, secret="wrong"))


def test_text_becomes_a_message(case: VendorCase, vendor: Vendor) -> None:
    (event,) = vendor.read(case.callback())

    assert isinstance(event, MessageReceived)
    assert event.robot_id == case.robot_id
    assert event.conversation == Address(kind="peer", id="user1")
    assert event.sender_id == "user1"
    assert event.content == Text(text="hello")
    assert event.happened_at.utcoffset() == timedelta(0)


def test_repeated_delivery_is_known_again(case: VendorCase, vendor: Vendor) -> None:
    first, repeat = case.callback(), case.callback(case.repeat, received_at=NOW + SECOND)

    assert vendor.delivery_id(first) == vendor.delivery_id(repeat)
    assert vendor.delivery_id(first) != vendor.delivery_id(case.callback(case.unknown))


def test_one_message_told_twice_has_one_id(case: VendorCase, vendor: Vendor) -> None:
    events = [vendor.read(case.callback(name))[0] for name in (case.message, *case.same_message)]

    assert len({getattr(event, "vendor_message_id", None) for event in events}) == 1


def test_message_is_read_alike_in_every_shape(case: VendorCase, vendor: Vendor) -> None:
    def told_by(name: str) -> Event:
        (event,) = vendor.read(case.callback(name))
        return dataclasses.replace(event, event_id="", raw={})

    assert [told_by(name) for name in case.same_words] == [told_by(case.message)] * len(case.same_words)


def test_own_reply_that_comes_back_is_no_question(case: VendorCase, vendor: Vendor) -> None:
    (event,) = vendor.read(case.callback(case.own_reply))

    assert isinstance(event, MessageSent)
    assert (event.robot_id, event.conversation) == (case.robot_id, Address(kind="peer", id="user1"))


def test_every_recorded_body_is_read_in_the_same_way_again(case: VendorCase, vendor: Vendor) -> None:
    for name in case.recorded_names(is_malformed=False):
        callback = case.callback(name)
        vendor.check(callback)
        events = vendor.read(callback)
        assert events == vendor.read(callback)
        assert {event.event_id for event in events} == {vendor.delivery_id(callback)}
        assert all(event.happened_at.utcoffset() == timedelta(0) for event in events)


def test_every_malformed_body_is_refused(case: VendorCase, vendor: Vendor) -> None:
    for name in case.recorded_names(is_malformed=True):
        with pytest.raises(CallbackMalformed):
            vendor.read(case.callback(name))


def test_unknown_event_is_ignored(case: VendorCase, vendor: Vendor) -> None:
    callback = case.callback(case.unknown)
    vendor.check(callback)
    (event,) = vendor.read(callback)

    assert isinstance(event, Ignored)
    assert vendor.event_name(callback) in event.reason


def test_known_event_without_a_field_passes_the_door_but_cannot_be_read(
    case: VendorCase, vendor: Vendor
) -> None:
    callback = case.callback(case.ill_typed)
    vendor.check(callback)

    with pytest.raises(CallbackMalformed, match="is missing"):
        vendor.read(callback)


def test_names_and_ids_fit_the_database(case: VendorCase, vendor: Vendor) -> None:
    for name in (case.message, case.unknown, case.ill_typed):
        assert 0 < len(vendor.event_name(case.callback(name))) <= 100
        assert 0 < len(vendor.delivery_id(case.callback(name))) <= 200


def test_every_callback_is_acknowledged(case: VendorCase, vendor: Vendor) -> None:
    assert vendor.answer(case.callback()).status == 200
    assert vendor.answer(case.callback(case.unknown)).status == 200


# Calls


def test_message_is_sent(case: VendorCase, vendor: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(case.sent)
    receipt = vendor.send(case.outgoing())

    assert receipt.vendor_message_id == case.sent_id
    assert receipt.sent_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "reply",
    [
        HANG_UP,
        Reply(status=500),
        Reply(status=502, body=b"<html>Bad gateway</html>"),
        Reply(body=b"<html>Welcome to this hotel</html>"),
        Reply(body=b"[]"),
        Reply(body={}),
        Reply(status=302, headers={"Location": "https://127.0.0.1:1/"}),
    ],
    ids=["hangs up", "500", "502", "not JSON", "list", "empty", "elsewhere"],
)
def test_no_answer_that_makes_sense_is_unreachable(
    case: VendorCase, vendor: Vendor, cloud: Cloud, reply: Reply
) -> None:
    cloud.will_answer(reply)

    with pytest.raises(VendorUnreachable) as caught:
        vendor.send(case.outgoing())
    assert not caught.value.permanent


def test_silence_is_unreachable(case: VendorCase, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_class(case.name), "timeout_s", (1.0, 0.05))
    cloud.will_answer(SILENCE)

    with (
        closing(case.vendor(url=cloud.url)) as vendor,
        pytest.raises(VendorUnreachable, match="no answer in time"),
    ):
        vendor.send(case.outgoing())


def test_closed_port_is_unreachable(case: VendorCase) -> None:
    with closing(case.vendor(url="http://127.0.0.1:1")) as vendor, pytest.raises(VendorUnreachable):
        vendor.send(case.outgoing())


def test_rate_limit_is_busy(case: VendorCase, vendor: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(case.rate_limit)

    with pytest.raises(VendorBusy) as caught:
        vendor.send(case.outgoing())
    assert not caught.value.permanent
    assert caught.value.retry_after


def test_refusal_is_final_and_says_why(case: VendorCase, vendor: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(case.refusal)

    with pytest.raises(VendorRefused, match="refused") as caught:
        vendor.send(case.outgoing())
    assert caught.value.permanent
    assert (caught.value.party, caught.value.code) == (case.name, case.refusal_code)


@pytest.mark.parametrize("reply", [HANG_UP, Reply(status=500), Reply(body=b"<html>")])
def test_errors_keep_secrets(case: VendorCase, vendor: Vendor, cloud: Cloud, reply: Reply) -> None:
    cloud.will_answer(reply)

    with pytest.raises(VendorUnreachable) as caught:
        vendor.send(case.outgoing())
    sent_along = [*cloud.requests[0].query.values(), *cloud.requests[0].headers.values()]
    told = f"{caught.value!r} {caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert not [value for value in sent_along if len(value) > 30 and value in told]


def test_robot_is_registered(case: VendorCase, vendor: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(case.sent)
    vendor.register(case.profile())

    assert any(b"Ada" in request.content for request in cloud.requests)


def test_refused_edits_are_known_to_all_clients_of_the_account(case: VendorCase, vendor: Vendor) -> None:
    alice, club = Address(kind="peer", id="alice"), Address(kind="group", id="club")
    with closing(case.vendor(url="http://127.0.0.1:1")) as other:
        other.memory = vendor.memory
        vendor.note_editing_refused(club)
        assert (other.can_edit_in(alice), other.can_edit_in(club)) == (True, False)

    with closing(case.vendor(url="http://127.0.0.1:1")) as other:
        other.memory = vendor.memory
        vendor.note_editing_refused()
        assert not other.can_edit_in(alice)
        assert "whole messages" in vendor.memory.read()["note"]


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_room_for_text_is_counted_in_bytes(case: VendorCase, vendor: Vendor, is_stream: bool) -> None:
    def room_for(character: str) -> int:
        return len(split_at(character * 100_000, lambda text: vendor.fits(text, is_stream=is_stream))[0])

    assert vendor.fits("", is_stream=is_stream)
    assert 100 < room_for("中") < room_for("a") < 100_000


# Settings


def test_flags_say_what_the_vendor_can(case: VendorCase) -> None:
    cls = vendor_class(case.name)

    assert cls.name == case.name
    assert cls.can_edit == (cls.edit is not Vendor.edit)
    assert cls.can_recall == (cls.recall is not Vendor.recall)
    assert case.robot_id.startswith(cls.robot_prefix)


def test_settings_explain_themselves_and_hide_secrets(case: VendorCase) -> None:
    for spec in dataclasses.fields(vendor_class(case.name).Config):
        assert spec.metadata["help"]
        assert spec.repr is not is_secret(spec)


def test_all_missing_settings_are_named_at_once(case: VendorCase) -> None:
    cls = vendor_class(case.name).Config
    required = {spec.name for spec in dataclasses.fields(cls) if is_required(spec)}

    with pytest.raises(InvalidConfig) as caught:
        read_config(cls, {})
    assert {path for path, _ in caught.value.problems} == required

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bots.errors import (
    EditingUnavailable,
    MessageEnded,
    MessageGone,
    Unsupported,
    VendorBusy,
    VendorError,
    VendorRefused,
)
from bots.events import Address, Image, OutgoingMessage, Receipt
from bots.vendors.base import Vendor
from tests.bots.vendors.cases import closing
from tests.bots.vendors.cloud import Cloud, Reply
from tests.bots.vendors.easemob.case import CASE, TOKEN, fail

KEY = 2**62
SENT_AT = datetime.fromtimestamp(1761998400, UTC)
STARTED = Reply({"timestamp": 1761998400000, "data": {"msgId": "1499696395467098072"}})
ALICE = Address(kind="peer", id="alice")
ADDED = Reply({"data": {}})


@pytest.fixture
def easemob(cloud: Cloud) -> Iterator[Vendor]:
    with closing(CASE.vendor(url=cloud.url)) as vendor:
        cloud.will_answer(CASE.sent)
        yield vendor


def chunk(text: str, **fields: Any) -> OutgoingMessage:
    stream = {"is_stream": True, "is_finished": False, "vendor_message_id": "m", "frame": 3}
    return CASE.outgoing(text, **{"key": KEY, **stream, **fields})


@pytest.fixture
def editing(cloud: Cloud) -> Iterator[Vendor]:
    """Streams are not opened, the editing of sent messages is."""
    with closing(CASE.vendor(url=cloud.url, edits=True)) as vendor:
        vendor.note_editing_refused()
        assert vendor.can_edit_in(ALICE)
        cloud.will_answer(CASE.sent)
        yield vendor


# Answers that grow by edits


def test_answer_that_grows_by_edits_begins_as_a_plain_message(editing: Vendor, cloud: Cloud) -> None:
    receipt = editing.send(chunk("Hel", vendor_message_id=None, frame=0))

    assert cloud.request.path == "/acme/chat/messages/users"
    assert receipt.vendor_message_id == f"edit/{CASE.sent_id}"


def test_edit(editing: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(Reply({"data": "success"}))

    editing.edit(chunk("Hello", vendor_message_id="edit/77", shown="Hel"))

    assert cloud.request.path == "/acme/chat/messages/rewrite/77"
    assert cloud.request.headers["content-type"] == "application/json"
    assert cloud.request.json == {"user": "ada", "new_msg": {"type": "txt", "msg": "Hello"}}


@pytest.mark.parametrize("reply, error", [
    (fail(403, "message_rewrite_error", "message rewrite is not open"), EditingUnavailable),
    (fail(403, "message_rewrite_error", "message has reached its edit limit"), MessageEnded),
    (fail(404, "service_resource_not_found"), MessageGone),
    (fail(409, "concurrent_operation_error"), VendorBusy),
])  # fmt: skip
def test_refused_edits(editing: Vendor, cloud: Cloud, reply: Reply, error: type[VendorError]) -> None:
    cloud.will_answer(reply)

    with pytest.raises(error) as caught:
        editing.edit(chunk("Hello", vendor_message_id="edit/77"))
    assert type(caught.value) is error


def test_recall_of_an_edited_message(editing: Vendor, cloud: Cloud) -> None:
    editing.recall(chunk("Hello", vendor_message_id="edit/77"))

    assert cloud.request.json["msg_id"] == "77"


def test_frames_thin_out_so_that_one_of_ten_edits_is_left_for_the_end(editing: Vendor) -> None:
    pauses = [editing.pause_after_s("edit/77", frame) for frame in range(11)]

    assert [pause == math.inf for pause in pauses].index(True) == 9
    assert sorted(pauses) == pauses
    assert editing.pause_after_s("77", 50) == editing.edit_interval_s


def test_each_message_grows_on_as_it_began(editing: Vendor) -> None:
    assert editing.takes_increments("77")
    assert not editing.takes_increments("edit/77")


def test_edited_message_is_no_longer_than_a_plain_one(easemob: Vendor, editing: Vendor) -> None:
    text = "词" * 2000

    assert easemob.fits(text, is_stream=True)
    assert not editing.fits(text, is_stream=True)


def test_refused_stream_goes_over_to_edits_at_once(cloud: Cloud) -> None:
    with closing(CASE.vendor(url=cloud.url, edits=True)) as vendor:
        cloud.will_answer(fail(403, "forbidden_op", "stream message service is unopened"), CASE.sent)

        receipt = vendor.send(chunk("Hel", vendor_message_id=None, frame=0))

        assert receipt.vendor_message_id == f"edit/{CASE.sent_id}"
        assert vendor.can_edit_in(ALICE)
        assert "grow by edits" in vendor.memory.read()["note"]


def test_account_that_may_neither_stream_nor_edit_answers_whole(editing: Vendor) -> None:
    editing.note_editing_refused()

    assert not editing.can_edit_in(ALICE)
    assert "whole messages" in editing.memory.read()["note"]


def test_thinking_is_shown_by_a_command_for_those_online(cloud: Cloud) -> None:
    with closing(CASE.vendor(url=cloud.url, typing=True)) as vendor:
        cloud.will_answer(CASE.sent)
        assert vendor.shows_thinking

        vendor.show_thinking("ada", ALICE)

    assert cloud.request.path == "/acme/chat/messages/users"
    assert cloud.request.json == {
        "from": "ada",
        "to": ["alice"],
        "type": "cmd",
        "body": {"action": "TypingBegin"},
        "routetype": "ROUTE_ONLINE",
    }


# Messages


def test_picture(easemob: Vendor, cloud: Cloud) -> None:
    picture = Image(url="https://parley.example/files/a", width=640, height=480, name="a.png", size=900)
    easemob.send(CASE.outgoing("", key=KEY, attachment=picture))

    sent = cloud.request.json
    assert sent["type"] == "img"
    assert sent["body"] == {
        "url": "https://parley.example/files/a",
        "filename": "a.png",
        "size": {"width": 640, "height": 480},
    }
    assert sent["ext"] == {"parley": {"key": str(KEY)}}


def test_plain_message(easemob: Vendor, cloud: Cloud) -> None:
    receipt = easemob.send(CASE.outgoing("你好", key=KEY))

    assert receipt == Receipt(vendor_message_id=CASE.sent_id, sent_at=SENT_AT)
    assert cloud.request.path == "/acme/chat/messages/users"
    assert cloud.request.headers["authorization"] == f"Bearer {TOKEN}"
    assert cloud.request.json == {
        "from": "ada",
        "to": ["user1"],
        "type": "txt",
        "body": {"msg": "你好"},
        "ext": {"parley": {"key": str(KEY)}},
    }


def test_extra_goes_along(easemob: Vendor, cloud: Cloud) -> None:
    easemob.send(CASE.outgoing(extra={"sync_device": True, "ext": {"em_ignore_notification": True}}, key=KEY))

    assert cloud.request.json["sync_device"]
    assert cloud.request.json["ext"] == {"em_ignore_notification": True, "parley": {"key": str(KEY)}}


def test_stream_begins(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(STARTED)
    receipt = easemob.send(chunk("Hel", vendor_message_id=None, frame=0))

    assert receipt == Receipt(vendor_message_id="1499696395467098072", sent_at=SENT_AT)
    assert cloud.request.path == "/acme/chat/stream_message/user"
    assert cloud.request.json == {
        "from": "ada",
        "to": "user1",
        "body": {"msg": "Hel", "seq": 0, "type": "markdown"},
        "ext": {"parley": {"key": str(KEY)}},
    }


def test_stream_goes_on_with_what_is_new(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(ADDED)
    easemob.edit(chunk("Hello", shown="Hel"))

    assert cloud.request.json["body"] == {"msgId": "m", "msg": "lo", "seq": 3}


def test_stream_ends(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(ADDED)
    easemob.edit(chunk("Hello", shown="Hel", is_finished=True))

    end = {"msgId": "m", "msg": "lo", "seq": 3, "finish": True, "finishReason": 0}
    assert cloud.request.json["body"] == end


def test_end_without_words_is_said_with_a_blank_if_need_be(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(400, "message_send_error", "body is empty", 14005), ADDED)
    easemob.edit(chunk("Hello", shown="Hello", is_finished=True))

    said = [(request.json["body"]["msg"], request.json["body"]["seq"]) for request in cloud.requests]
    assert said == [("", 3), (" ", 3)]


@pytest.mark.parametrize("code", [14030, 14031, 14032, 14033, 14034, 14035, 14036, 14037, 14038])
def test_stream_that_has_ended(easemob: Vendor, cloud: Cloud, code: int) -> None:
    cloud.will_answer(fail(400, "message_send_error", "no", code))

    with pytest.raises(MessageEnded) as caught:
        easemob.edit(chunk("Hello"))
    assert caught.value.code == str(code)


@pytest.mark.parametrize("code", [14035, 14038])
def test_repeated_chunk_that_was_taken_before(easemob: Vendor, cloud: Cloud, code: int) -> None:
    cloud.will_answer(fail(400, "message_send_error", "no", code))
    easemob.edit(chunk("Hello", is_repeat=True))

    assert len(cloud.requests) == 1


def test_stream_can_only_grow(easemob: Vendor) -> None:
    with pytest.raises(Unsupported):
        easemob.edit(chunk("Bye", shown="Hello"))


GROUP = Address(kind="group", id="17")


def test_message_to_a_group(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(Reply({"timestamp": 1761998400000, "data": {"17": CASE.sent_id}}))

    receipt = easemob.send(CASE.outgoing(conversation=GROUP, mentions=("user1",), key=KEY))

    assert receipt.vendor_message_id == CASE.sent_id
    assert cloud.request.path == "/acme/chat/messages/chatgroups"
    assert cloud.request.json == {
        "from": "ada",
        "to": ["17"],
        "type": "txt",
        "body": {"msg": "Hello"},
        "ext": {"parley": {"key": str(KEY)}},
    }


def test_stream_in_a_group(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(STARTED, ADDED)
    easemob.send(chunk("Hel", vendor_message_id=None, frame=0, conversation=GROUP))
    easemob.edit(chunk("Hello", shown="Hel", conversation=GROUP))

    assert {request.path for request in cloud.requests} == {"/acme/chat/stream_message/chatgroup"}
    assert [request.json["to"] for request in cloud.requests] == ["17", "17"]


def test_group_that_takes_no_streams_is_not_the_account(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(400, "message_send_error", "too many members"))

    with pytest.raises(EditingUnavailable) as caught:
        easemob.send(chunk("Hel", vendor_message_id=None, frame=0, conversation=GROUP))
    easemob.note_editing_refused(caught.value.place)

    assert not easemob.can_edit_in(GROUP)
    assert easemob.can_edit_in(Address(kind="group", id="18"))
    assert easemob.memory.read().get("note") is None


def test_streams_that_are_not_opened_are_for_groups_neither(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(403, "forbidden_op", "stream message service is unopened"))

    with pytest.raises(EditingUnavailable) as caught:
        easemob.send(chunk("Hel", vendor_message_id=None, frame=0, conversation=GROUP))
    assert caught.value.place is None


def test_recall_in_a_group(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(Reply({"data": {"recalled": "yes"}}))
    easemob.recall(chunk("Hello", conversation=GROUP))

    assert (cloud.request.json["to"], cloud.request.json["chat_type"]) == ("17", "groupchat")


def test_send_to_a_group_whose_answer_was_lost_is_looked_for_there(easemob: Vendor, cloud: Cloud) -> None:
    record = {"msg_id": "m1", "timestamp": 1761998400000, "ext": {"parley": {"key": str(KEY)}}}
    cloud.will_answer(Reply({"data": {"messages": [record]}}))

    found = easemob.find_sent(CASE.outgoing(conversation=GROUP, key=KEY))

    assert found == Receipt(vendor_message_id="m1", sent_at=SENT_AT)
    assert cloud.request.path == "/api/server/v6/acme/chat/roaming/group"
    assert (cloud.request.json["groupId"], "to" in cloud.request.json) == ("17", False)


def test_recall_twice(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(Reply({"data": {"recalled": "yes"}}), fail(403, "forbidden_op", "not_found msg"))
    easemob.recall(chunk("Hello"))
    easemob.recall(chunk("Hello"))

    assert cloud.requests[0].path == "/acme/chat/messages/msg_recall"
    assert cloud.requests[0].json["force"] is True


# What refusals come to


@pytest.mark.parametrize(
    "reply, error",
    [
        (fail(429, "reach_limit"), VendorBusy),
        (fail(429, "resource_limited", "You have exceeded the limit of the free edition"), VendorRefused),
        (fail(403, "message_send_error", "message send reach limit"), VendorBusy),
        (fail(409, "concurrent_operation_error"), VendorBusy),
        (fail(400, "message_send_error", "message is too large", 14007), VendorRefused),
        (fail(403, "forbidden_op", "message service is unopened"), VendorRefused),
        (fail(404, "organization_application_not_found"), VendorRefused),
        (Reply(b"<html>", status=404), VendorRefused),
    ],
)
def test_refusals(easemob: Vendor, cloud: Cloud, reply: Reply, error: type[VendorError]) -> None:
    cloud.will_answer(reply)

    with pytest.raises(error) as caught:
        easemob.send(CASE.outgoing())
    assert type(caught.value) is error


def test_streams_that_are_not_opened(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(403, "forbidden_op", "stream message service is unopened"))

    with pytest.raises(EditingUnavailable):
        easemob.send(chunk("Hel", vendor_message_id=None, frame=0))
    easemob.note_editing_refused()
    assert "Stream messages are not opened" in easemob.memory.read()["note"]


# The token


def token(word: str) -> Reply:
    return Reply({"access_token": word, "expires_in": 100})


def test_token_is_got_once(easemob: Vendor, cloud: Cloud) -> None:
    easemob.memory = type(easemob.memory)()
    cloud.will_answer(token("YWMtNew"), CASE.sent)
    easemob.send(CASE.outgoing())
    easemob.send(CASE.outgoing())

    first, *sends = cloud.requests
    assert (first.path, "authorization" in first.headers) == ("/acme/chat/token", False)
    assert first.json["grant_type"] == "client_credentials"
    assert [send.headers["authorization"] for send in sends] == ["Bearer YWMtNew"] * 2


def test_refused_token_is_got_anew_once(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(401, "unauthorized"), token("YWMtNew"), CASE.sent)
    easemob.send(CASE.outgoing())

    bearers = [request.headers.get("authorization") for request in cloud.requests]
    assert bearers == [f"Bearer {TOKEN}", None, "Bearer YWMtNew"]


def test_token_that_stays_refused_is_a_matter_of_settings(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(401, "unauthorized"), token("YWMtNew"), fail(401, "unauthorized"))

    with pytest.raises(VendorRefused, match="check client_id and client_secret"):
        easemob.send(CASE.outgoing())
    assert len(cloud.requests) == 3


def test_token_that_another_worker_got_is_used(easemob: Vendor, cloud: Cloud) -> None:
    easemob.send(CASE.outgoing())
    with easemob.memory.changing() as kept:
        kept["token"] = "YWMtOfAnother"
    cloud.will_answer(fail(401, "unauthorized"), CASE.sent)
    easemob.send(CASE.outgoing())

    assert cloud.requests[-1].headers["authorization"] == "Bearer YWMtOfAnother"


# History and robots


def record(key: int, **fields: Any) -> dict[str, Any]:
    ext = {"parley": {"key": str(key)}}
    return {"msg_id": "m7", "timestamp": 1761998400000, "payload": {"bodies": [], "ext": ext}, **fields}


@pytest.mark.parametrize("form", [{"messages": [record(KEY)]}, [record(KEY)], {"x": {"msgs": [record(KEY)]}}])
def test_sent_message_is_found_in_any_list(easemob: Vendor, cloud: Cloud, form: Any) -> None:
    cloud.will_answer(Reply({"data": form}))

    found = easemob.find_sent(CASE.outgoing(key=KEY))
    assert found == Receipt(vendor_message_id="m7", sent_at=SENT_AT)
    assert cloud.request.path == "/api/server/v6/acme/chat/roaming/chat"


def test_history_is_read_to_its_end(easemob: Vendor, cloud: Cloud) -> None:
    pages = [{"messages": [record(number)], "pagination": {"cursor": str(number)}} for number in (1, 2)]
    cloud.will_answer(*(Reply({"data": page}) for page in (*pages, {"messages": [], "pagination": {}})))

    assert easemob.find_sent(CASE.outgoing(key=KEY)) is None
    assert [request.json.get("cursor") for request in cloud.requests] == [None, "1", "2"]


def test_history_of_unknown_form_is_no_proof(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(Reply({"data": {"url": "https://em.example/h.gz"}}))

    with pytest.raises(Unsupported):
        easemob.find_sent(CASE.outgoing(key=KEY))


@pytest.mark.parametrize(
    "answer",
    [
        Reply({"entities": [{"username": "ada"}]}),
        fail(400, "duplicate_unique_property_exists", "… be unique, value of ada exists"),
        Reply({"entities": [], "data": [{"username": "ada", "registerUserFailReason": "the user exists"}]}),
    ],
)
def test_robot_is_a_user_with_a_profile(easemob: Vendor, cloud: Cloud, answer: Reply) -> None:
    cloud.will_answer(answer, ADDED)
    easemob.register(CASE.profile())

    user, profile = cloud.requests
    assert (user.path, user.json["username"]) == ("/acme/chat/users", "ada")
    assert profile.path == "/acme/chat/metadata/user/ada"
    assert profile.content == b"nickname=Ada&avatarurl=https%3A%2F%2Fexample.org%2Fada.png"


def test_full_plan_takes_no_robot(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(429, "resource_limited", "You have exceeded the limit"))

    with pytest.raises(VendorRefused, match="quota"):
        easemob.register(CASE.profile())


def test_gone(easemob: Vendor, cloud: Cloud) -> None:
    cloud.will_answer(fail(403, "forbidden_op", "not_found msg"))

    with pytest.raises(MessageGone):
        easemob.edit(chunk("Hello"))

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bots.errors import CallbackMalformed
from bots.vendors import VENDORS, vendor_class
from bots.vendors.base import IncomingCallback, new_session
from tests.bots.vendors.cases import NOW
from tests.bots.vendors.cloud import Cloud, Reply


def callback(body: bytes) -> IncomingCallback:
    return IncomingCallback(query={}, headers={"authorization": "s3cret"}, body=body, received_at=NOW)


def test_texts_of_a_body_can_be_stored() -> None:
    assert callback(b'{"a\\u0000": ["\\ud83d", "\\ud83d\\ude00"]}').json == {"a": ["\ufffd", "😀"]}


@pytest.mark.parametrize("body", [b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": NaN}', b"5", b'"a"'])
def test_what_is_no_json_object(body: bytes) -> None:
    with pytest.raises(CallbackMalformed):
        callback(body).json  # noqa: B018 -- reading it is the test


def test_callback_does_not_show_its_secrets() -> None:
    assert "s3cret" not in repr(callback(b"{}"))


def test_every_vendor_is_there_under_its_name() -> None:
    assert [vendor_class(name).name for name in VENDORS] == list(VENDORS)


def test_session_keeps_connections_for_many_threads(cloud: Cloud) -> None:
    with new_session() as session, ThreadPoolExecutor(20) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: session.post(cloud.url), range(100))]

    assert statuses == [200] * 100


def test_session_takes_no_cookies(cloud: Cloud) -> None:
    cloud.will_answer(Reply(headers={"Set-Cookie": "who=alice"}))
    with new_session() as session:
        session.post(cloud.url)
        session.post(cloud.url)

    assert "cookie" not in cloud.requests[1].headers

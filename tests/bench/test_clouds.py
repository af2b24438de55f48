from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from bench.clouds import CLOUDS, Cloud
from bots.events import MessageReceived, Text
from bots.vendors import VENDORS, vendor_class
from bots.vendors.base import IncomingCallback, Vendor
from bots.vendors.config import read_config
from tests.bots.vendors.cases import closing


@pytest.fixture(params=list(VENDORS))
def bench_cloud(request: pytest.FixtureRequest) -> Cloud:
    return CLOUDS[request.param]()


def vendor_at(cloud: Cloud) -> Vendor:
    cls = vendor_class(cloud.vendor)
    return cls(read_config(cls.Config, cloud.config(port=1)))


def received(request: bytes) -> IncomingCallback:
    head, _, body = request.partition(b"\r\n\r\n")
    query = dict(parse_qsl(urlsplit(head.split()[1].decode()).query))
    return IncomingCallback(query=query, headers={}, body=body, received_at=datetime.now(UTC))


def test_what_users_write_is_a_callback_of_the_vendor(bench_cloud: Cloud) -> None:
    callback = received(bench_cloud.callback("alice", 1))
    with closing(vendor_at(bench_cloud)) as vendor:
        vendor.check(callback)
        (event,) = vendor.read(callback)

    assert isinstance(event, MessageReceived)
    assert (event.sender_id, event.robot_id) == ("alice", bench_cloud.robot)
    assert event.content == Text(text="alice")


def test_users_messages_are_told_apart(bench_cloud: Cloud) -> None:
    with closing(vendor_at(bench_cloud)) as vendor:
        ids = {vendor.delivery_id(received(bench_cloud.callback(f"user{n}", n))) for n in range(3)}

    assert len(ids) == 3

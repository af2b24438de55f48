"""Into which networks our requests go, whoever entered the address."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import Any

import pytest
import requests
from pytest_django import Settings

from bots.destinations import is_allowed, refusal
from bots.errors import ModelDenied
from bots.llms.base import ChatMessage, Prompt
from bots.llms.openai import OpenAI
from bots.vendors.base import new_session
from tests.bots.llms.conftest import endpoint_at
from tests.bots.llms.provider import Provider, failing

OK = failing("200 OK", {})


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "::1", "fd00::1",
     "fe80::1%eth0", "::ffff:10.0.0.1", "2002:0a00:0001::1", "64:ff9b::10.0.0.1"],
)  # fmt: skip
def test_private_addresses_are_refused(settings: Settings, host: str) -> None:
    settings.PRIVATE_NETWORKS = []

    assert not is_allowed(host)


@pytest.mark.parametrize(
    "host", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::93.184.216.34"]
)
def test_public_addresses_are_allowed(settings: Settings, host: str) -> None:
    settings.PRIVATE_NETWORKS = []

    assert is_allowed(host)


def test_a_network_that_is_named_is_allowed_and_no_other(settings: Settings) -> None:
    settings.PRIVATE_NETWORKS = [ip_network("10.1.0.0/16"), ip_network("fd00::/64")]

    assert [is_allowed(host) for host in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::7", "10.2.0.1", "::1")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_a_cloud_in_a_private_network_is_told_nothing(settings: Settings) -> None:
    settings.PRIVATE_NETWORKS = []
    with Provider(OK) as cloud, new_session() as session:
        with pytest.raises(requests.ConnectionError) as caught:
            session.post(cloud.url, json={"secret": "s3cret"})

        assert cloud.exchanges == []
    assert "PRIVATE_NETWORKS" in refusal(caught.value)


def test_a_model_in_a_private_network_is_told_nothing(settings: Settings) -> None:
    settings.PRIVATE_NETWORKS = []
    prompt = Prompt(messages=(ChatMessage(role="user", content="Hello"),))
    with Provider(OK) as model:
        with pytest.raises(ModelDenied, match="private network that PRIVATE_NETWORKS does not name"):
            list(OpenAI().stream(endpoint_at(model.url), prompt))

        assert model.exchanges == []


def test_a_name_that_stands_for_another_address_at_every_look(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks the name up to check it finds a public address; the connection goes elsewhere."""
    settings.PRIVATE_NETWORKS = []
    looked_up = socket.getaddrinfo
    with Provider(OK) as inside, new_session() as session:
        port = int(inside.url.rpartition(":")[2].partition("/")[0])

        def rebound(host: str, *arguments: Any, **options: Any) -> Any:
            return looked_up("127.0.0.1", *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        with pytest.raises(requests.ConnectionError):
            session.post(f"http://harmless.example:{port}/")

        assert inside.exchanges == []


def test_through_a_proxy_it_is_the_proxy_that_decides(settings: Settings) -> None:
    settings.PRIVATE_NETWORKS = []
    with Provider(OK) as proxy, new_session() as session:
        answer = session.post("http://cloud.example/", json={}, proxies={"http": proxy.url})

        assert answer.status_code == 200
        assert len(proxy.exchanges) == 1

from __future__ import annotations

from ipaddress import ip_network

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from config.checks import check_private_networks, check_public_url, check_second_factors
from logins.models import SecondFactor


@pytest.mark.parametrize("address", ["", "http://parley.example.com"])
def test_plain_http_outside_is_warned_of(settings: Settings, address: str) -> None:
    settings.PUBLIC_URL = address

    assert [warning.id for warning in check_public_url(None)] == ["parley.W002"]


def test_https_outside_is_fine(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://parley.example.com"

    assert check_public_url(None) == []


@pytest.mark.parametrize("network", ["127.0.0.0/8", "::1", "169.254.169.254", "0.0.0.0/0"])
def test_ways_to_what_trusts_this_machine_are_warned_of(settings: Settings, network: str) -> None:
    settings.PRIVATE_NETWORKS = [ip_network(network)]

    [warning] = check_private_networks(None)

    assert network in warning.msg


def test_a_network_of_models_is_fine(settings: Settings) -> None:
    settings.PRIVATE_NETWORKS = [ip_network("10.1.0.0/16"), ip_network("fd00::/64")]

    assert check_private_networks(None) == []


@pytest.mark.django_db
def test_admins_behind_a_password_alone_are_named() -> None:
    for name in ("root", "careful"):
        User.objects.create_superuser(name)
    User.objects.create_user("operator")
    careful = User.objects.get(username="careful")
    SecondFactor.objects.create(user=careful, secret="x", confirmed_at=timezone.now())

    [word] = check_second_factors(None)

    assert "no second factor: root." in word.msg

"""Logging in at the admin and the console, as a browser does."""

from __future__ import annotations

import re
import time

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from logins import second_factors
from logins.lockout import client_address
from logins.models import SecondFactor

pytestmark = pytest.mark.django_db

DOORS = ("/admin/login/", "/console/login/")
PASSWORD = "a good password"


@pytest.fixture(autouse=True)
def _fast_hashing(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def user() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def factor(user: User) -> SecondFactor:
    factor = second_factors.begin(user)
    codes = second_factors.confirm(factor, code_of(factor, periods=-1))
    assert codes is not None
    return factor


def code_of(factor: SecondFactor, *, periods: int = 0) -> str:
    at = int(time.time()) + periods * second_factors.PERIOD_S
    return second_factors.generator(factor).generate(at).decode()


def log_in(client: Client, door: str, password: str = PASSWORD, code: str = "", **more: str) -> HttpResponse:
    form = {"username": "root", "password": password, "code": code}
    return client.post(door, form, headers=more)  # type: ignore[return-value]


@pytest.mark.parametrize("door", DOORS)
def test_a_password_is_enough_for_who_has_no_second_factor(client: Client, user: User, door: str) -> None:
    assert 'name="code"' in client.get(door).content.decode()
    assert log_in(client, door).status_code == 302


@pytest.mark.parametrize("door", DOORS)
def test_a_second_factor_is_asked_for_and_nobody_hears_what_was_wrong(
    client: Client, factor: SecondFactor, door: str
) -> None:
    for password, code in ((PASSWORD, ""), (PASSWORD, "000000"), ("wrong", code_of(factor))):
        refused = log_in(client, door, password, code)
        assert refused.status_code == 200
        assert "Name, password or code is wrong." in refused.content.decode()

    assert log_in(client, door, code=code_of(factor)).status_code == 302


@pytest.mark.parametrize("door", DOORS)
def test_after_five_failures_not_even_the_right_password_lets_in(
    client: Client, user: User, door: str
) -> None:
    answers = [log_in(client, door, "wrong").status_code for _ in range(5)]

    refused = log_in(client, door)

    assert answers[:4] == [200] * 4
    assert (refused.status_code, refused["Retry-After"]) == (429, "900")
    assert "Try again in 15 minutes" in refused.content.decode()
    assert User.objects.get().last_login is None


def test_wrong_codes_count_as_wrong_passwords(client: Client, factor: SecondFactor) -> None:
    for _ in range(5):
        log_in(client, DOORS[0], code="000000")

    assert log_in(client, DOORS[0], code=code_of(factor)).status_code == 429


def test_others_and_elsewhere_are_not_locked_out(client: Client, user: User) -> None:
    User.objects.create_superuser("other", password=PASSWORD)
    for _ in range(5):
        log_in(client, DOORS[0], "wrong")

    other = client.post(DOORS[0], {"username": "other", "password": PASSWORD})
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")

    assert other.status_code == 302
    assert log_in(elsewhere, DOORS[0]).status_code == 302


def test_an_admin_lets_somebody_in_again(client: Client, user: User, admin_client: Client) -> None:
    for _ in range(5):
        log_in(client, DOORS[0], "wrong")
    [row] = re.findall(r"/admin/axes/accessattempt/\d+/", admin_client.get("/admin/axes/accessattempt/").text)

    admin_client.post(f"{row.removesuffix('/change/')}delete/", {"post": "yes"})

    assert log_in(client, DOORS[0]).status_code == 302


@pytest.mark.parametrize(
    "is_https, forwarded, expected",
    [
        (False, "198.51.100.7", "127.0.0.1"),  # anybody may say so
        (True, "198.51.100.7", "198.51.100.7"),
        (True, "10.0.0.1, 198.51.100.7", "198.51.100.7"),  # nginx adds to what the client has sent
        (True, "", "127.0.0.1"),
    ],
)
def test_whose_request_it_is(settings: Settings, is_https: bool, forwarded: str, expected: str) -> None:
    settings.IS_HTTPS = is_https
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    assert client_address(RequestFactory().post("/", headers=headers)) == expected


def test_setting_up_and_giving_up_a_second_factor(client: Client, user: User) -> None:
    log_in(client, DOORS[1])
    page = client.get("/account/second-factor/").text
    factor = SecondFactor.objects.get()
    assert "<svg" in page
    assert str(factor.secret) in page

    assert "shows another code" in client.post("/account/second-factor/", {"code": "1"}, follow=True).text
    told = client.post("/account/second-factor/", {"code": code_of(factor, periods=-1)}).text
    codes = re.findall(r"<li>([a-z2-7]{16})</li>", told)
    assert len(codes) == 10
    again = client.get("/account/second-factor/").text
    assert "10 recovery codes are left" in again
    assert str(factor.secret) not in again

    wrong = {"password": "wrong", "code": codes[0], "remove": ""}
    assert "Password or code is wrong." in client.post("/account/second-factor/", wrong, follow=True).text
    assert SecondFactor.objects.exists()
    client.post("/account/second-factor/", wrong | {"password": PASSWORD})
    assert not SecondFactor.objects.exclude(confirmed_at=None).exists()


def test_strangers_are_asked_to_log_in(client: Client) -> None:
    assert client.get("/account/second-factor/")["Location"].startswith("/console/login/?next=")
